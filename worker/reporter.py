"""`ProgressReporter`: off the model thread, writes down how far jobs are and learns which were cancelled."""

import threading
from collections.abc import Collection, Mapping, Sequence

import structlog

from fiberless.contract import JobProgress
from fiberless.errors import TransientError
from fiberless.service.storage import Store

__all__ = ["BatchWatch", "ProgressReporter", "WorkStoppedError"]

_log = structlog.get_logger(__name__)


class WorkStoppedError(Exception):
    """Nobody waits for any of the jobs any more; the model may stop between two denoising steps."""


class BatchWatch:
    """What is known of a batch while the model works on it: written by one thread, read by another.

    Parameters
    ----------
    lease_token : str
        Token of the leases.
    job_ids : the jobs that were claimed

    """

    def __init__(self, lease_token: str, job_ids: Collection[str]) -> None:
        self.lease_token = lease_token
        self._claimed = frozenset(job_ids)
        self._gone: frozenset[str] = frozenset()
        self._progress: dict[str, JobProgress] = {}
        self._told: dict[str, JobProgress] = {}

    def see(self, job_ids: Sequence[str], rows: Sequence[int], progress: JobProgress) -> None:
        """Note how far some of the jobs are that the model works on.

        Raises
        ------
        WorkStoppedError
            If none of these jobs is this worker's any more.

        """
        self._progress.update(dict.fromkeys((job_ids[row] for row in rows), progress))
        if self._gone.issuperset(job_ids):
            raise WorkStoppedError

    def is_gone(self, job_id: str) -> bool:
        """Whether a job was cancelled, or taken over by another worker."""
        return job_id in self._gone

    def keep(self, held: Collection[str]) -> None:
        """Note which jobs are still this worker's."""
        self._gone = self._claimed.difference(held)

    def news(self) -> Mapping[str, JobProgress]:
        """Progress that was not asked for before."""
        seen = self._progress.copy()
        fresh = {job_id: reached for job_id, reached in seen.items() if self._told.get(job_id) != reached}
        self._told = seen
        return fresh


class ProgressReporter:
    """Looks at the batches in flight on a thread of its own.

    Parameters
    ----------
    pause_seconds : float
        Time between two looks: the most often that progress is written, and the longest that a cancelled
        job is worked on, a denoising step apart.

    """

    def __init__(self, store: Store, *, pause_seconds: float) -> None:
        self._store = store
        self._pause_seconds = pause_seconds
        self._watches: dict[str, BatchWatch] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._report_forever, name="reporter", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def watch(self, lease_token: str, job_ids: Collection[str]) -> BatchWatch:
        """Look at a batch from now on."""
        watch = self._watches[lease_token] = BatchWatch(lease_token, job_ids)
        return watch

    def forget(self, lease_token: str) -> None:
        """Look at a batch no more."""
        self._watches.pop(lease_token, None)

    def report(self) -> None:
        """Look at all batches once.

        Raises
        ------
        TransientError
            `storage-unavailable`.

        """
        for watch in list(self._watches.values()):
            news = watch.news()
            if news:
                self._store.leases.report(watch.lease_token, news)
            watch.keep(self._store.leases.held(watch.lease_token))

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._thread.join()

    def _report_forever(self) -> None:
        while not self._closing.wait(self._pause_seconds):
            try:
                self.report()
            except TransientError as error:
                _log.warning("progress not written", reason=error.detail)
            except Exception:  # noqa: BLE001  progress is a courtesy: the work goes on without it
                _log.exception("reporting broke; trying again")
