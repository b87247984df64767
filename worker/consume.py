"""`consume`: runs Celery's worker in this process on one queue, until a signal ends it."""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from celery import Celery, signals
from celery.worker import state

__all__ = ["consume"]

_log = structlog.get_logger(__name__)
_EXIT_BROKEN: Final = 70
_STEADY_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 1.0
_MOST_BREAKS: Final = 5
"""Ends in a row, each soon after its start: then something is wrong that starting again cannot mend."""


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def _leave_logging_alone(**_options: Any) -> None:
    """Keep Celery from configuring logging: the process has done it."""


def consume(
    celery: Celery, *, queue: str, worker_id: str, concurrency: int, on_stop: Callable[[], None]
) -> int:
    """Take messages from a queue with a pool of threads; returns the exit code.

    A broker that goes away may break Celery's consumer in ways that it does not expect, and then it ends as
    if it had been told to. It is started again: the model and what it works on need no broker.

    Parameters
    ----------
    on_stop : called when a signal asks the process to end, before it waits for the running tasks

    """
    is_told = threading.Event()

    def stop(**_options: Any) -> None:
        is_told.set()
        on_stop()

    signals.worker_shutting_down.connect(stop, weak=False)
    breaks = 0
    while breaks < _MOST_BREAKS:
        since = time.monotonic()
        exit_code = _consume_once(celery, queue=queue, worker_id=worker_id, concurrency=concurrency)
        if is_told.is_set():
            return exit_code
        breaks = 0 if time.monotonic() - since > _STEADY_SECONDS else breaks + 1
        _log.error("the consumer ended by itself; starting it again", breaks=breaks)
        is_told.wait(_PAUSE_SECONDS)
    return _EXIT_BROKEN


def _consume_once(celery: Celery, *, queue: str, worker_id: str, concurrency: int) -> int:
    state.should_stop = state.should_terminate = None
    worker = celery.Worker(
        hostname=worker_id,
        pool_cls="threads",
        concurrency=concurrency,
        queues=queue,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)
