"""The command that holds the simulated survey against tables of real galaxies."""

from pathlib import Path
from typing import Annotated

import typer

from fiberless.cli.program import app
from fiberless.cli.progress import command_line, progress_bars, report_on

__all__ = ["sky"]


@app.command()
def sky(
    *,
    real: Annotated[
        Path | None, typer.Option(help="Folder with real_galaxies.parquet; default: the shipped rows.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Simulated data set; default: drawn afresh.", exists=True)
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for JSON, Markdown and pictures.")] = Path("runs/sky"),
    mocks: Annotated[int, typer.Option(min=2000, help="Simulated galaxies compared.")] = 40_000,
    measured: Annotated[int, typer.Option(min=0, help="Of them measured on images and spectra.")] = 1500,
    limit: Annotated[int | None, typer.Option(min=500, help="Galaxies of each source; default: all.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated galaxies, folds and draws.")] = 14,
) -> None:
    """Hold simulated galaxies against real ones: colours, counts, photometric redshifts, percentiles."""
    from fiberless.evaluation.sky.plots import draw_sky
    from fiberless.evaluation.sky.report import SkyOptions, compare_with_sky, write_figures
    from fiberless.evaluation.sky.text import sky_text

    options = SkyOptions(mocks=mocks, measured=measured, limit=limit, seed=seed)
    with progress_bars() as bars:
        found = compare_with_sky(
            real,
            data=data,
            options=options,
            progress=lambda stage, done, total: report_on(bars)(stage, done, total, 0.0),
        )
    text = sky_text(found, command=command_line())
    write_figures(found, out, text=text, command=command_line())
    draw_sky(found, out)
    typer.echo(text)
