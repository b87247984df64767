"""`BatchStore`: many targets submitted together. The rows are jobs; a batch says which belong together."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, select, tuple_, update

from fiberless.contract import Batch, BatchItem, ErrorReport, JobPhase
from fiberless.contract.upgrade import upgraded
from fiberless.errors import ErrorKind, FatalError, TransientError, UsageError
from fiberless.images.cutout import Cutout
from fiberless.service.storage.batch_feeder import finish_cancelling
from fiberless.service.storage.batch_rows import (
    ABANDONED_SECONDS,
    SHOWN,
    BatchHead,
    BatchRow,
    BatchState,
    abandon,
    counted,
    item_of,
    new_jobs,
    of_owner,
    require_batch,
    row_values,
)
from fiberless.service.storage.blobs import BlobStore
from fiberless.service.storage.cursor import decode_cursor, encode_cursor
from fiberless.service.storage.encoding import encode_cutout
from fiberless.service.storage.engine import NOW, Database
from fiberless.service.storage.predictions import LOST_PREDICTION
from fiberless.service.storage.schema import BATCH, JOB, PREDICTION

__all__ = ["BatchStore", "BatchesPage", "BegunBatch", "ItemsPage"]


@dataclass(frozen=True)
class BegunBatch:
    """A batch that rows can be added to, or the one that the idempotency key named before."""

    id: str
    is_new: bool


@dataclass(frozen=True)
class BatchesPage:
    """Some batches of a list, and the cursor of the next page; None on the last."""

    batches: tuple[Batch, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class ItemsPage:
    """Some rows of a batch, and the cursor of the next page; None on the last."""

    items: tuple[BatchItem, ...]
    next_cursor: str | None


@dataclass(frozen=True, eq=False)
class BatchStore:
    """Batches, from the caller's side. Until `open` nobody sees one, and none of its rows runs."""

    database: Database
    blobs: BlobStore

    def begin(self, head: BatchHead) -> BegunBatch | None:
        """Write a batch down that has no rows yet; None while another request with its key is being read.

        Raises
        ------
        UsageError
            `idempotency-conflict` if the key was used with another body.

        """
        with self.database.write() as connection:
            if head.idempotency_key is not None:
                _forget_stale_key(connection, head)
            batch_id = self._insert_head(connection, head)
            if batch_id is not None:
                return BegunBatch(batch_id, is_new=True)
            earlier = connection.execute(_named_before(head)).one()
        if earlier.body_sha256 != head.body_sha256:
            raise UsageError("idempotency-conflict", "this Idempotency-Key came with another body before")
        return None if earlier.state == BatchState.ACCEPTING else BegunBatch(earlier.id, is_new=False)

    def add_rows(self, batch_id: str, head: BatchHead, rows: Sequence[BatchRow], *, first_row: int) -> None:
        """Add rows, numbered from `first_row`, in one transaction.

        Raises
        ------
        TransientError
            `storage-unavailable`; also if the batch was given up meanwhile, because this took too long.

        """
        shared = head.options.model_dump(mode="json")
        values = [row_values(row, number, shared) for number, row in enumerate(rows, first_row)]
        common = {"owner": head.owner, "queue": head.queue, "batch_id": batch_id}
        with self.database.write() as connection:
            _touch(connection, batch_id)
            for has_ended in (False, True):
                some = [value for value in values if JobPhase(value["phase"]).is_final is has_ended]
                if some:
                    connection.execute(new_jobs(common, has_ended=has_ended), some)

    def keep_cutout(self, cutout: Cutout) -> str:
        """Store the image of a row; its key, for `BatchRow.cutout_key`."""
        return self.blobs.put(encode_cutout(cutout))

    def open(self, batch_id: str, *, n_rows: int) -> Batch:
        """Let a batch begin, now that all its rows are written down."""
        with self.database.write() as connection:
            _touch(connection, batch_id, state=BatchState.OPEN, n_rows=n_rows)
            return _read_batch(connection, BATCH.c.id == batch_id)

    def abandon(self, batch_id: str) -> None:
        """Give up a batch that was not opened; its rows are deleted at some time."""
        with self.database.write() as connection:
            condition = and_(BATCH.c.id == batch_id, BATCH.c.state == BatchState.ACCEPTING)
            connection.execute(abandon(condition))

    def get(self, batch_id: str, *, owner: str) -> Batch:
        """Batch by its id; UsageError `not-found` if the owner has none such."""
        with self.database.read() as connection:
            return _read_batch(connection, of_owner(batch_id, owner))

    def page(self, *, owner: str, cursor: str | None = None, limit: int = 20) -> BatchesPage:
        """Batches of an owner, newest first; UsageError `invalid-parameter` if the cursor is not one."""
        statement = select(BATCH).where(BATCH.c.owner == owner, BATCH.c.state.in_(SHOWN))
        if cursor is not None:
            created, batch_id = decode_cursor(cursor, float, str)
            place = tuple_(literal(created), literal(batch_id))
            statement = statement.where(tuple_(BATCH.c.created, BATCH.c.id) < place)
        newest = statement.order_by(BATCH.c.created.desc(), BATCH.c.id.desc()).limit(limit + 1)
        with self.database.read() as connection:
            rows = connection.execute(newest).all()
            shown = tuple(counted(connection, row) for row in rows[:limit])
        last = rows[limit - 1] if len(rows) > limit else None
        return BatchesPage(shown, None if last is None else encode_cursor(last.created, last.id))

    def items(
        self,
        batch_id: str,
        *,
        owner: str,
        phase: JobPhase | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> ItemsPage:
        """Rows of a batch in their order.

        Raises
        ------
        UsageError
            `not-found`; `invalid-parameter` if the cursor is not one.

        """
        after = -1 if cursor is None else decode_cursor(cursor, int)[0]
        statement = _rows_after(batch_id, owner, after).limit(limit + 1)
        if phase is not None:
            statement = statement.where(JOB.c.phase == phase)
        with self.database.read() as connection:
            require_batch(connection, of_owner(batch_id, owner))
            rows = connection.execute(statement).all()
        last = rows[limit - 1] if len(rows) > limit else None
        return ItemsPage(
            tuple(item_of(row) for row in rows[:limit]),
            None if last is None else encode_cursor(last.batch_row),
        )

    def outcomes(
        self, batch_id: str, *, owner: str, after_row: int, limit: int
    ) -> list[tuple[BatchItem, bytes | None]]:
        """The next rows after one, each with its prediction in the newest schema; None where there is none.

        A row whose document is lost or damaged says so, and costs the others nothing.
        """
        statement = (
            _rows_after(batch_id, owner, after_row)
            .add_columns(PREDICTION.c.document_key)
            .join(PREDICTION, PREDICTION.c.id == JOB.c.prediction_id, isouter=True)
            .limit(limit)
        )
        with self.database.read() as connection:
            rows = connection.execute(statement).all()
        return [self._outcome(item_of(row), row.document_key) for row in rows]

    def _outcome(self, item: BatchItem, document_key: str | None) -> tuple[BatchItem, bytes | None]:
        if document_key is None:
            return item, None
        try:
            return item, upgraded(self.blobs.get(document_key))
        except FatalError:
            report = ErrorReport(slug="not-found", kind=ErrorKind.FATAL, detail=LOST_PREDICTION)
            return item.model_copy(update={"error": report}), None

    def waiting_rows(self, owner: str) -> int:
        """Rows of an owner's batches that were not let into a queue yet."""
        is_waiting = and_(BATCH.c.owner == owner, BATCH.c.state == BatchState.OPEN)
        statement = select(func.coalesce(func.sum(BATCH.c.n_rows - BATCH.c.next_row), 0)).where(is_waiting)
        with self.database.read() as connection:
            return int(connection.execute(statement).scalar_one())

    def cancel(self, batch_id: str, *, owner: str) -> Batch:
        """Abort all rows that have not ended; those that have stay as they are.

        Raises
        ------
        UsageError
            `not-found`.

        """
        with self.database.write() as connection:
            require_batch(connection, of_owner(batch_id, owner))
            is_open = and_(BATCH.c.id == batch_id, BATCH.c.state == BatchState.OPEN)
            connection.execute(update(BATCH).where(is_open).values(state=BatchState.CANCELLING))
        finish_cancelling(self.database, batch_id)
        with self.database.read() as connection:
            return counted(connection, require_batch(connection, of_owner(batch_id, owner)))

    def _insert_head(self, connection: Connection, head: BatchHead) -> str | None:
        """Write the head of a batch; None if its key is taken."""
        new = self.database.insert(BATCH).values(
            id=f"b_{secrets.token_hex(16)}",
            owner=head.owner,
            state=BatchState.ACCEPTING,
            queue=head.queue,
            created=NOW,
            touched=NOW,
            options=head.options.model_dump(mode="json"),
            n_rows=0,
            next_row=0,
            idempotency_key=head.idempotency_key,
            body_sha256=head.body_sha256,
        )
        return connection.execute(new.on_conflict_do_nothing().returning(BATCH.c.id)).scalar_one_or_none()


def _named_before(head: BatchHead) -> Select[tuple[str, str, str]]:
    return select(BATCH.c.id, BATCH.c.body_sha256, BATCH.c.state).where(
        BATCH.c.owner == head.owner, BATCH.c.idempotency_key == head.idempotency_key
    )


def _forget_stale_key(connection: Connection, head: BatchHead) -> None:
    """Free the key of a request whose process died before it was answered."""
    connection.execute(
        abandon(
            and_(
                BATCH.c.owner == head.owner,
                BATCH.c.idempotency_key == head.idempotency_key,
                BATCH.c.state == BatchState.ACCEPTING,
                BATCH.c.touched < NOW - ABANDONED_SECONDS,
            )
        )
    )


def _touch(connection: Connection, batch_id: str, **values: Any) -> None:
    """Say that a batch is still being read."""
    condition = and_(BATCH.c.id == batch_id, BATCH.c.state == BatchState.ACCEPTING)
    if not connection.execute(update(BATCH).where(condition).values(touched=NOW, **values)).rowcount:
        raise TransientError("storage-unavailable", "reading this batch took too long; send it again")


def _read_batch(connection: Connection, condition: ColumnElement[bool]) -> Batch:
    return counted(connection, require_batch(connection, condition))


def _rows_after(batch_id: str, owner: str, after_row: int) -> Select[Any]:
    of_batch = and_(JOB.c.batch_id == batch_id, JOB.c.owner == owner, JOB.c.batch_row > after_row)
    return select(JOB).where(of_batch).order_by(JOB.c.batch_row)
