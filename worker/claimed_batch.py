"""How batches are made, and one batch on its way through the worker."""

from dataclasses import dataclass, field
from typing import TypeAlias

from fiberless.contract import PredictionRequest, PredictionResult
from fiberless.errors import FiberlessError
from fiberless.service.storage import ClaimedJob
from worker.reporter import BatchWatch

__all__ = ["BatchLimits", "ClaimedBatch", "Outcome"]

Outcome: TypeAlias = PredictionResult | FiberlessError


@dataclass(frozen=True)
class BatchLimits:
    """How batches are made.

    Parameters
    ----------
    batch_size : int
        B, the most jobs predicted together.
    wait_seconds : float
        T, the longest wait for a batch to fill while the model is busy; an idle model never waits.
    max_attempts : int
        Claims after which a job is given up.
    deadline_seconds : float
        Longest call of the model; a longer one hangs, and ends the process.
    report_seconds : float
        Pause between two looks at how far jobs are and which were cancelled.

    """

    batch_size: int
    wait_seconds: float
    max_attempts: int
    deadline_seconds: float
    report_seconds: float = 0.5


@dataclass(frozen=True)
class ClaimedBatch:
    """Jobs that this worker holds under one lease, and what came of them so far."""

    lease_token: str
    jobs: dict[str, ClaimedJob]
    watch: BatchWatch
    requests: dict[str, PredictionRequest] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
