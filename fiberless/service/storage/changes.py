"""`change_jobs`: the one way to change what callers see of a job: row, revision and event at once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, update

from fiberless.service.storage.engine import NOW
from fiberless.service.storage.schema import JOB, JOB_EVENT

__all__ = ["change_jobs"]


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
