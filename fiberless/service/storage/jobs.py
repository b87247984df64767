"""`JobStore`: jobs as callers see them: submitted once, read by id, listed, followed, cancelled, counted."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, and_, case, delete, func, insert, literal, select, tuple_

from fiberless.contract import (
    QUEUE_FETCH,
    QUEUE_PREDICT,
    Job,
    JobPhase,
    PredictionOptions,
    Target,
)
from fiberless.errors import TransientError, UsageError
from fiberless.images.cutout import Cutout
from fiberless.service.storage.blobs import BlobStore
from fiberless.service.storage.cursor import decode_cursor, encode_cursor
from fiberless.service.storage.encoding import encode_cutout
from fiberless.service.storage.engine import NOW, Database
from fiberless.service.storage.job_rows import JobEvent, change_jobs, event_of, first_event, job_of
from fiberless.service.storage.schema import IDEMPOTENCY, JOB, JOB_EVENT, PREDICTION

__all__ = ["JobStore", "JobsPage", "QueueLimits", "SubmitJob"]

_ALWAYS_LET_IN: Final = 10
"""Waiting jobs of an owner that others cannot keep out."""
_OPEN_PHASES: Final = [phase for phase in JobPhase if not phase.is_final]


@dataclass(frozen=True, eq=False)
class SubmitJob:
    """What a caller asks for.

    Parameters
    ----------
    cutout : Cutout or None
        The image; None if it is to be fetched for `target`.
    target : Target or None
        The position, or the name in a survey; needed if there is no cutout.
    options : PredictionOptions
        With the model resolved to a version.
    idempotency_key : str or None
        Name that the caller gave to this request; the same name is never worked on twice.
    body_sha256 : str
        Hash of the request, to tell a repetition from another request under the same key.
    owner : str
        Whose keys and jobs these are; empty without authentication.
    prediction_id : str or None
        Stored prediction that answers the request already: its job is complete from the start.

    """

    cutout: Cutout | None
    target: Target | None
    options: PredictionOptions
    idempotency_key: str | None
    body_sha256: str
    owner: str = ""
    prediction_id: str | None = None

    def __post_init__(self) -> None:
        if self.cutout is None and self.target is None:
            raise UsageError("invalid-parameter", "a job needs an image or a position")

    @property
    def queue(self) -> str:
        """Where the job starts: its image is there already, or is to be fetched."""
        return QUEUE_FETCH if self.cutout is None else QUEUE_PREDICT


@dataclass(frozen=True)
class QueueLimits:
    """Most jobs that may wait, those of batches apart: of all owners together, and of one.

    An owner with few waiting jobs is let in even if those of others fill the queue.
    """

    total: int
    per_owner: int


@dataclass(frozen=True)
class JobsPage:
    """Some jobs of a list, and the cursor of the next page; None on the last."""

    jobs: tuple[Job, ...]
    next_cursor: str | None


@dataclass(frozen=True, eq=False)
class JobStore:
    """Jobs, from the caller's side."""

    database: Database
    blobs: BlobStore

    def submit(self, request: SubmitJob, *, limits: QueueLimits | None = None) -> tuple[Job, bool]:
        """Write a job down; the message to the workers is the caller's next step.

        Parameters
        ----------
        limits : QueueLimits or None
            Callers at once may exceed them by their number.

        Returns
        -------
        (job, created)
            `created` is False if the idempotency key named an earlier job with the same body.

        Raises
        ------
        UsageError
            `idempotency-conflict` if the key was used with another body.
        TransientError
            `queue-full`, where nothing was written; `storage-unavailable`.

        """
        if request.prediction_id is None and limits is not None:
            earlier = self._job_without_room(request, limits)
            if earlier is not None:
                return earlier, False
        cutout_key = None if request.cutout is None else self.blobs.put(encode_cutout(request.cutout))
        job_id = f"j_{secrets.token_hex(16)}"
        with self.database.write() as connection:
            earlier_id = self._earlier_job_id(connection, request, job_id)
            if earlier_id is not None:
                return _read_job(connection, earlier_id), False
            answer = _kept_prediction(connection, request.prediction_id)
            row = _first_row(request, job_id, cutout_key) | ({} if answer is None else _answered(answer))
            connection.execute(insert(JOB).values(row))
            return _read_job(connection, job_id), True

    def get(self, job_id: str) -> Job:
        """Job by its id.

        Raises
        ------
        UsageError
            `not-found`.

        """
        with self.database.read() as connection:
            return _read_job(connection, job_id)

    def page(
        self, *, owner: str, phases: Collection[JobPhase] = (), cursor: str | None = None, limit: int = 50
    ) -> JobsPage:
        """Jobs of an owner, newest first.

        Parameters
        ----------
        phases : those to list; none lists all
        cursor : `next_cursor` of the page before

        Raises
        ------
        UsageError
            `invalid-parameter` if the cursor is not one.

        """
        statement = select(JOB).where(JOB.c.owner == owner)
        if phases:
            statement = statement.where(JOB.c.phase.in_(phases))
        if cursor is not None:
            created, job_id = decode_cursor(cursor, float, str)
            statement = statement.where(
                tuple_(JOB.c.created, JOB.c.id) < tuple_(literal(created), literal(job_id))
            )
        newest = statement.order_by(JOB.c.created.desc(), JOB.c.id.desc()).limit(limit + 1)
        with self.database.read() as connection:
            rows = connection.execute(newest).all()
        last = rows[limit - 1] if len(rows) > limit else None
        return JobsPage(
            jobs=tuple(job_of(row) for row in rows[:limit]),
            next_cursor=None if last is None else encode_cursor(last.created, last.id),
        )

    def events(self, job_id: str, *, after: int = -1) -> list[JobEvent]:
        """All that happened to a job after its change number `after`, in order and without a gap.

        Raises
        ------
        UsageError
            `not-found`.

        """
        later = and_(JOB_EVENT.c.job_id == JOB.c.id, JOB_EVENT.c.revision > after)
        statement = (
            select(JOB, *(column.label(f"event_{column.name}") for column in JOB_EVENT.c))
            .join_from(JOB, JOB_EVENT, later, isouter=True)
            .where(JOB.c.id == job_id)
            .order_by(JOB_EVENT.c.revision)
        )
        with self.database.read() as connection:
            rows = connection.execute(statement).all()
        if not rows:
            raise _no_such_job()
        first = [first_event(rows[0])] if after < 0 else []
        return first + [event_of(row) for row in rows if row.event_revision is not None]

    def cancel(self, job_id: str) -> Job:
        """Abort a job at once, unless it has ended: then it stays as it is.

        A worker that holds it notices between two denoising steps, and what it predicts is not stored.

        Raises
        ------
        UsageError
            `not-found`.

        """
        is_open = and_(JOB.c.id == job_id, JOB.c.phase.in_(_OPEN_PHASES))
        with self.database.write() as connection:
            change_jobs(
                connection, is_open, phase=JobPhase.ABORTED, ended=NOW, lease_token=None, lease_until=None
            )
            return _read_job(connection, job_id)

    def forget_key(self, job_id: str) -> None:
        """Free the idempotency key of a job whose prediction is lost: the same request makes a new job."""
        with self.database.write() as connection:
            connection.execute(delete(IDEMPOTENCY).where(IDEMPOTENCY.c.job_id == job_id))

    def queue_depths(self) -> dict[str, int]:
        """Jobs that wait, by queue; a queue without any is absent."""
        statement = (
            select(JOB.c.queue, func.count().label("waiting"))
            .where(JOB.c.phase == JobPhase.QUEUED)
            .group_by(JOB.c.queue)
        )
        with self.database.read() as connection:
            return {row.queue: row.waiting for row in connection.execute(statement)}

    def _job_without_room(self, request: SubmitJob, limits: QueueLimits) -> Job | None:
        """None if there is room for a new job; else the job that the idempotency key named before."""
        with self.database.read() as connection:
            reason = _why_full(connection, request.owner, limits)
            if reason is None:
                return None
            earlier = connection.execute(_named_before(request)).one_or_none()
            if earlier is None:
                raise TransientError("queue-full", f"{reason}; ask again later")
            return _read_job(connection, _same_body(earlier, request))

    def _earlier_job_id(self, connection: Connection, request: SubmitJob, job_id: str) -> str | None:
        """Take the idempotency key for a new job, or say which job has it."""
        if request.idempotency_key is None:
            return None
        taken = connection.execute(
            self.database.insert(IDEMPOTENCY)
            .values(
                owner=request.owner,
                key=request.idempotency_key,
                body_sha256=request.body_sha256,
                job_id=job_id,
            )
            .on_conflict_do_nothing()
            .returning(IDEMPOTENCY.c.job_id)
        )
        if taken.first() is not None:
            return None
        return _same_body(connection.execute(_named_before(request)).one(), request)


def _why_full(connection: Connection, owner: str, limits: QueueLimits) -> str | None:
    """Why no job of an owner may be added; None if one may."""
    alone = and_(JOB.c.phase == JobPhase.QUEUED, JOB.c.batch_id.is_(None))
    # The limit keeps the database from counting all that the owner ever asked for, by another index.
    waiting = select(JOB.c.owner).where(alone).limit(2 * limits.total).subquery()
    is_own = case((waiting.c.owner == owner, 1), else_=0)
    counts = select(func.count(), func.coalesce(func.sum(is_own), 0)).select_from(waiting)
    total, own = connection.execute(counts).one()
    most = min(limits.per_owner, limits.total)
    if own >= most:
        return f"{own} of your jobs wait, {most} may"
    if total >= limits.total and own >= _ALWAYS_LET_IN:
        return f"{total} jobs wait, {limits.total} may"
    return None


def _named_before(request: SubmitJob) -> Select[tuple[str, str]]:
    """Job and body that the idempotency key of a request named before."""
    return select(IDEMPOTENCY.c.job_id, IDEMPOTENCY.c.body_sha256).where(
        IDEMPOTENCY.c.owner == request.owner, IDEMPOTENCY.c.key == request.idempotency_key
    )


def _same_body(earlier: Row[Any], request: SubmitJob) -> str:
    """Id of an earlier job under the same key, which must have been asked for with the same body."""
    if earlier.body_sha256 != request.body_sha256:
        raise UsageError("idempotency-conflict", "this Idempotency-Key came with another body before")
    return str(earlier.job_id)


def _first_row(request: SubmitJob, job_id: str, cutout_key: str | None) -> dict[str, Any]:
    return {
        "id": job_id,
        "owner": request.owner,
        "phase": JobPhase.QUEUED,
        "queue": request.queue,
        "created": NOW,
        "published": NOW,
        "attempt": 0,
        "options": request.options.model_dump(mode="json"),
        "target_ra": None if request.target is None else request.target.ra,
        "target_dec": None if request.target is None else request.target.dec,
        "target_object_id": None if request.target is None else request.target.object_id,
        "cutout_key": cutout_key,
        "progress_stage": "queued",
        "progress_done": 0,
        "progress_total": 1,
    }


def _kept_prediction(connection: Connection, prediction_id: str | None) -> str | None:
    """Id of a stored prediction, held until the transaction ends; None if `purge` took it meanwhile."""
    if prediction_id is None:
        return None
    held = select(PREDICTION.c.id).where(PREDICTION.c.id == prediction_id)
    return connection.execute(held.with_for_update(read=True, key_share=True)).scalar_one_or_none()


def _answered(prediction_id: str) -> dict[str, Any]:
    return {
        "phase": JobPhase.COMPLETED,
        "ended": NOW,
        "prediction_id": prediction_id,
        "progress_stage": "done",
        "progress_done": 1,
    }


def _read_job(connection: Connection, job_id: str) -> Job:
    row = connection.execute(select(JOB).where(JOB.c.id == job_id)).one_or_none()
    if row is None:
        raise _no_such_job()
    return job_of(row)


def _no_such_job() -> UsageError:
    return UsageError("not-found", "there is no such job")
