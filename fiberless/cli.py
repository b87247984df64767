"""The command line: translates arguments into calls of the library, and errors into exit codes.

Heavy rooms are imported inside the commands, so that `fiberless --help` is quick and needs no torch.
"""

from typing import Annotated

import typer

from fiberless import __version__

__all__ = ["app", "main"]

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


def main() -> None:
    """Run the command line; a `FiberlessError` becomes one clear line and exit code 2."""
    from fiberless.errors import FiberlessError  # noqa: PLC0415

    try:
        app()
    except FiberlessError as error:
        typer.echo(f"fiberless: {error}", err=True)
        raise SystemExit(2) from error
