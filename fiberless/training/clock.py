"""`Clock`: wall time and core time of a run across its interruptions, kept in the run's folder."""

import json
import time
from pathlib import Path

__all__ = ["Clock"]


class Clock:
    """Counts on from what earlier calls left in `<folder>/clock.json`.

    Core time is that of this process and its threads; processes that it started for other work do not count.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "clock.json"
        before = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._wall = before.get("wall_seconds", 0.0) - time.monotonic()
        self._core = before.get("core_seconds", 0.0) - time.process_time()

    @property
    def seconds(self) -> float:
        """Wall seconds so far."""
        return self._wall + time.monotonic()

    @property
    def core_seconds(self) -> float:
        """Core seconds so far."""
        return self._core + time.process_time()

    def tick(self) -> None:
        """Write down the seconds so far."""
        temporary = self._path.with_suffix(".tmp")
        now = {"wall_seconds": round(self.seconds, 1), "core_seconds": round(self.core_seconds, 1)}
        temporary.write_text(json.dumps(now) + "\n")
        temporary.rename(self._path)
