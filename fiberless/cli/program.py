"""The program that all commands hang on."""

from typing import Annotated

import typer

from fiberless import __version__

__all__ = ["app", "data_app"]

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
