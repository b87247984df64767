"""`Fetcher` and `run_fetch`: the process that turns positions into images, and sweeps."""

import threading
from collections.abc import Callable
from typing import Final, TypeVar

import structlog

from fiberless.contract import QUEUE_FETCH, QUEUE_PREDICT, TASK_FETCH, ErrorReport, Target
from fiberless.errors import FatalError, FiberlessError, TransientError
from fiberless.service.image_sources import configured_source
from fiberless.service.queue import JobQueue, make_celery
from fiberless.service.settings import Settings
from fiberless.service.storage import ClaimedJob, Store, open_store
from fiberless.sources.source import CutoutSource
from worker.consume import consume
from worker.identity import new_worker_id
from worker.lease_renewer import LeaseRenewer
from worker.sweeper import Sweeper

__all__ = ["Fetcher", "run_fetch"]

_CONCURRENCY: Final = 8
_STORAGE_PAUSE_SECONDS: Final = 0.5
_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


class Fetcher:
    """Fetches the image of one job at a time and thread.

    Parameters
    ----------
    publish : callable
        Tells the workers of a queue that a job waits: (job id, queue, is_batch=…).

    """

    def __init__(
        self,
        store: Store,
        source: CutoutSource,
        *,
        renewer: LeaseRenewer,
        publish: Callable[..., object],
        max_attempts: int,
    ) -> None:
        self._store = store
        self._source = source
        self._renewer = renewer
        self._publish = publish
        self._max_attempts = max_attempts
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Take no more jobs, and wait for the storage no longer."""
        self._stopping.set()

    def run(self, job_id: str) -> None:
        """Fetch the image of a job and pass it on; a job that is not free is left alone."""
        if self._stopping.is_set():
            return  # the sweeper tells others of it
        lease_token = self._renewer.hold()
        try:
            for job in self._claim_in_turn(job_id, lease_token):
                self._fetch(job, lease_token)
        except TransientError as error:
            # The storage is away: the lease runs out, and the sweeper sends the job again.
            _log.warning("job left to the sweeper", job_id=job_id, reason=error.detail)
        finally:
            self._renewer.drop(lease_token)

    def _claim_in_turn(self, told: str, lease_token: str) -> list[ClaimedJob]:
        """The job whose owner's turn it is, else the one that the worker was told of."""
        chosen = self._store.leases.in_turn([told], queue=QUEUE_FETCH, limit=1)
        for job_id in dict.fromkeys((*chosen, told)):
            claimed = self._claim(job_id, lease_token)
            if claimed:
                return claimed
        return []

    def _claim(self, job_id: str, lease_token: str) -> list[ClaimedJob]:
        return self._store.leases.claim(
            [job_id],
            lease_token=lease_token,
            queue=QUEUE_FETCH,
            lease_seconds=self._renewer.lease_seconds,
            max_attempts=self._max_attempts,
        )

    def _fetch(self, job: ClaimedJob, lease_token: str) -> None:
        try:
            cutout = self._source.fetch(_target_of(job))
        except FiberlessError as error:
            self._give_up(job, lease_token, error)
        except Exception:  # noqa: BLE001  any fault of a source is that job's own
            _log.exception("fetching broke", job_id=job.id)
            self._give_up(job, lease_token, FatalError("internal-error", "fetching broke; the log tells why"))
        else:
            if self._insist(lambda: self._store.leases.attach_cutout(job.id, lease_token, cutout)):
                self._publish(job.id, QUEUE_PREDICT, is_batch=job.is_batch)

    def _give_up(self, job: ClaimedJob, lease_token: str, error: FiberlessError) -> None:
        """Release a job after a passing fault, for the sweeper to send it again; end it after any other."""
        _log.warning("image not fetched", job_id=job.id, slug=error.slug, detail=error.detail)
        if isinstance(error, TransientError) and job.attempt < self._max_attempts:
            self._insist(lambda: self._store.leases.release(job.id, lease_token))
        else:
            self._insist(lambda: self._store.leases.fail(job.id, lease_token, ErrorReport.of(error)))

    def _insist(self, action: Callable[[], _T]) -> _T:
        """Wait for a storage that does not answer, which no job is at fault for, until the process ends."""
        while True:
            try:
                return action()
            except TransientError as error:
                _log.warning("storage does not answer", reason=error.detail)
                if self._stopping.wait(_STORAGE_PAUSE_SECONDS):
                    raise


def run_fetch(settings: Settings, redis_url: str) -> int:
    """Fetch and sweep until a signal comes; returns the exit code.

    Raises
    ------
    FiberlessError
        If the image source or the storage cannot be opened.

    """
    source = configured_source(settings)
    store = open_store(settings)
    job_queue = JobQueue(redis_url)
    worker_id = new_worker_id("fetch")
    renewer = LeaseRenewer(
        store, worker_kind="fetch", worker_id=worker_id, lease_seconds=settings.lease_seconds
    )
    fetcher = Fetcher(
        store, source, renewer=renewer, publish=job_queue.publish, max_attempts=settings.max_attempts
    )
    sweeper = Sweeper(store, job_queue, settings=settings)
    celery = make_celery(redis_url, socket_timeout_seconds=5.0)
    celery.task(name=TASK_FETCH)(fetcher.run)
    renewer.start()
    sweeper.start()
    _log.info("fetching and sweeping", worker_id=worker_id)
    exit_code = consume(
        celery, queue=QUEUE_FETCH, worker_id=worker_id, concurrency=_CONCURRENCY, on_stop=fetcher.stop
    )
    sweeper.close()
    renewer.close()
    source.close()
    job_queue.close()
    store.close()
    return exit_code


def _target_of(job: ClaimedJob) -> Target:
    if job.target is None:
        raise FatalError("internal-error", f"job {job.id} has neither an image nor a position")
    return job.target
