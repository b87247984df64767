"""Commands that run the service or talk to one."""

from pathlib import Path
from typing import Annotated

import typer

from fiberless.cli.asked import asked_galaxies
from fiberless.cli.program import ServiceUrl, app

__all__ = ["demo", "get_object", "predict", "serve"]


@app.command()
def serve(
    *,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the database, images and logs.")] = None,
) -> None:
    """Start the whole service on this machine: broker, front end and workers."""
    from fiberless.service.launcher import serve as run
    from fiberless.service.settings import Settings

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

    from fiberless.cli.demo import run_demo
    from fiberless.service.launcher import checkout_root
    from fiberless.service.settings import Settings

    chosen = image or checkout_root() / "examples" / "galaxy.fits"
    run_demo(chosen, out=out, settings=Settings(), console=Console())


@app.command()
def predict(
    images: Annotated[
        list[str] | None,
        typer.Argument(help="FITS files, one galaxy each; or positions like '02:33:25.2 -00:09:20'."),
    ] = None,
    *,
    ra: Annotated[str | None, typer.Option(help="Right ascension, ICRS: degrees, or 02:33:25.2.")] = None,
    dec: Annotated[str | None, typer.Option(help="Declination, ICRS: degrees, or -00:09:20.")] = None,
    object_id: Annotated[str | None, typer.Option("--id", help="Name instead: sdss:…, or NGC 1068.")] = None,
    url: ServiceUrl = None,
    local: Annotated[bool, typer.Option("--local", help="Predict in this process, with no service.")] = False,
    candidates: Annotated[int | None, typer.Option(help="Spectra drawn for each galaxy.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same image, model, options, seed: same numbers.")] = None,
    model: Annotated[str | None, typer.Option(help="Model version; default: the service's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a line.")] = False,
    plot: Annotated[bool, typer.Option(help="Write FITS, JSON and PNG files to --out.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for the files of --plot.")] = Path("out"),
) -> None:
    """Predict galaxies: files, or by their places or names; one that fails does not stop the others."""
    asked = asked_galaxies(images or [], ra=ra, dec=dec, object_id=object_id)
    if not asked:
        raise typer.BadParameter("give FITS files, or --ra and --dec, or --id")
    given = {"n_candidates": candidates, "seed": seed, "model": model}
    options = {name: value for name, value in given.items() if value is not None}
    folder = out if plot else None
    if local:
        from fiberless.cli.predict_local import predict_locally
        from fiberless.service.settings import Settings

        predict_locally(asked, settings=Settings(), options=options, as_json=as_json, out=folder)
        return
    from fiberless.cli.predict_remote import predict_remotely

    predict_remotely(asked, url=url, options=options, as_json=as_json, out=folder)


@app.command("get")
def get_object(
    name: Annotated[str, typer.Argument(help="Object ID that came with the image, or prediction ID.")],
    *,
    url: ServiceUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON document.")] = False,
) -> None:
    """Show the newest prediction of an object, or a prediction by its ID."""
    from fiberless.cli.predict_remote import show_object

    show_object(name, url=url, as_json=as_json)
