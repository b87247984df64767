"""The program that all commands hang on."""

from pathlib import Path
from typing import Annotated

import typer

from fiberless import __version__

__all__ = ["ModelStore", "ServiceUrl", "app", "data_app"]


def _found_store() -> Path:
    from fiberless.contract.model_stores import model_store

    return model_store()


ModelStore = Annotated[
    Path,
    typer.Option(
        default_factory=_found_store,
        show_default=False,
        help="Folder of model versions; default: as set, beside the package, or your own.",
    ),
]

ServiceUrl = Annotated[
    str | None, typer.Option(help="Where the service listens; default: FIBERLESS_URL, else this machine.")
]

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
