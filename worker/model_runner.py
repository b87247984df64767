"""`ModelRunner`: predicts a batch on the model thread, and finds out whose fault a failure is. No torch."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

import structlog

from fiberless.contract import JobProgress, PredictionRequest, PredictionResult, Watch
from fiberless.errors import FiberlessError, UsageError
from worker.faults import Fuse, MachineFault, Probe, diagnose
from worker.reporter import BatchWatch, WorkStoppedError

__all__ = ["ModelRunner", "Outcome", "Predict"]

_log = structlog.get_logger(__name__)
_FAILURES_IN_A_ROW: Final = 3

Outcome: TypeAlias = PredictionResult | FiberlessError | MachineFault
Predict: TypeAlias = Callable[[Sequence[PredictionRequest], Watch], Sequence[PredictionResult]]


class ModelRunner:
    """Runs the model.

    Parameters
    ----------
    predict : callable
        Requests in, results out, in order; tells the `Watch` how far they are. Whatever it raises concerns
        the whole batch, which is then halved until the culprit is alone (which also serves a device that is
        out of memory). But `DeviceLostError` ends the process.
    probe : callable
        Held against what fails alone, see `worker.faults`.
    share_of : callable
        Cost of a request, as a share of what one may cost at most.

    Attributes
    ----------
    busy_since : float or None
        When the call of the model began that is under way, by the monotonic clock.
    deadline_factor : float
        By how much that call may take longer than one of a single request.
    fuse : Fuse

    """

    def __init__(
        self,
        predict: Predict,
        probe: Probe,
        share_of: Callable[[PredictionRequest], float] = lambda _request: 0.0,
    ) -> None:
        self.busy_since: float | None = None
        self.deadline_factor = 1.0
        self._share_of = share_of
        self.fuse = Fuse(_FAILURES_IN_A_ROW)
        self._predict = predict
        self._probe = probe
        self._hurried = threading.Event()

    def hurry(self) -> None:
        """Stop the model at its next step; what it works on has no outcome."""
        self._hurried.set()

    def run(self, asked: Mapping[str, PredictionRequest], watch: BatchWatch) -> dict[str, Outcome]:
        """Results of the requests, or what is wrong with each; nothing of those that were cancelled."""
        try:
            return self._outcomes(asked, watch)
        finally:
            self.busy_since = None

    def _outcomes(self, asked: Mapping[str, PredictionRequest], watch: BatchWatch) -> dict[str, Outcome]:
        requests = {job_id: request for job_id, request in asked.items() if not watch.is_gone(job_id)}
        if not requests:
            return {}
        if self.fuse.trouble is not None:
            return dict.fromkeys(requests, MachineFault(self.fuse.trouble))
        self.deadline_factor = max(1.0, sum(map(self._share_of, requests.values())))
        self.busy_since = time.monotonic()
        try:
            results = self._predict(list(requests.values()), partial(self._see, watch, list(requests)))
        except WorkStoppedError:
            _log.info("stopped: cancelled, or told to end", jobs=len(requests))
            return {}
        except Exception as error:  # noqa: BLE001  whose fault it is, is found out
            if len(requests) == 1:
                return {
                    job_id: self._diagnose(job_id, request, error) for job_id, request in requests.items()
                }
            _log.warning("batch failed; trying its halves", size=len(requests), reason=repr(error))
        else:
            self.fuse.succeed()
            return dict(zip(requests, results, strict=True))
        # Outside of the handler, whose traceback would keep the batch's arrays alive.
        pairs = list(requests.items())
        middle = len(pairs) // 2
        return self._outcomes(dict(pairs[:middle]), watch) | self._outcomes(dict(pairs[middle:]), watch)

    def _see(
        self, watch: BatchWatch, job_ids: Sequence[str], rows: Sequence[int], progress: JobProgress
    ) -> None:
        """Note how far the model is; raises WorkStoppedError if nobody waits for it, or the process ends."""
        if self._hurried.is_set():
            raise WorkStoppedError
        watch.see(job_ids, rows, progress)

    def _diagnose(self, job_id: str, request: PredictionRequest, error: Exception) -> Outcome:
        outcome = diagnose(request, error, self._probe)
        match outcome:
            case MachineFault():
                self.fuse.fail_by_machine(outcome.detail)
            case UsageError():
                self.fuse.succeed()  # the model works, and has looked at it
            case _:
                self.fuse.fail(job_id, outcome.detail)
        return outcome
