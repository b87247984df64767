"""Batches: many targets handed in together, each of them a job."""

from datetime import datetime

from pydantic import Field

from fiberless.contract.frozen import Frozen
from fiberless.contract.job import ErrorReport, JobPhase

__all__ = ["Batch", "BatchItem"]


class Batch(Frozen):
    """Many targets handed in together. Its rows are jobs; this counts them as they are now."""

    id: str
    phase: JobPhase = Field(
        description="EXECUTING as soon as a row runs or has ended; COMPLETED when all have ended, whether "
        "well or not; ERROR when all have ended and none well; ABORTED when it was cancelled"
    )
    n_rows: int
    counts: dict[JobPhase, int] = Field(description="Rows in each phase; PENDING ones wait for the queue")
    label: str | None = None
    created: datetime
    ended: datetime | None = Field(default=None, description="When the last row ended; null before")


class BatchItem(Frozen):
    """One row of a batch: what was asked for, and where it stands."""

    row: int = Field(ge=0, description="Place in the table, from 0")
    id: str | None = Field(default=None, description="Identifier of the row, as the caller wrote it")
    object_id: str | None = None
    ra: float | None = Field(default=None, description="Right ascension, ICRS, degrees")
    dec: float | None = Field(default=None, description="Declination, ICRS, degrees")
    phase: JobPhase
    error: ErrorReport | None = None
    job_id: str
    prediction_id: str | None = None
