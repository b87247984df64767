"""`StageLog`: the CSV log of a stage, which after a stop goes on where the checkpoint does."""

import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

__all__ = ["LogRow", "StageLog"]

_HEADER: Final = ("step", "loss", "validation", "seconds")


@dataclass(frozen=True)
class LogRow:
    """Loss of one batch and of the validation rows after a step, and wall seconds spent in the stage."""

    step: int
    loss: float
    validation: float
    seconds: float

    @classmethod
    def parse(cls, cells: list[str]) -> Self:
        """Read a row of the file."""
        step, loss, validation, seconds = cells
        return cls(int(step), float(loss), float(validation), float(seconds))

    def cells(self) -> tuple[str, ...]:
        """Write a row of the file."""
        return str(self.step), f"{self.loss:.6g}", f"{self.validation:.6g}", f"{self.seconds:.1f}"


class StageLog:
    """Rows of `<stage>.csv`; those after the step that a stage goes on from are dropped on opening."""

    def __init__(self, path: Path, *, done: int) -> None:
        self._path = path
        self.rows = [row for row in _read(path) if row.step <= done]
        self._before = self.rows[-1].seconds if self.rows else 0.0
        self._started = time.monotonic()
        temporary = path.with_suffix(".tmp")
        with temporary.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([_HEADER, *(row.cells() for row in self.rows)])
        temporary.rename(path)

    def add(self, step: int, loss: float, validation: float) -> None:
        """Append a row; when this returns it is in the file."""
        row = LogRow(step, loss, validation, self._before + time.monotonic() - self._started)
        self.rows.append(row)
        with self._path.open("a", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(row.cells())


def _read(path: Path) -> list[LogRow]:
    """Rows of a log; a line that a kill cut short is left out."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        lines = list(csv.reader(file))[1:]
    return [LogRow.parse(cells) for cells in lines if len(cells) == len(_HEADER) and all(cells)]
