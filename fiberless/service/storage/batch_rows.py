"""What a batch consists of: its head, its rows as they become jobs, and both as callers see them."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, insert, select, update

from fiberless.contract import (
    Batch,
    BatchItem,
    ErrorReport,
    JobPhase,
    PredictionOptions,
    Target,
)
from fiberless.errors import UsageError
from fiberless.service.storage.engine import NOW
from fiberless.service.storage.schema import BATCH, JOB

__all__ = [
    "ABANDONED_SECONDS",
    "SHOWN",
    "BatchHead",
    "BatchRow",
    "BatchState",
    "abandon",
    "counted",
    "item_of",
    "new_jobs",
    "of_owner",
    "require_batch",
    "row_values",
]


class BatchState(StrEnum):
    """Life of a batch, for those who run it; callers see the phases of its rows."""

    ACCEPTING = "accepting"
    OPEN = "open"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"


ABANDONED_SECONDS: Final = 60.0
"""A batch whose rows stopped coming for so long is given up: the process that read it is gone."""
SHOWN: Final = (BatchState.OPEN, BatchState.CANCELLING, BatchState.CANCELLED)
_ROW_COLUMNS: Final = (
    "id",
    "batch_row",
    "row_name",
    "phase",
    "options",
    "target_ra",
    "target_dec",
    "target_object_id",
    "cutout_key",
    "error",
    "prediction_id",
    "progress_stage",
    "progress_done",
)


@dataclass(frozen=True)
class BatchHead:
    """What holds for all rows of a batch.

    Parameters
    ----------
    options : PredictionOptions
        With the model resolved to a version; `object_id` is each row's own.
    queue : str
        Where the rows start.
    body_sha256 : str
        Hash of the request, to tell a repetition from another request under the same key.

    """

    owner: str
    options: PredictionOptions
    queue: str
    idempotency_key: str | None
    body_sha256: str


@dataclass(frozen=True)
class BatchRow:
    """One row as it becomes a job: waiting with a target or image, or ended with an error or an answer.

    Parameters
    ----------
    name : str or None
        Identifier that the caller gave the row.

    """

    name: str | None
    object_id: str | None = None
    target: Target | None = None
    cutout_key: str | None = None
    error: ErrorReport | None = None
    prediction_id: str | None = None

    @property
    def phase(self) -> JobPhase:
        """Where its job begins."""
        if self.error is not None:
            return JobPhase.ERROR
        return JobPhase.PENDING if self.prediction_id is None else JobPhase.COMPLETED


def of_owner(batch_id: str, owner: str) -> ColumnElement[bool]:
    """Condition for a batch that its owner may see."""
    return and_(BATCH.c.id == batch_id, BATCH.c.owner == owner, BATCH.c.state.in_(SHOWN))


def require_batch(connection: Connection, condition: ColumnElement[bool]) -> Row[Any]:
    """Row of the one batch that meets a condition; UsageError `not-found` without one."""
    row = connection.execute(select(BATCH).where(condition)).one_or_none()
    if row is None:
        raise UsageError("not-found", "there is no such batch")
    return row


def abandon(condition: ColumnElement[bool]) -> Any:
    """UPDATE that gives batches up and frees their idempotency keys."""
    return update(BATCH).where(condition).values(state=BatchState.ABANDONED, idempotency_key=None)


def new_jobs(common: dict[str, str], *, has_ended: bool) -> Any:
    """INSERT of rows as jobs, those that wait or those that have ended from the start."""
    return insert(JOB).values(
        created=NOW,
        published=NOW,
        ended=NOW if has_ended else None,
        attempt=0,
        progress_total=1,
        **common,
        **{name: bindparam(name) for name in _ROW_COLUMNS},
    )


def row_values(row: BatchRow, number: int, shared_options: dict[str, Any]) -> dict[str, Any]:
    """Values of `_ROW_COLUMNS` for a row."""
    target = row.target
    is_done = row.prediction_id is not None
    return {
        "id": f"j_{secrets.token_hex(16)}",
        "batch_row": number,
        "row_name": row.name,
        "phase": row.phase,
        "options": shared_options | {"object_id": row.object_id},
        "target_ra": None if target is None else target.ra,
        "target_dec": None if target is None else target.dec,
        "target_object_id": None if target is None else target.object_id,
        "cutout_key": row.cutout_key,
        "error": None if row.error is None else row.error.model_dump(mode="json"),
        "prediction_id": row.prediction_id,
        "progress_stage": "done" if is_done else "queued",
        "progress_done": int(is_done),
    }


def counted(connection: Connection, row: Row[Any]) -> Batch:
    """Batch of a row, its jobs counted as they are."""
    statement = select(JOB.c.phase, func.count(), func.max(JOB.c.ended)).where(JOB.c.batch_id == row.id)
    found = connection.execute(statement.group_by(JOB.c.phase)).all()
    counts = dict.fromkeys(JobPhase, 0) | {JobPhase(phase): count for phase, count, _ in found}
    ended = max((last for _, _, last in found if last is not None), default=None)
    has_ended = all(phase.is_final for phase, count in counts.items() if count)
    return Batch(
        id=row.id,
        phase=_phase_of(row.state, counts),
        n_rows=row.n_rows,
        counts=counts,
        label=row.options.get("label"),
        created=_utc(row.created),
        ended=_utc(ended) if has_ended and ended is not None else None,
    )


def _phase_of(state: str, counts: dict[JobPhase, int]) -> JobPhase:
    if any(count for phase, count in counts.items() if not phase.is_final):
        has_begun = any(counts[phase] for phase in counts if phase not in {JobPhase.PENDING, JobPhase.QUEUED})
        return JobPhase.EXECUTING if has_begun else JobPhase.QUEUED
    if state != BatchState.OPEN and counts[JobPhase.ABORTED]:
        return JobPhase.ABORTED
    return JobPhase.COMPLETED if counts[JobPhase.COMPLETED] or not counts[JobPhase.ERROR] else JobPhase.ERROR


def item_of(row: Row[Any]) -> BatchItem:
    """A row of `JOB` as a row of its batch."""
    return BatchItem(
        row=row.batch_row,
        id=row.row_name,
        object_id=row.options.get("object_id") or row.target_object_id,
        ra=row.target_ra,
        dec=row.target_dec,
        phase=JobPhase(row.phase),
        error=None if row.error is None else ErrorReport.model_validate(row.error),
        job_id=row.id,
        prediction_id=row.prediction_id,
    )


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
