"""`RetentionStore`: old jobs, batches and predictions are forgotten, and blobs that belong to none."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Table,
    and_,
    delete,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    tuple_,
    union_all,
)

from fiberless.contract import JobPhase
from fiberless.service.settings import Settings
from fiberless.service.storage.blobs import MARK_KEY, BlobStore
from fiberless.service.storage.engine import NOW, Database
from fiberless.service.storage.schema import BATCH, IDEMPOTENCY, JOB, OBJECT, PREDICTION

__all__ = ["Purged", "RetentionPolicy", "RetentionStore"]

_DAY_SECONDS: Final = 86_400.0
_CHUNK: Final = 500
"""Rows deleted in one transaction, so that no submission waits long for the lock."""
_FINAL: Final = [phase for phase in JobPhase if phase.is_final]


@dataclass(frozen=True)
class RetentionPolicy:
    """How long things are kept; None is for ever.

    Parameters
    ----------
    jobs_seconds : float or None
        Since the end of a job.
    predictions_seconds : float or None
        Since a prediction was made or last asked for. Its jobs are not kept longer.
    blob_grace_seconds : float
        A younger blob is left alone even if nothing refers to it: its row may be on the way. Longer than any
        submission takes.

    """

    jobs_seconds: float | None
    predictions_seconds: float | None
    blob_grace_seconds: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Policy that the settings ask for."""
        jobs, predictions = settings.keep_jobs_days, settings.keep_predictions_days
        return cls(
            jobs_seconds=None if jobs is None else jobs * _DAY_SECONDS,
            predictions_seconds=None if predictions is None else predictions * _DAY_SECONDS,
            blob_grace_seconds=settings.blob_grace_hours * 3600,
        )


@dataclass(frozen=True)
class Purged:
    """What was forgotten, or would be."""

    jobs: int = 0
    batches: int = 0
    predictions: int = 0
    objects: int = 0
    blobs: int = 0
    blob_bytes: int = 0


@dataclass(frozen=True, eq=False)
class RetentionStore:
    """Everything that is kept for a while."""

    database: Database
    blobs: BlobStore

    def purge(self, policy: RetentionPolicy, *, dry_run: bool = False) -> Purged:
        """Forget what is old enough. A job that has not ended, and what it needs, is never touched.

        Safe beside a running service: rows go in small transactions, and a blob that a submission has just
        asked for is young again.

        Parameters
        ----------
        dry_run : bool
            Count only.

        Raises
        ------
        TransientError
            `storage-unavailable`; what was forgotten by then stays forgotten.

        """
        expired = _Expired(policy)
        rows = self._count_rows(expired) if dry_run else self._delete_rows(expired)
        blobs, blob_bytes = self._sweep_blobs(expired, policy.blob_grace_seconds, dry_run=dry_run)
        return Purged(**rows, blobs=blobs, blob_bytes=blob_bytes)

    def _count_rows(self, expired: "_Expired") -> dict[str, int]:
        with self.database.read() as connection:
            return {
                name: connection.execute(
                    select(func.count()).select_from(table).where(condition)
                ).scalar_one()
                for name, table, condition in expired.in_order()
            }

    def _delete_rows(self, expired: "_Expired") -> dict[str, int]:
        return {
            name: self._delete_in_chunks(table, condition) for name, table, condition in expired.in_order()
        }

    def _delete_in_chunks(self, table: Table, condition: ColumnElement[bool]) -> int:
        """Delete the rows that meet a condition, a chunk a transaction; returns how many."""
        total, deleted = 0, -1
        while deleted:
            with self.database.write() as connection:
                deleted = _delete_chunk(connection, table, condition)
            total += deleted
        return total

    def _sweep_blobs(self, expired: "_Expired", grace_seconds: float, *, dry_run: bool) -> tuple[int, int]:
        """Delete blobs that no row refers to; returns how many, and their bytes."""
        before = time.time() - grace_seconds
        kept = {MARK_KEY, *self._referenced(expired)}
        count = size = 0
        for blob in self.blobs.stored():
            if blob.modified >= before or blob.key in kept:
                continue
            if dry_run or self.blobs.discard(blob, before=before):
                count, size = count + 1, size + blob.size
        return count, size

    def _referenced(self, expired: "_Expired") -> Iterator[str]:
        """Keys of the blobs of all rows that stay."""
        columns = (PREDICTION.c.document_key, PREDICTION.c.arrays_key, PREDICTION.c.cutout_key)
        statement = union_all(
            *(select(column).where(not_(expired.predictions(PREDICTION))) for column in columns),
            select(JOB.c.cutout_key).where(JOB.c.cutout_key.is_not(None), not_(expired.jobs(JOB))),
        )
        with self.database.read() as connection:
            yield from connection.execution_options(yield_per=10_000).execute(statement).scalars()


class _Expired:
    """Conditions of the rows to forget; each holds before and after the deletions that come first."""

    def __init__(self, policy: RetentionPolicy) -> None:
        self._jobs_limit = _limit(policy.jobs_seconds)
        self._predictions_limit = _limit(policy.predictions_seconds)

    def in_order(self) -> list[tuple[str, Table, ColumnElement[bool]]]:
        """Name, table and condition, in the order in which rows refer to each other."""
        return [
            ("jobs", JOB, self.jobs(JOB)),
            ("batches", BATCH, self.batches(BATCH)),
            ("predictions", PREDICTION, self.predictions(PREDICTION)),
            ("objects", OBJECT, self.objects(OBJECT)),
        ]

    def jobs(self, job: FromClause) -> ColumnElement[bool]:
        """Jobs that ended long ago; those of a batch go with all the others of it, which its counts count."""
        batch = BATCH.alias()
        whole = select(batch.c.id).where(self.batches(batch))
        return and_(self._is_old(job), or_(job.c.batch_id.is_(None), job.c.batch_id.in_(whole)))

    def batches(self, batch: FromClause) -> ColumnElement[bool]:
        """Batches all of whose rows ended long ago."""
        row = JOB.alias()
        busy = select(row.c.batch_id).where(row.c.batch_id.is_not(None), not_(self._is_old(row)))
        limits = (self._jobs_limit, self._predictions_limit)
        old = or_(false(), *(batch.c.created < limit for limit in limits if limit is not None))
        return and_(old, batch.c.id.not_in(busy))

    def predictions(self, prediction: FromClause) -> ColumnElement[bool]:
        """Old predictions that no job names which stays."""
        if self._predictions_limit is None:
            return false()
        job = JOB.alias()
        named = select(job.c.prediction_id).where(job.c.prediction_id.is_not(None), not_(self.jobs(job)))
        return and_(prediction.c.created < self._predictions_limit, prediction.c.id.not_in(named))

    def objects(self, named: FromClause) -> ColumnElement[bool]:
        """Names under which no prediction stays."""
        prediction = PREDICTION.alias()
        same = and_(prediction.c.owner == named.c.owner, prediction.c.object_id == named.c.object_id)
        return not_(exists().where(same, not_(self.predictions(prediction))))

    def _is_old(self, job: FromClause) -> ColumnElement[bool]:
        ended = func.coalesce(job.c.ended, job.c.created)
        old: list[ColumnElement[bool]] = [false()]
        if self._jobs_limit is not None:
            old.append(ended < self._jobs_limit)
        if self._predictions_limit is not None:
            old.append(and_(job.c.prediction_id.is_not(None), ended < self._predictions_limit))
        return and_(job.c.phase.in_(_FINAL), or_(*old))


def _limit(seconds: float | None) -> ColumnElement[float] | None:
    return None if seconds is None else NOW - seconds


def _delete_chunk(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    """Delete some rows that meet a condition, and what belongs to them; returns how many."""
    key = tuple_(*table.primary_key)
    # Locked and then looked at again: PostgreSQL may have let a submission name one of them meanwhile.
    chosen = select(*table.primary_key).where(condition).limit(_CHUNK).with_for_update(of=table)
    rows = connection.execute(chosen).all()
    if not rows:
        return 0
    if table is JOB:
        connection.execute(delete(IDEMPOTENCY).where(IDEMPOTENCY.c.job_id.in_([row.id for row in rows])))
    found = key.in_([tuple(row) for row in rows])
    return connection.execute(delete(table).where(found, condition)).rowcount
