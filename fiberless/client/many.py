"""`progress_of_many`: the progress bar of many predictions, on a terminal's error stream."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_of_many"]


@contextmanager
def progress_of_many(total: int | None, *, shown: bool | None) -> Iterator[Callable[[], None]]:
    """Show a bar; yields what moves it by one. `shown` None shows it where a person sees it."""
    from rich.console import Console  # noqa: PLC0415  # for those who predict many only
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("predicting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_shown = sys.stderr.isatty() if shown is None else shown
    with Progress(*columns, console=Console(stderr=True), disable=not is_shown) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)
