"""`BatchFeeder`: lets rows of batches into the queues a few at a time, and ends what was left half done."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, func, select, update

from fiberless.contract import QUEUE_FETCH, QUEUE_PREDICT, JobPhase
from fiberless.service.storage.batch_rows import (
    ABANDONED_SECONDS,
    BatchState,
    abandon,
)
from fiberless.service.storage.engine import NOW, Database
from fiberless.service.storage.job_rows import change_jobs
from fiberless.service.storage.schema import BATCH, JOB

__all__ = ["BatchFeeder", "finish_cancelling"]

_ROWS_AT_ONCE: Final = 2000
"""Rows changed in one transaction: a longer one would keep other writers waiting."""


@dataclass(frozen=True, eq=False)
class BatchFeeder:
    """Batches, from the side of those who run them."""

    database: Database

    def feed(self, queue: str, *, room: int) -> list[str]:
        """Let the next rows of the open batches into a queue; their ids, of which workers are yet to be told.

        All open batches take turns, so that a small one need not wait for a large one to end. Safe to call
        from many processes at once.

        Parameters
        ----------
        room : most rows of batches that may wait in the queue, those that are there already included

        """
        with self.database.write() as connection:
            heads = connection.execute(_open_heads(queue)).all()
            free = room - _count_waiting(connection, queue) if heads else 0
            share = -(-free // max(1, len(heads)))
            return [
                job_id
                for number, head in enumerate(heads)
                for job_id in _let_in(connection, head, min(share, free - number * share))
            ]

    def tidy(self) -> None:
        """End what other processes left half done: batches being cancelled, and those never opened."""
        with self.database.write() as connection:
            silent = and_(BATCH.c.state == BatchState.ACCEPTING, BATCH.c.touched < NOW - ABANDONED_SECONDS)
            connection.execute(abandon(silent))
        for batch_id in self._ids_in_state(BatchState.CANCELLING):
            finish_cancelling(self.database, batch_id)
        for batch_id in self._ids_in_state(BatchState.ABANDONED):
            self._delete(batch_id)

    def _ids_in_state(self, state: BatchState) -> list[str]:
        with self.database.read() as connection:
            return list(connection.execute(select(BATCH.c.id).where(BATCH.c.state == state)).scalars())

    def _delete(self, batch_id: str) -> None:
        while True:
            some = _some_rows(JOB.c.batch_id == batch_id)
            with self.database.write() as connection:
                # Not by rowcount, which sqlite3 does not know of a statement that begins with WITH.
                if not connection.execute(delete(JOB).where(some).returning(JOB.c.id)).all():
                    connection.execute(delete(BATCH).where(BATCH.c.id == batch_id))
                    return


def finish_cancelling(database: Database, batch_id: str) -> None:
    """Abort all rows of a batch being cancelled that have not ended, then call it cancelled."""
    while _abort_some(database, batch_id):
        pass
    with database.write() as connection:
        condition = and_(BATCH.c.id == batch_id, BATCH.c.state == BatchState.CANCELLING)
        connection.execute(update(BATCH).where(condition).values(state=BatchState.CANCELLED))


def _abort_some(database: Database, batch_id: str) -> bool:
    """Abort some rows that have not ended; whether there were any. Their holders' fences then fail."""
    unended = [phase for phase in JobPhase if not phase.is_final]
    some = _some_rows(JOB.c.batch_id == batch_id, JOB.c.phase.in_(unended))
    aborted = {"phase": JobPhase.ABORTED, "ended": NOW, "lease_token": None, "lease_until": None}
    with database.write() as connection:
        return bool(change_jobs(connection, some, **aborted))


def _some_rows(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """Condition for a bounded number of jobs, locked in one order."""
    some = select(JOB.c.id).where(*conditions).order_by(JOB.c.id).limit(_ROWS_AT_ONCE).with_for_update()
    # A common table expression is run once; PostgreSQL may run a subquery, and its limit, many times.
    return JOB.c.id.in_(select(some.cte("some").c.id))


def _open_heads(queue: str) -> Select[tuple[str, int]]:
    """Open batches with rows that wait for a queue, oldest first; locked, those of other feeders left out."""
    is_waiting = and_(
        BATCH.c.state == BatchState.OPEN, BATCH.c.queue == queue, BATCH.c.next_row < BATCH.c.n_rows
    )
    oldest = select(BATCH.c.id, BATCH.c.next_row).where(is_waiting).order_by(BATCH.c.created).limit(100)
    return oldest.with_for_update(skip_locked=True)


def _count_waiting(connection: Connection, queue: str) -> int:
    """Rows of batches that wait in a queue or behind it: images are not fetched faster than predicted."""
    queues = [QUEUE_FETCH, QUEUE_PREDICT] if queue == QUEUE_FETCH else [queue]
    waiting = and_(JOB.c.phase == JobPhase.QUEUED, JOB.c.queue.in_(queues), JOB.c.batch_id.is_not(None))
    return connection.execute(select(func.count()).select_from(JOB).where(waiting)).scalar_one()


def _let_in(connection: Connection, head: Row[Any], limit: int) -> list[str]:
    """Queue the next rows of a batch that wait, and move its pointer past them."""
    if limit <= 0:
        return []
    of_batch = and_(JOB.c.batch_id == head.id, JOB.c.batch_row >= head.next_row)
    statement = select(JOB.c.id, JOB.c.batch_row, JOB.c.phase).where(of_batch)
    rows = connection.execute(statement.order_by(JOB.c.batch_row).limit(limit)).all()
    if not rows:
        return []
    pointer = update(BATCH).where(BATCH.c.id == head.id).values(next_row=rows[-1].batch_row + 1)
    connection.execute(pointer)
    waiting = [row.id for row in rows if row.phase == JobPhase.PENDING]
    still = and_(JOB.c.id.in_(waiting), JOB.c.phase == JobPhase.PENDING)
    queued = {row.id for row in change_jobs(connection, still, phase=JobPhase.QUEUED, published=NOW)}
    return [job_id for job_id in waiting if job_id in queued]
