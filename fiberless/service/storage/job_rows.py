"""Rows of jobs and their events: the one way to change them, and both as the contract's `Job`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, update

from fiberless.contract import ErrorReport, Job, JobPhase, JobProgress
from fiberless.service.storage.engine import NOW
from fiberless.service.storage.schema import JOB, JOB_EVENT

__all__ = ["JobEvent", "change_jobs", "event_of", "first_event", "job_of"]


@dataclass(frozen=True)
class JobEvent:
    """What a job was after its change number `revision`; number 0 is how it was written down."""

    revision: int
    job: Job


def change_jobs(connection: Connection, condition: ColumnElement[bool], **values: Any) -> Sequence[Row[Any]]:
    """Change the jobs that meet a condition, and write down that they changed.

    Each job's revision grows by one and an event with the job's new state is stored under it, so that whoever
    follows a job can tell what was missed. All in the transaction of the connection.

    Parameters
    ----------
    condition : of the rows to change, on the columns of `JOB`
    **values : new values by column

    Returns
    -------
    The changed rows, as they are now.

    """
    statement = update(JOB).where(condition).values(revision=JOB.c.revision + 1, **values)
    rows = connection.execute(statement.returning(JOB, NOW.label("changed"))).all()
    if rows:
        connection.execute(insert(JOB_EVENT), [_event_of(row) for row in rows])
    return rows


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


def _event_of(row: Row[Any]) -> dict[str, Any]:
    return {
        "job_id": row.id,
        "revision": row.revision,
        "at": row.changed,
        "phase": row.phase,
        "attempt": row.attempt,
        "progress_stage": row.progress_stage,
        "progress_done": row.progress_done,
        "progress_total": row.progress_total,
    }


def _before_the_end(job: Job, **state: Any) -> Job:
    return job.model_copy(update={"ended": None, "error": None, "prediction_id": None} | state)


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
