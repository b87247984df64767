"""What a command shows of a job and keeps of a prediction: a progress line, and files from the service."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from fiberless.client import Client
from fiberless.contract import Job, Prediction

__all__ = ["job_progress", "write_products"]


def write_products(client: Client, prediction: Prediction, *, out: Path, name: str) -> list[Path]:
    """Write a prediction as FITS, JSON and PNG into a folder; returns the paths."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{name}.{kind}" for kind in ("fits", "json", "png")]
    paths[0].write_bytes(client.spectrum_fits(prediction.id))
    paths[1].write_text(prediction.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")
    paths[2].write_bytes(client.preview_png(prediction.id))
    return paths


@contextmanager
def job_progress(console: Console, first: str = "starting the service") -> Iterator[Callable[[Job], None]]:
    """Progress line of one job; yields the callback that moves it."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        line = progress.add_task(first, total=None)

        def show(job: Job) -> None:
            text = f"job {job.id[:8]}…: {job.phase.lower()}, {job.progress.stage}"
            progress.update(line, description=text, completed=job.progress.done, total=job.progress.total)

        yield show
