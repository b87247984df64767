"""Rows of jobs and their events as the contract's `Job`: what a job is, and what it was after each change."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from fiberless.contract import ErrorReport, Job, JobPhase, JobProgress

__all__ = ["JobEvent", "event_of", "first_event", "job_of"]


@dataclass(frozen=True)
class JobEvent:
    """What a job was after its change number `revision`; number 0 is how it was written down."""

    revision: int
    job: Job


def job_of(row: Row[Any]) -> Job:
    """Job of a row of `JOB`."""
    return Job(
        id=row.id,
        phase=JobPhase(row.phase),
        progress=JobProgress(stage=row.progress_stage, done=row.progress_done, total=row.progress_total),
        created=_utc(row.created),
        started=None if row.started is None else _utc(row.started),
        ended=None if row.ended is None else _utc(row.ended),
        attempts=row.attempt,
        error=None if row.error is None else ErrorReport.model_validate(row.error),
        prediction_id=row.prediction_id,
    )


def first_event(row: Row[Any]) -> JobEvent:
    """How a job was written down: as it is, if nothing has changed since, else waiting."""
    job = job_of(row)
    if row.revision == 0:
        return JobEvent(0, job)
    waiting = JobProgress(stage="queued", done=0, total=1)
    phase = JobPhase.QUEUED if row.batch_id is None else JobPhase.PENDING
    return JobEvent(0, _before_the_end(job, phase=phase, progress=waiting, attempts=0, started=None))


def event_of(row: Row[Any]) -> JobEvent:
    """What a job was after a change; what comes with its end is shown from its end on."""
    job = job_of(row)
    state = {
        "phase": JobPhase(row.event_phase),
        "progress": JobProgress(
            stage=row.event_progress_stage, done=row.event_progress_done, total=row.event_progress_total
        ),
        "attempts": row.event_attempt,
        "started": None if row.started is None or row.started > row.event_at else _utc(row.started),
    }
    as_it_was = job.model_copy(update=state) if state["phase"].is_final else _before_the_end(job, **state)
    return JobEvent(row.event_revision, as_it_was)


def _before_the_end(job: Job, **state: Any) -> Job:
    return job.model_copy(update={"ended": None, "error": None, "prediction_id": None} | state)


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
