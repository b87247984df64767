"""`Batcher`: gathers job ids into batches, claims, predicts on ONE thread, stores. No Celery, no torch.

Three threads work on three batches at once: the collector claims the next one, the model thread predicts,
the writer stores the last one.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, Queue
from typing import Final, TypeAlias, TypeVar

import structlog

from fiberless.contract import QUEUE_PREDICT, ErrorReport, PredictionRequest, PredictionResult, Watch
from fiberless.errors import FatalError, FiberlessError, TransientError
from fiberless.service.storage import ClaimedJob, Store
from worker.claimed_batch import BatchLimits, ClaimedBatch, Outcome
from worker.lease_renewer import LeaseRenewer
from worker.reporter import BatchWatch, ProgressReporter, WorkStoppedError

__all__ = ["Batcher", "DeviceLostError"]

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")
_BATCHES_IN_FLIGHT: Final = 3
_STORAGE_PAUSE_SECONDS: Final = 0.5
_EXIT_HUNG: Final = 75
_EXIT_BROKEN: Final = 70

Predict: TypeAlias = Callable[[Sequence[PredictionRequest], Watch], Sequence[PredictionResult]]


class DeviceLostError(BaseException):
    """The accelerator is lost to this process, which must end. No `Exception`: no job is at fault."""


class Batcher:
    """Predicts jobs by id.

    Parameters
    ----------
    predict : callable
        Requests in, results out, in order; tells the `Watch` how far they are. Whatever it raises concerns
        the whole batch, which is then halved until the culprit is alone (which also serves a device that is
        out of memory). But `DeviceLostError` ends the process.
    abort : callable
        Ends the process at once with an exit code; a thread cannot be ended otherwise.

    """

    def __init__(
        self,
        store: Store,
        predict: Predict,
        *,
        renewer: LeaseRenewer,
        limits: BatchLimits,
        abort: Callable[[int], object] = os._exit,
    ) -> None:
        self._store = store
        self._predict = predict
        self._renewer = renewer
        self._limits = limits
        self._abort = abort
        self._reporter = ProgressReporter(store, pause_seconds=limits.report_seconds)
        self._inbox: Queue[str | None] = Queue()
        self._claimed: Queue[ClaimedBatch | None] = Queue()
        self._predicted: Queue[ClaimedBatch | None] = Queue()
        self._room = threading.Semaphore(_BATCHES_IN_FLIGHT)
        self._waiting: dict[str, threading.Event] = {}
        self._lock = threading.Lock()
        self._busy_since: float | None = None
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._guard, args=(loop,), name=name, daemon=True)
            for name, loop in {
                "collector": self._collect_forever,
                "model": self._predict_forever,
                "writer": self._store_forever,
                "watchdog": self._watch_forever,
            }.items()
        ]

    def start(self) -> None:
        """Begin to work."""
        self._reporter.start()
        for thread in self._threads:
            thread.start()

    def run(self, job_id: str) -> None:
        """Take a job and wait until it is dealt with, one way or another; its row tells which."""
        with self._lock:
            settled = self._waiting.get(job_id)
            if settled is None:
                settled = self._waiting[job_id] = threading.Event()
                self._inbox.put(job_id)
        settled.wait()

    def close(self) -> None:
        """Finish what was taken, then end the threads."""
        self._inbox.put(None)
        for thread in self._threads:
            thread.join()
        self._reporter.close()

    def _guard(self, loop: Callable[[], None]) -> None:
        """A thread that dies silently would leave the process alive and useless."""
        try:
            loop()
        except BaseException:  # noqa: BLE001  whatever it was, the thread is gone
            _log.exception("worker thread broke; the process ends")
            self._abort(_EXIT_BROKEN)

    # Collector

    def _collect_forever(self) -> None:
        while (first := self._inbox.get()) is not None:
            self._room.acquire()  # more ids come in meanwhile, which makes full batches under load
            job_ids = self._gather(first)
            taken = self._start_batch(job_ids)
            self._go_through([job_id for job_id in job_ids if job_id not in taken])
        self._claimed.put(None)

    def _gather(self, first: str) -> list[str]:
        """Wait for more ids: not at all while the model idles, T otherwise."""
        job_ids = [first]
        deadline = time.monotonic() + self._limits.wait_seconds
        while len(job_ids) < self._limits.batch_size:
            patience = 0.0 if self._is_idle() else max(0.0, deadline - time.monotonic())
            try:
                job_id = self._inbox.get(timeout=patience)
            except Empty:
                break
            if job_id is None:
                self._inbox.put(None)
                break
            job_ids.append(job_id)
        return job_ids

    def _is_idle(self) -> bool:
        return self._busy_since is None and self._claimed.empty()

    def _go_through(self, job_ids: Sequence[str]) -> None:
        """Of jobs that could not be claimed together, run those tried before, each alone; forget the rest."""
        if not job_ids:
            return
        retries = self._insist(
            lambda: self._store.leases.retries(
                job_ids, queue=QUEUE_PREDICT, max_attempts=self._limits.max_attempts
            )
        )
        self._settle(set(job_ids) - set(retries))
        for job_id in retries:
            self._run_alone(job_id)

    def _run_alone(self, job_id: str) -> None:
        """Run a job that was tried before with nothing else in flight: it may have killed its worker."""
        self._wait_for_empty_flight()
        self._room.acquire()
        if not self._start_batch([job_id]):
            self._settle([job_id])
        self._wait_for_empty_flight()

    def _wait_for_empty_flight(self) -> None:
        for _ in range(_BATCHES_IN_FLIGHT):
            self._room.acquire()
        self._room.release(_BATCHES_IN_FLIGHT)

    def _start_batch(self, job_ids: Sequence[str]) -> set[str]:
        """Claim jobs and pass them on; their ids. Room must be taken; with none claimed it is given back."""
        lease_token = self._renewer.hold()
        claimed = self._insist(
            lambda: self._store.leases.claim(
                job_ids,
                lease_token=lease_token,
                queue=QUEUE_PREDICT,
                lease_seconds=self._renewer.lease_seconds,
                max_attempts=self._limits.max_attempts,
            )
        )
        if not claimed:
            self._renewer.drop(lease_token)
            self._room.release()
            return set()
        jobs = {job.id: job for job in claimed}
        batch = ClaimedBatch(lease_token, jobs, self._reporter.watch(lease_token, jobs))
        self._load_images(batch)
        self._claimed.put(batch)
        return set(batch.jobs)

    def _load_images(self, batch: ClaimedBatch) -> None:
        for job in batch.jobs.values():
            try:
                batch.requests[job.id] = PredictionRequest(
                    self._store.leases.load_cutout(job), job.options, job.owner
                )
            except FiberlessError as error:
                batch.outcomes[job.id] = error

    # Model thread

    def _predict_forever(self) -> None:
        while (batch := self._claimed.get()) is not None:
            batch.outcomes.update(self._outcomes(batch.requests, batch.watch))
            self._busy_since = None
            self._predicted.put(batch)
        self._predicted.put(None)

    def _outcomes(self, asked: dict[str, PredictionRequest], watch: BatchWatch) -> dict[str, Outcome]:
        """Results of the requests, or what is wrong with each; nothing of those that were cancelled."""
        requests = {job_id: request for job_id, request in asked.items() if not watch.is_gone(job_id)}
        if not requests:
            return {}
        self._busy_since = time.monotonic()
        try:
            results = self._predict(list(requests.values()), partial(watch.see, list(requests)))
            return dict(zip(requests, results, strict=True))
        except WorkStoppedError:
            _log.info("stopped: all cancelled", jobs=len(requests))
            return {}
        except Exception as error:  # noqa: BLE001  any fault of a prediction is that job's own
            if len(requests) == 1:
                return dict.fromkeys(requests, _as_fiberless(error))
            _log.warning("batch failed; trying its halves", size=len(requests), reason=repr(error))
        # Outside of the handler, whose traceback would keep the batch's arrays alive.
        pairs = list(requests.items())
        middle = len(pairs) // 2
        return self._outcomes(dict(pairs[:middle]), watch) | self._outcomes(dict(pairs[middle:]), watch)

    # Writer

    def _store_forever(self) -> None:
        while (batch := self._predicted.get()) is not None:
            self._store_batch(batch)
            self._renewer.drop(batch.lease_token)
            self._reporter.forget(batch.lease_token)
            self._settle(batch.jobs)
            self._room.release()
        self._closed.set()

    def _store_batch(self, batch: ClaimedBatch) -> None:
        results = {k: v for k, v in batch.outcomes.items() if isinstance(v, PredictionResult)}
        if results:
            stored = self._insist(lambda: self._store.predictions.finish_batch(batch.lease_token, results))
            _log.info("predicted", jobs=len(stored), late=len(results) - len(stored))
        for job_id, outcome in batch.outcomes.items():
            if isinstance(outcome, FiberlessError):
                self._store_error(batch, job_id, outcome)

    def _store_error(self, batch: ClaimedBatch, job_id: str, error: FiberlessError) -> None:
        """A passing fault is tried again as long as there are attempts; any other ends the job."""
        _log.warning("job failed", job_id=job_id, slug=error.slug, detail=error.detail)
        has_attempts = batch.jobs[job_id].attempt < self._limits.max_attempts
        if isinstance(error, TransientError) and has_attempts:
            self._insist(lambda: self._store.leases.release(job_id, batch.lease_token))
        else:
            self._insist(lambda: self._store.leases.fail(job_id, batch.lease_token, ErrorReport.of(error)))

    # Shared

    def _settle(self, job_ids: Sequence[str] | set[str] | dict[str, ClaimedJob]) -> None:
        with self._lock:
            for job_id in job_ids:
                self._waiting.pop(job_id).set()

    def _insist(self, action: Callable[[], _T]) -> _T:
        """Wait for a storage that does not answer. Meanwhile tasks wait, so that no more are taken."""
        while True:
            try:
                return action()
            except TransientError as error:
                _log.warning("storage does not answer", reason=error.detail)
                time.sleep(_STORAGE_PAUSE_SECONDS)

    def _watch_forever(self) -> None:
        """End the process when the model hangs: leases then run out, and the jobs run elsewhere."""
        while not self._closed.wait(min(1.0, self._limits.deadline_seconds / 4)):
            since = self._busy_since
            if since is not None and time.monotonic() - since > self._limits.deadline_seconds:
                _log.critical("the model hangs; the process ends", seconds=self._limits.deadline_seconds)
                self._abort(_EXIT_HUNG)
                return


def _as_fiberless(error: Exception) -> FiberlessError:
    if isinstance(error, FiberlessError):
        return error
    _log.error("prediction broke", exc_info=error)
    return FatalError("internal-error", "the prediction broke; the log tells why")
