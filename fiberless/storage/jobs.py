"""`JobBook`: jobs as callers see them: submitted once, read by id, counted."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select

from fiberless.contract import (
    QUEUE_FETCH,
    QUEUE_PREDICT,
    ErrorReport,
    Job,
    JobLinks,
    JobPhase,
    JobProgress,
    PredictionOptions,
    Target,
)
from fiberless.cutout import Cutout
from fiberless.errors import UsageError
from fiberless.storage.encoding import encode_cutout
from fiberless.storage.engine import NOW
from fiberless.storage.opened import Opened
from fiberless.storage.schema import IDEMPOTENCY, JOB

__all__ = ["JobBook", "SubmitJob"]


@dataclass(frozen=True, eq=False)
class SubmitJob:
    """What a caller asks for.

    Parameters
    ----------
    cutout : Cutout or None
        The image; None if it is to be fetched for `target`.
    target : Target or None
        The position; needed if there is no cutout.
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


class JobBook(Opened):
    """Jobs, from the caller's side."""

    def submit(self, request: SubmitJob) -> tuple[Job, bool]:
        """Write a job down; the hint to the workers is the caller's next step.

        Returns
        -------
        (job, created)
            `created` is False if the idempotency key named an earlier job with the same body.

        Raises
        ------
        UsageError
            `idempotency-conflict` if the key was used with another body.
        TransientError
            `storage-unavailable`.

        """
        cutout_key = None if request.cutout is None else self.blobs.put(encode_cutout(request.cutout))
        job_id = f"j_{secrets.token_hex(16)}"
        with self.database.write() as connection:
            earlier_id = self._earlier_job_id(connection, request, job_id)
            if earlier_id is not None:
                return _read_job(connection, earlier_id), False
            connection.execute(insert(JOB).values(_first_row(request, job_id, cutout_key)))
            return _read_job(connection, job_id), True

    def job(self, job_id: str) -> Job:
        """Job by its id.

        Raises
        ------
        UsageError
            `not-found`.

        """
        with self.database.read() as connection:
            return _read_job(connection, job_id)

    def queue_depths(self) -> dict[str, int]:
        """Jobs that wait, by queue; a queue without any is absent."""
        statement = (
            select(JOB.c.queue, func.count().label("waiting"))
            .where(JOB.c.phase == JobPhase.QUEUED)
            .group_by(JOB.c.queue)
        )
        with self.database.read() as connection:
            return {row.queue: row.waiting for row in connection.execute(statement)}

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
        earlier = connection.execute(
            select(IDEMPOTENCY.c.job_id, IDEMPOTENCY.c.body_sha256).where(
                IDEMPOTENCY.c.owner == request.owner, IDEMPOTENCY.c.key == request.idempotency_key
            )
        ).one()
        if earlier.body_sha256 != request.body_sha256:
            raise UsageError("idempotency-conflict", "this Idempotency-Key came with another body before")
        return str(earlier.job_id)


def _first_row(request: SubmitJob, job_id: str, cutout_key: str | None) -> dict[str, Any]:
    answered = {} if request.prediction_id is None else _answered(request.prediction_id)
    return {
        "id": job_id,
        "owner": request.owner,
        "phase": JobPhase.QUEUED,
        "queue": request.queue,
        "created": NOW,
        "hinted": NOW,
        "attempt": 0,
        "options": request.options.model_dump(mode="json"),
        "target_ra": None if request.target is None else request.target.ra,
        "target_dec": None if request.target is None else request.target.dec,
        "cutout_key": cutout_key,
        "progress_stage": "queued",
        "progress_done": 0,
        "progress_total": 1,
        **answered,
    }


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
        raise UsageError("not-found", "there is no such job")
    return _job_of(row)


def _job_of(row: Row[Any]) -> Job:
    prediction = None if row.prediction_id is None else f"/api/v1/predictions/{row.prediction_id}"
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
        links=JobLinks(self=f"/api/v1/jobs/{row.id}", prediction=prediction),
    )


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
