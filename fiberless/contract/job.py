"""Jobs: their queues, tasks and phases, how far they are, and what they end with."""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, Self, TypeAlias

from fiberless.contract.frozen import Frozen
from fiberless.errors import ErrorKind, FiberlessError

__all__ = [
    "QUEUE_FETCH",
    "QUEUE_PREDICT",
    "TASK_FETCH",
    "TASK_PREDICT",
    "ErrorReport",
    "Job",
    "JobPhase",
    "JobProgress",
    "Watch",
]

QUEUE_FETCH: Final = "fetch"
QUEUE_PREDICT: Final = "predict"
TASK_FETCH: Final = "fiberless.fetch"
TASK_PREDICT: Final = "fiberless.predict"


class JobPhase(StrEnum):
    """Life of a job, in the words of the IVOA UWS 1.1 standard."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"

    @property
    def is_final(self) -> bool:
        """Whether the job will never change again."""
        return self in {JobPhase.COMPLETED, JobPhase.ERROR, JobPhase.ABORTED}


class ErrorReport(Frozen):
    """An error as a job carries it."""

    slug: str
    kind: ErrorKind
    detail: str

    @classmethod
    def of(cls, error: FiberlessError) -> Self:
        """Report of an error of the tree."""
        return cls(slug=error.slug, kind=error.kind, detail=error.detail)


class JobProgress(Frozen):
    """How far a job is."""

    stage: str
    done: int
    total: int


Watch: TypeAlias = Callable[[Sequence[int], JobProgress], None]
"""Called by a predictor with how far some requests are, by their indices; what it raises ends the work."""


class Job(Frozen):
    """A job as the API shows it."""

    id: str
    phase: JobPhase
    progress: JobProgress
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    attempts: int = 0
    error: ErrorReport | None = None
    prediction_id: str | None = None
