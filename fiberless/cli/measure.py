"""Command that measures spectra, observed or predicted."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fiberless.cli.program import app
from fiberless.cli.progress import progress_bars
from fiberless.errors import FiberlessError, UsageError

if TYPE_CHECKING:
    from fiberless.measuring.document import MeasuredSpectrum
    from fiberless.measuring.files import MeasuredFile

__all__ = ["measure"]


@app.command()
def measure(
    files: Annotated[
        list[Path], typer.Argument(help="Spectra: surveys' files, tables, images, our products.")
    ],
    *,
    z: Annotated[float | None, typer.Option("--z", help="Redshift; default: found, 0 < z < 1.")] = None,
    air: Annotated[
        bool, typer.Option("--air", help="Wavelengths are those in air, if the file does not say.")
    ] = False,
    ebv: Annotated[float, typer.Option("--ebv", help="Milky Way's E(B-V) to take off, mag.")] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Write FILE.png beside --out, or here.")] = False,
    out: Annotated[Path | None, typer.Option(help="One table of all: .ecsv, .csv or .parquet.")] = None,
    survey: Annotated[
        bool, typer.Option("--survey", help="Print ours beside the survey's own values, as Markdown.")
    ] = False,
) -> None:
    """Measure spectra: redshift, lines, indices, classes, abundances, star formation, magnitudes.

    Files that cannot be read are named on the error stream and left out; the exit code is then 1.
    """
    from fiberless.measuring.survey import Surveyed, survey_comparison
    from fiberless.measuring.table import check_output, write_rows

    if out is not None:
        check_output(out)
    if plot:
        _check_names(files)
    documents: list[MeasuredSpectrum] = []
    surveyed: list[Surveyed] = []
    for path, result in _measured(files, z, air=air, ebv=ebv):
        documents.append(result.document)
        if result.source.pipeline is not None:
            surveyed.append(Surveyed(result.document, result.source.pipeline))
        if plot:
            _write_plot(result, path, (out.parent if out is not None else Path()))
        if as_json:
            typer.echo(result.document.model_dump_json())
    if survey:
        typer.echo(survey_comparison(surveyed))
    elif not as_json and (out is None or len(documents) == 1):
        _print_tables(documents)
    if out is not None and documents:
        write_rows(documents, out)
        typer.echo(f"wrote {out}: {len(documents)} spectra", err=True)
    raise typer.Exit(int(len(documents) < len(files)))


def _measured(
    files: list[Path], z: float | None, *, air: bool, ebv: float
) -> Iterator[tuple[Path, "MeasuredFile"]]:
    """Each file that can be measured; the others are named on the error stream, beside a bar if many."""
    from fiberless.measuring.files import measure_file

    with progress_bars(shown=len(files) > 1) as bars:
        task = bars.add_task("spectra", total=len(files))
        for path in files:
            try:
                yield path, measure_file(path, redshift=z, air=air, ebv=ebv)
            except FiberlessError as error:
                typer.echo(f"fiberless: {path.name}: {error}", err=True)
            except Exception as error:  # noqa: BLE001  # one file's fault, whatever it is, ends no other's
                typer.echo(f"fiberless: {path.name}: {type(error).__name__}: {error}", err=True)
            bars.advance(task)


def _check_names(files: list[Path]) -> None:
    names = [path.name for path in files]
    if len(set(names)) < len(names):
        raise UsageError("invalid-parameter", "two files of one name would share a plot")


def _write_plot(result: "MeasuredFile", path: Path, folder: Path) -> None:
    from fiberless.measuring.plot import plot_measured

    picture = folder / f"{path.name}.png"
    plot_measured(result, picture)
    typer.echo(f"wrote {picture}", err=True)


def _print_tables(documents: list["MeasuredSpectrum"]) -> None:
    from rich.console import Console

    from fiberless.measuring.table import measured_table

    console = Console()
    for document in documents:
        console.print(measured_table(document))
