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
from typing import Final

import structlog

from fiberless.contract import QUEUE_PREDICT, PredictionRequest
from fiberless.errors import FiberlessError, TransientError
from fiberless.service.storage import ClaimedJob, Store
from worker.batch_writer import BatchWriter, insist
from worker.claimed_batch import BatchLimits, ClaimedBatch
from worker.faults import MachineFault, SuspectList
from worker.lease_renewer import LeaseRenewer
from worker.model_runner import ModelRunner
from worker.reporter import ProgressReporter

__all__ = ["Batcher"]

_log = structlog.get_logger(__name__)
_BATCHES_IN_FLIGHT: Final = 3
_EXIT_HUNG: Final = 75
_EXIT_BROKEN: Final = 70
_EXIT_SICK: Final = 69


class Batcher:
    """Predicts jobs by id.

    Parameters
    ----------
    abort : callable
        Ends the process at once with an exit code; a thread cannot be ended otherwise.

    """

    def __init__(
        self,
        store: Store,
        runner: ModelRunner,
        *,
        renewer: LeaseRenewer,
        limits: BatchLimits,
        abort: Callable[[int], object] = os._exit,
    ) -> None:
        self._store = store
        self._runner = runner
        self._suspects = SuspectList(limits.suspect_seconds)
        self._writer = BatchWriter(store, self._suspects, max_attempts=limits.max_attempts)
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
        self._on_device: ClaimedBatch | None = None
        self._stopping = threading.Event()
        self._is_leaving = False
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
        if self._is_left_to_others(job_id):
            return  # the sweeper tells them of it
        with self._lock:
            settled = self._waiting.get(job_id)
            if settled is None:
                settled = self._waiting[job_id] = threading.Event()
                self._inbox.put(job_id)
        settled.wait()

    def _is_left_to_others(self, job_id: str) -> bool:
        if self._stopping.is_set() or self._runner.fuse.trouble is not None:
            return True
        return job_id in self._suspects and insist(self._renewer.has_company)

    def stop(self) -> None:
        """Take no more, give back what has not begun, and what the model has not done after the grace."""
        self._stopping.set()
        hurry = threading.Timer(self._limits.grace_seconds, self._runner.hurry)
        hurry.daemon = True
        hurry.start()

    def close(self) -> None:
        """Finish what was taken, or give it back after `stop`; then end the threads."""
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
            self._leave(_EXIT_BROKEN)

    def _leave(self, code: int, *, trouble: str | None = None) -> None:
        """End the process, and give back all jobs but the one that the model works on alone.

        If it works on several, each is tried alone from now on; unless the worker is known to be sick.
        """
        culprit = self._on_device if trouble is None else None
        try:
            if trouble is not None:
                self._renewer.report_trouble(trouble)
            for lease_token in self._renewer.held():
                is_culprit = culprit is not None and culprit.lease_token == lease_token
                if culprit is None or not is_culprit or len(culprit.jobs) > 1:
                    self._store.leases.hand_back(lease_token, is_suspected=is_culprit)
        except FiberlessError as error:
            _log.warning("jobs left to the sweeper", reason=error.detail)
        finally:
            self._abort(code)

    # Collector

    def _collect_forever(self) -> None:
        while (first := self._inbox.get()) is not None:
            self._room.acquire()  # more ids come in meanwhile, which makes full batches under load
            job_ids = self._gather(first)
            if self._stopping.is_set():
                self._room.release()
                self._settle(job_ids)
                continue
            taken = self._start_batch(job_ids, self._claim_in_turn)
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
        return self._runner.busy_since is None and self._claimed.empty()

    def _go_through(self, job_ids: Sequence[str]) -> None:
        """Of jobs that could not be claimed together, run those tried before, each alone; forget the rest."""
        if not job_ids or self._stopping.is_set():
            self._settle(job_ids)
            return
        retries = insist(
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
        if not self._start_batch([job_id], self._claim):
            self._settle([job_id])
        self._wait_for_empty_flight()

    def _wait_for_empty_flight(self) -> None:
        for _ in range(_BATCHES_IN_FLIGHT):
            self._room.acquire()
        self._room.release(_BATCHES_IN_FLIGHT)

    def _start_batch(
        self, job_ids: Sequence[str], claim: Callable[[Sequence[str], str], list[ClaimedJob]]
    ) -> set[str]:
        """Claim jobs and pass them on; their ids. Room must be taken; with none claimed it is given back."""
        lease_token = self._renewer.hold()
        claimed = claim(job_ids, lease_token)
        if not claimed:
            self._renewer.drop(lease_token)
            self._room.release()
            return set()
        jobs = {job.id: job for job in claimed}
        batch = ClaimedBatch(lease_token, jobs, self._reporter.watch(lease_token, jobs))
        self._load_images(batch)
        self._claimed.put(batch)
        return set(batch.jobs)

    def _claim_in_turn(self, told: Sequence[str], lease_token: str) -> list[ClaimedJob]:
        """As many jobs as were told of: those whose owners' turn it is, else those told of."""
        chosen = insist(partial(self._store.leases.in_turn, told, queue=QUEUE_PREDICT, limit=len(told)))
        claimed = self._claim(chosen, lease_token) if chosen else []
        rest = [job_id for job_id in told if job_id not in chosen][: len(told) - len(claimed)]
        return claimed + (self._claim(rest, lease_token, in_company=bool(claimed)) if rest else [])

    def _claim(
        self, job_ids: Sequence[str], lease_token: str, *, in_company: bool = False
    ) -> list[ClaimedJob]:
        return insist(
            partial(
                self._store.leases.claim,
                job_ids,
                lease_token=lease_token,
                queue=QUEUE_PREDICT,
                lease_seconds=self._renewer.lease_seconds,
                max_attempts=self._limits.max_attempts,
                in_company=in_company,
            )
        )

    def _load_images(self, batch: ClaimedBatch) -> None:
        self._load_all(batch)
        faults = [fault for fault in batch.outcomes.values() if isinstance(fault, MachineFault)]
        if faults:
            self._runner.fuse.fail_by_machine(faults[0].detail)

    def _load_all(self, batch: ClaimedBatch) -> None:
        for job in batch.jobs.values():
            try:
                batch.requests[job.id] = PredictionRequest(
                    self._store.leases.load_cutout(job), job.options, job.owner
                )
            except TransientError as error:
                batch.outcomes[job.id] = MachineFault(error.detail)
            except FiberlessError as error:
                batch.outcomes[job.id] = self._of_lost_image(error)

    def _of_lost_image(self, error: FiberlessError) -> FiberlessError | MachineFault:
        """An image is lost if others are there; where the store's mark is not either, it is another store."""
        has_mark = insist(self._store.blobs.has_mark)
        return error if has_mark else MachineFault(f"this is not the service's blob store: {error.detail}")

    # Model thread

    def _predict_forever(self) -> None:
        while (batch := self._claimed.get()) is not None:
            if not self._stopping.is_set():
                self._on_device = batch
                batch.outcomes.update(self._runner.run(batch.requests, batch.watch))
                self._on_device = None
            self._predicted.put(batch)
        self._predicted.put(None)

    # Writer

    def _store_forever(self) -> None:
        while (batch := self._predicted.get()) is not None:
            self._writer.write(batch)
            if self._stopping.is_set():
                insist(partial(self._store.leases.hand_back, batch.lease_token))
            self._renewer.drop(batch.lease_token)
            self._reporter.forget(batch.lease_token)
            self._settle(batch.jobs)
            self._room.release()
            self._leave_if_sick()
        self._closed.set()

    def _leave_if_sick(self) -> None:
        trouble = self._runner.fuse.trouble
        if trouble is not None and not self._is_leaving:
            self._is_leaving = True
            _log.critical("this worker takes itself out", trouble=trouble)
            self._leave(_EXIT_SICK, trouble=trouble)

    # Shared

    def _settle(self, job_ids: Sequence[str] | set[str] | dict[str, ClaimedJob]) -> None:
        with self._lock:
            for job_id in job_ids:
                settled = self._waiting.pop(job_id, None)
                if settled is not None:  # nobody waits for one whose turn it was
                    settled.set()

    def _watch_forever(self) -> None:
        """End the process when the model hangs: leases then run out, and the jobs run elsewhere."""
        while not self._closed.wait(min(1.0, self._limits.deadline_seconds / 4)):
            since = self._runner.busy_since
            deadline_seconds = self._limits.deadline_seconds * self._runner.deadline_factor
            if since is not None and time.monotonic() - since > deadline_seconds:
                _log.critical("the model hangs; the process ends", seconds=deadline_seconds)
                self._leave(_EXIT_HUNG)
                return
