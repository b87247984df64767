"""Commands that run the service or talk to one."""

from pathlib import Path
from typing import Annotated, Final

import typer

from fiberless.cli.program import app

__all__ = ["demo", "get_object", "models", "predict", "serve"]

DEFAULT_URL: Final = "http://127.0.0.1:8000"


@app.command()
def serve(
    *,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the database, images and logs.")] = None,
) -> None:
    """Start the whole service on this machine: broker, front end and workers."""
    from fiberless.launcher import serve as run
    from fiberless.settings import Settings

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
    from rich.console import Console

    from fiberless.demo import run_demo
    from fiberless.launcher import checkout_root
    from fiberless.settings import Settings

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
    from fiberless.remote_prediction import predict_files

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
    from fiberless.remote_prediction import show_object

    show_object(object_id, url=url, as_json=as_json)


@app.command()
def models(*, url: Annotated[str, typer.Option(help="Where the service listens.")] = DEFAULT_URL) -> None:
    """List the models of a service."""
    from fiberless.remote_prediction import show_models

    show_models(url=url)
