"""Progress on the terminal, and the command as it was typed: what commands that run for minutes share."""

import sys
from collections.abc import Callable
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["command_line", "progress_bars", "report_on"]


def progress_bars(*, shown: bool = True) -> Progress:
    """Progress on the terminal's error stream, so that output can be piped."""
    from rich.console import Console

    columns = (TextColumn("{task.description:>18}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not shown)


def report_on(bars: Progress) -> Callable[[str, int, int, float], None]:
    """Report of one bar a stage."""
    known = {task.fields["stage"]: task.id for task in bars.tasks}

    def report(stage: str, done: int, total: int, loss: float) -> None:
        if stage not in known:
            known[stage] = bars.add_task(stage, total=total, stage=stage)
        text = f"{stage} {loss:.3f}" if loss else stage
        bars.update(known[stage], completed=done, total=total, description=text)

    return report


def command_line() -> str:
    """The command as it was typed, with the names alone of what lies at absolute paths of this machine."""
    words = (Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:])
    return " ".join(["fiberless", *words])
