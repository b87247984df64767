"""`Pace`: how often a server may be asked by all threads together."""

import threading
import time
from collections.abc import Callable

__all__ = ["Pace"]


class Pace:
    """Spaces requests of all threads evenly; a server that asks for a pause holds them all.

    Parameters
    ----------
    per_second : requests
    clock, sleep : time's own, or a test's

    """

    def __init__(
        self,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = clock()

    def wait(self) -> None:
        """Return when the next request may be sent."""
        with self._lock:
            now = self._clock()
            slot = max(now, self._next)
            self._next = slot + self._interval
        if slot > now:
            self._sleep(slot - now)

    def hold(self, seconds: float) -> None:
        """Let nobody ask for a while."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)
