"""`serve`: the stack in the foreground of a terminal, until a signal ends it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from fiberless.service.launcher.stack import Stack
from fiberless.service.settings import Settings

__all__ = ["serve"]

_READY_SECONDS: Final = 300.0
_TICK_SECONDS: Final = 0.2


def serve(settings: Settings, *, say: Callable[[str], None] = print) -> None:
    """Run the whole service until SIGINT or SIGTERM; a second signal ends it at once.

    Raises
    ------
    FiberlessError
        If it cannot start; see `Stack`.

    """
    if not settings.is_loopback and not settings.needs_keys:
        say(f"warning: anybody who reaches {settings.host} may use this service (FIBERLESS_ACCESS)")
    stopping = threading.Event()
    stack = Stack(settings, say)
    say("starting …")
    with _on_signals(stopping, stack.kill), stack:
        if stack.wait_ready(timeout_seconds=_READY_SECONDS, stopping=stopping.is_set):
            say(f"Fiberless listens on {stack.url} (Ctrl-C ends it)")
        while not stopping.wait(_TICK_SECONDS):
            stack.tend()
        say("stopping …")
        stack.stop()
    say("stopped")


@contextmanager
def _on_signals(stopping: threading.Event, hurry: Callable[[], None]) -> Iterator[None]:
    def handle(_number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            hurry()
        stopping.set()

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
