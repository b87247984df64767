"""Processes that share work, a core each."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import Final

__all__ = ["process_pool"]

_THREADS: Final = "OMP_NUM_THREADS"


@contextmanager
def process_pool(workers: int | None = None) -> Iterator[ProcessPoolExecutor]:
    """Spawned processes whose linear algebra has one thread: more of them cost three times the work.

    They end when the caller does, even by kill −9: otherwise they would wait for work for ever.

    Parameters
    ----------
    workers : processes, by default as many as cores

    """
    chosen = os.environ.get(_THREADS)
    os.environ[_THREADS] = chosen or "1"
    try:
        with ProcessPoolExecutor(
            workers or os.cpu_count(), mp_context=get_context("spawn"), initializer=_end_with_parent
        ) as pool:
            yield pool
    finally:
        # the caller's own children must not inherit it: sums depend on the number of threads
        if chosen is None:
            del os.environ[_THREADS]


def _end_with_parent() -> None:
    """Watch the process that started this one, and leave when it is gone."""
    parent = parent_process()
    if parent is not None:
        Thread(target=_leave_after, args=(parent.sentinel,), daemon=True).start()


def _leave_after(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)
