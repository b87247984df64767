"""What a batch of jobs is on its way through a worker, and how batches are made. No Celery, no torch."""

from dataclasses import dataclass, field

from fiberless.contract import PredictionRequest
from fiberless.service.storage import ClaimedJob
from worker.model_runner import Outcome
from worker.reporter import BatchWatch

__all__ = ["BatchLimits", "ClaimedBatch"]


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
        Longest call of the model for what one request may cost at most, or less; longer in proportion for a
        batch that costs more. A call that takes longer hangs, and ends the process.
    report_seconds : float
        Pause between two looks at how far jobs are and which were cancelled.
    grace_seconds : float
        How long the model may go on when the process is told to end.
    suspect_seconds : float
        How long a job that failed here alone is left to other workers, while there are any.

    """

    batch_size: int
    wait_seconds: float
    max_attempts: int
    deadline_seconds: float
    report_seconds: float = 0.5
    grace_seconds: float = 5.0
    suspect_seconds: float = 60.0


@dataclass(frozen=True)
class ClaimedBatch:
    """Jobs claimed under one token, their images as they are loaded, and what became of each."""

    lease_token: str
    jobs: dict[str, ClaimedJob]
    watch: BatchWatch
    requests: dict[str, PredictionRequest] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
