"""The command line: translates arguments into calls of the library, and errors into exit codes.

Heavy rooms are imported inside the commands, so that `fiberless --help` is quick and needs no torch.
"""

import typer

from fiberless.cli import (
    cascade,
    evaluation,
    images,
    keys,
    measure,
    sdss_data,
    service,
    sky,
    spectra,
    training,
)
from fiberless.cli.program import app
from fiberless.errors import FiberlessError

__all__ = [
    "app",
    "cascade",
    "evaluation",
    "images",
    "keys",
    "main",
    "measure",
    "sdss_data",
    "service",
    "sky",
    "spectra",
    "training",
]


def main() -> None:
    """Run the command line; a `FiberlessError` becomes one clear line and exit code 2."""
    try:
        app()
    except FiberlessError as error:
        typer.echo(f"fiberless: {error}", err=True)
        raise SystemExit(2) from error
