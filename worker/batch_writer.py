"""`BatchWriter`: what became of the jobs of a batch, written down. No Celery, no torch."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

import structlog

from fiberless.contract import ErrorReport, PredictionResult
from fiberless.errors import TransientError, UsageError
from fiberless.service.storage import Store
from worker.claimed_batch import ClaimedBatch
from worker.faults import MachineFault, SuspectList
from worker.model_runner import Outcome

__all__ = ["BatchWriter", "insist"]

_log = structlog.get_logger(__name__)
_T = TypeVar("_T")
_STORAGE_PAUSE_SECONDS: Final = 0.5


def insist(action: Callable[[], _T]) -> _T:
    """Wait for a storage that does not answer. Meanwhile tasks wait, so that no more are taken."""
    while True:
        try:
            return action()
        except TransientError as error:
            _log.warning("storage does not answer", reason=error.detail)
            time.sleep(_STORAGE_PAUSE_SECONDS)


class BatchWriter:
    """Stores predictions, and ends or gives back the other jobs.

    Parameters
    ----------
    suspects : SuspectList
        Told of the jobs that failed for no fault of the machine.

    """

    def __init__(self, store: Store, suspects: SuspectList, *, max_attempts: int) -> None:
        self._store = store
        self._suspects = suspects
        self._max_attempts = max_attempts

    def write(self, batch: ClaimedBatch) -> None:
        """Write the outcomes of a batch; a job that has none was cancelled, or is still the worker's."""
        results = {k: v for k, v in batch.outcomes.items() if isinstance(v, PredictionResult)}
        if results:
            stored = insist(partial(self._store.predictions.finish_batch, batch.lease_token, results))
            _log.info("predicted", jobs=len(stored), late=len(results) - len(stored))
        for job_id, outcome in batch.outcomes.items():
            self._write_failure(batch, job_id, outcome)

    def _write_failure(self, batch: ClaimedBatch, job_id: str, outcome: Outcome) -> None:
        """The caller's fault ends the job; the machine's costs it nothing; its own costs it an attempt."""
        leases = self._store.leases
        match outcome:
            case PredictionResult():
                return
            case MachineFault():
                _log.warning("job given back", job_id=job_id, reason=outcome.detail)
                insist(partial(leases.release, job_id, batch.lease_token, is_spent=False))
                return
            case _:
                _log.warning("job failed", job_id=job_id, slug=outcome.slug, detail=outcome.detail)
        is_last = batch.jobs[job_id].attempt >= self._max_attempts
        if isinstance(outcome, UsageError) or is_last:
            insist(partial(leases.fail, job_id, batch.lease_token, ErrorReport.of(outcome)))
        else:
            self._suspects.add(job_id)
            insist(partial(leases.release, job_id, batch.lease_token))
