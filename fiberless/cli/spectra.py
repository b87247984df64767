"""Command that holds a model's spectral basis against observed spectra."""

from pathlib import Path
from typing import Annotated

import typer

from fiberless.cli.program import ModelStore, app

__all__ = ["spectra"]


@app.command()
def spectra(
    files: Annotated[list[Path], typer.Argument(help="SDSS spec or spec-lite files.", exists=True)],
    *,
    model: Annotated[str | None, typer.Option(help="Version; default: the store's.")] = None,
    store: ModelStore,
    data: Annotated[Path | None, typer.Option(help="Simulated data set to compare indices with.")] = None,
) -> None:
    """Fit observed spectra with a model's basis: χ² per pixel, breaks, Balmer absorption, line widths."""
    from fiberless.contract.manifest import resolve_version
    from fiberless.datasets.sdss.spectra import Rejected
    from fiberless.datasets.shards import ShardSet
    from fiberless.evaluation.real_spectra import check_spectrum, mock_locus, spectra_table
    from fiberless.inference.store import load_version

    family, _ = load_version(store, resolve_version(store, model))
    checks = []
    for path in files:
        try:
            checks.append(check_spectrum(family.basis, path))
        except Rejected as rejected:
            typer.echo(f"{path.name} left out, {rejected}", err=True)
    if checks:
        typer.echo(spectra_table(checks, None if data is None else mock_locus(ShardSet(data))))
