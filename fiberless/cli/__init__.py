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
    models,
    sdss_data,
    service,
    sky,
    spectra,
    training,
)
from fiberless.cli.extras import missing_extra
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
    "models",
    "sdss_data",
    "service",
    "sky",
    "spectra",
    "training",
]


def main() -> None:
    """Run the command line; what goes wrong becomes one clear line and exit code 2.

    That is a `FiberlessError`, or a module that an extra of the package brings and nobody installed.
    """
    try:
        app()
    except ModuleNotFoundError as error:
        if (advice := missing_extra(error)) is None:
            raise
        typer.echo(f"fiberless: {advice}", err=True)
        raise SystemExit(2) from error
    except FiberlessError as error:
        typer.echo(f"fiberless: {error}", err=True)
        raise SystemExit(2) from error
