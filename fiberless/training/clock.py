"""`Clock`: wall time of a run across its interruptions, kept in the run's folder."""

import time
from pathlib import Path

__all__ = ["Clock"]


class Clock:
    """Counts on from what earlier calls left in `<folder>/wall_seconds.txt`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "wall_seconds.txt"
        self._before = float(self._path.read_text()) if self._path.exists() else 0.0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return self._before + time.monotonic() - self._started

    def tick(self) -> float:
        """Write down and return the seconds so far."""
        seconds = self.seconds
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(f"{seconds:.1f}\n")
        temporary.rename(self._path)
        return seconds
