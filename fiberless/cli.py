"""The command line: translates arguments into calls of the library, and errors into exit codes.

Heavy rooms are imported inside the commands, so that `fiberless --help` is quick and needs no torch.
"""

from pathlib import Path
from typing import Annotated, Final

import typer

from fiberless import __version__

__all__ = ["app", "main"]

DEFAULT_URL: Final = "http://127.0.0.1:8000"

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
data_app = typer.Typer(no_args_is_help=True, help="Make training data.")
app.add_typer(data_app, name="data")


@app.callback(invoke_without_command=True)
def _root(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False
) -> None:
    """Predict the optical spectrum of a galaxy from its five-band image."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def serve(
    *,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the database, images and logs.")] = None,
) -> None:
    """Start the whole service on this machine: broker, front end and workers."""
    from fiberless.launcher import serve as run  # noqa: PLC0415
    from fiberless.settings import Settings  # noqa: PLC0415

    given = {"port": port, "host": host, "data_dir": data_dir}
    chosen = {name: value for name, value in given.items() if value is not None}
    run(Settings.model_validate(Settings().model_dump() | chosen), say=typer.echo)


@app.command()
def demo(
    image: Annotated[Path | None, typer.Argument(help="FITS file; default: the example galaxy.")] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder for the FITS, JSON and PNG files.")] = Path("out"),
) -> None:
    """Start a service, predict one galaxy over HTTP, show and write the result, and stop."""
    from rich.console import Console  # noqa: PLC0415

    from fiberless.demo import run_demo  # noqa: PLC0415
    from fiberless.launcher import checkout_root  # noqa: PLC0415
    from fiberless.settings import Settings  # noqa: PLC0415

    chosen = image or checkout_root() / "examples" / "galaxy.fits"
    run_demo(chosen, out=out, settings=Settings(), console=Console())


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(help="FITS files, one galaxy each.", exists=True)],
    *,
    url: Annotated[str, typer.Option(help="Where the service listens.")] = DEFAULT_URL,
    candidates: Annotated[int | None, typer.Option(help="Spectra drawn for each galaxy.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same image, model, options, seed: same numbers.")] = None,
    model: Annotated[str | None, typer.Option(help="Model version; default: the service's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line.")] = False,
    plot: Annotated[bool, typer.Option(help="Write FITS, JSON and PNG files to --out.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the files of --plot.")] = Path("out"),
) -> None:
    """Predict galaxies with a running service."""
    from fiberless.remote_prediction import predict_files  # noqa: PLC0415

    given = {"n_candidates": candidates, "seed": seed, "model": model}
    options = {name: value for name, value in given.items() if value is not None}
    predict_files(images, url=url, options=options, as_json=as_json, out=out if plot else None)


@app.command("get")
def get_object(
    object_id: Annotated[str, typer.Argument(help="Name that was given with the image.")],
    *,
    url: Annotated[str, typer.Option(help="Where the service listens.")] = DEFAULT_URL,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON document.")] = False,
) -> None:
    """Show the newest prediction of an object."""
    from fiberless.remote_prediction import show_object  # noqa: PLC0415

    show_object(object_id, url=url, as_json=as_json)


@app.command()
def models(*, url: Annotated[str, typer.Option(help="Where the service listens.")] = DEFAULT_URL) -> None:
    """List the models of a service."""
    from fiberless.remote_prediction import show_models  # noqa: PLC0415

    show_models(url=url)


@app.command()
def pack(
    images: Annotated[list[Path], typer.Argument(help="Five single-band FITS files.", exists=True)],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="FITS file to write.")] = Path("cutout.fits"),
) -> None:
    """Pack five aligned single-band images into one cutout; bands by header, else by order."""
    from fiberless.cutouts.fits import name_band_files, read_band_files, write_cutout  # noqa: PLC0415

    packed = read_band_files(name_band_files([path.read_bytes() for path in images]))
    write_cutout(packed, out)
    _echo_lines(str(out), *packed.notes)


@app.command()
def cutout(
    *,
    frames: Annotated[Path, typer.Option(help="Folder of corrected SDSS frames.", exists=True)],
    ra: Annotated[float, typer.Option(help="Right ascension, ICRS degrees.", min=0, max=360)],
    dec: Annotated[float, typer.Option(help="Declination, ICRS degrees.", min=-90, max=90)],
    out: Annotated[Path, typer.Option("--out", "-o", help="FITS file to write.")] = Path("cutout.fits"),
) -> None:
    """Cut a galaxy from corrected SDSS frames, all bands aligned to r."""
    from fiberless.cutouts.fits import write_cutout  # noqa: PLC0415
    from fiberless.cutouts.sdss import cut_frames  # noqa: PLC0415

    found = cut_frames(frames, ra, dec)
    write_cutout(found, out)
    _echo_lines(str(out), *found.notes)


def main() -> None:
    """Run the command line; a `FiberlessError` becomes one clear line and exit code 2."""
    from fiberless.errors import FiberlessError  # noqa: PLC0415

    try:
        app()
    except FiberlessError as error:
        typer.echo(f"fiberless: {error}", err=True)
        raise SystemExit(2) from error


def _echo_lines(first: str, *rest: str) -> None:
    typer.echo(first)
    for line in rest:
        typer.echo(f"  {line}")
