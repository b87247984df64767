"""`consume`: runs Celery's worker in this process on one queue, until a signal ends it."""

from typing import Any

from celery import Celery, signals

__all__ = ["consume"]


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def _leave_logging_alone(**_options: Any) -> None:
    """Keep Celery from configuring logging: the process has done it."""


def consume(celery: Celery, *, queue: str, worker_id: str, concurrency: int) -> int:
    """Take messages from a queue with a pool of threads; returns the exit code.

    SIGTERM lets running tasks end and puts the others back.
    """
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
