"""`run_demo`: the whole way once: start the service, post the example galaxy, show and write the result."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.console import Console

from fiberless.cli.output import job_progress, write_products
from fiberless.cli.property_table import property_table
from fiberless.client import Client
from fiberless.contract import Job, Prediction
from fiberless.errors import UsageError
from fiberless.service.launcher import Stack
from fiberless.service.settings import Settings

__all__ = ["run_demo"]

_READY_SECONDS: Final = 300.0


def run_demo(image: Path, *, out: Path, settings: Settings, console: Console) -> Prediction:
    """Predict one image with a service of its own, which is gone afterwards.

    Parameters
    ----------
    image : FITS file of a galaxy
    out : folder for `<name>.fits`, `.json` and `.png`
    settings : as for `serve`; a free port and a temporary data folder replace those given
    console : where to show progress and the table

    Raises
    ------
    UsageError
        `fits-empty` if there is no such image; else what the service refuses.
    FatalError
        If the service cannot start.

    """
    if not image.is_file():
        raise UsageError("fits-empty", f"there is no file {image}")
    with TemporaryDirectory(prefix="fiberless-", dir="/tmp") as folder:  # a short path, mode 700
        alone = settings.model_copy(
            update={"port": 0, "host": "127.0.0.1", "access": "anonymous", "data_dir": Path(folder)}
        )
        with Stack(alone, partial(console.print, markup=False)) as stack, job_progress(console) as show:
            stack.wait_ready(timeout_seconds=_READY_SECONDS)
            with Client(stack.url) as client:
                prediction = client.predict(image, progress=_tending(stack, show), label=image.name)
                console.print(property_table(prediction))
                for path in write_products(client, prediction, out=out, name=image.stem):
                    console.print(f"wrote {path}")
    return prediction


def _tending(stack: Stack, show: Callable[[Job], None]) -> Callable[[Job], None]:
    """Progress callback that also looks after the processes."""

    def tell(job: Job) -> None:
        stack.tend()
        show(job)

    return tell
