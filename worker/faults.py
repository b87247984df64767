"""Whose fault a failed prediction is: the caller's, the machine's, or the job's own. No Celery, no torch.

A fault of the machine is never charged to a job. Whatever breaks a job that runs alone is held against a
probe: a known galaxy, predicted by the same model in the same process. Where that fails too, the machine is
sick.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog

from fiberless.contract import PredictionRequest
from fiberless.errors import FatalError, FiberlessError, TransientError, UsageError

__all__ = ["DeviceLostError", "Fuse", "MachineFault", "Probe", "SuspectList", "diagnose"]

Probe: TypeAlias = Callable[[PredictionRequest], object]
"""Predicts a known galaxy with the model of a request; raises if that fails."""

_MISSING_MODEL: Final = frozenset({"unknown-model", "model-unavailable"})
_log = structlog.get_logger(__name__)


class DeviceLostError(BaseException):
    """The accelerator is lost to this process, which must end. No `Exception`: no job is at fault."""


@dataclass(frozen=True)
class MachineFault:
    """Why a job could not be done here, for no fault of its own."""

    detail: str


def diagnose(request: PredictionRequest, error: Exception, probe: Probe) -> FiberlessError | MachineFault:
    """What a failure of a request that was predicted alone means.

    Returns
    -------
    UsageError for the caller's fault; FatalError for a fault that this job has and the probe has not.

    """
    if isinstance(error, FiberlessError) and error.slug in _MISSING_MODEL:
        return MachineFault(error.detail)
    if isinstance(error, UsageError):
        return error
    if isinstance(error, TransientError | OSError):
        return MachineFault(_in_words(error))
    _log.error("prediction broke", exc_info=error)
    try:
        probe(request)
    except Exception as sick:  # noqa: BLE001  whatever it is, it is not this job's
        return MachineFault(f"a known galaxy fails as well: {_in_words(sick)}")
    if isinstance(error, FiberlessError):
        return error
    return FatalError("internal-error", "the prediction broke; the log tells why")


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


class Fuse:
    """Blows when different jobs fail in a row and none succeeds, and tells the last reason.

    Parameters
    ----------
    limit : int
        Failures in a row.

    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._failed: dict[str, str] = {}
        self._n_machine_faults = 0
        self._lock = threading.Lock()
        self.trouble: str | None = None

    def succeed(self) -> None:
        """Note that a job was done."""
        with self._lock:
            self._failed.clear()

    def fail(self, job_id: str, reason: str) -> None:
        """Note that a job failed, which counts once."""
        with self._lock:
            self._failed[job_id] = reason
            if self.trouble is None and len(self._failed) >= self._limit:
                self.trouble = f"{self._limit} failures in a row, the last: {reason}"

    def fail_by_machine(self, reason: str) -> None:
        """Note that this machine failed, which counts each time."""
        self._n_machine_faults += 1
        self.fail(f"machine-{self._n_machine_faults}", reason)


class SuspectList:
    """Jobs that failed here alone, to be left to other workers for a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[str, float] = {}

    def add(self, job_id: str) -> None:
        """Leave a job to others from now on."""
        now = time.monotonic()
        self._until = {name: end for name, end in self._until.items() if end > now}
        self._until[job_id] = now + self._seconds

    def __contains__(self, job_id: str) -> bool:
        return self._until.get(job_id, 0.0) > time.monotonic()
