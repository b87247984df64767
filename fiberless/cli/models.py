"""Commands about model versions: list those of a service, fetch one for this machine."""

from typing import Annotated

import typer

from fiberless.cli.program import ServiceUrl, app

__all__ = ["fetch", "models"]

models_app = typer.Typer(help="List the models of a service, or fetch one for this machine.")
app.add_typer(models_app, name="models")


@models_app.callback(invoke_without_command=True)
def models(
    context: typer.Context,
    *,
    url: ServiceUrl = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON document.")] = False,
) -> None:
    """List the models of a service, or fetch one for this machine."""
    from fiberless.cli.predict_remote import show_models

    if context.invoked_subcommand is None:
        show_models(url=url, as_json=as_json)


@models_app.command()
def fetch(
    origin: Annotated[
        str, typer.Argument(help="A version's folder, or a .tar, .tar.gz or .zip of one: path or address.")
    ],
) -> None:
    """Put a model version into your own folder of models, after a check of all its hashes."""
    from fiberless.cli.fetch_model import fetch_version
    from fiberless.contract.model_stores import user_model_store

    store = user_model_store()
    manifest = fetch_version(origin, store)
    typer.echo(f"{manifest.version} is in {store}: {manifest.training_data}")
