"""`Leases`: jobs as workers see them: claimed for a while, renewed, given back, failed, swept."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, delete, func, or_, select, update

from fiberless.contract import (
    QUEUE_FETCH,
    QUEUE_PREDICT,
    ErrorReport,
    JobPhase,
    JobProgress,
    PredictionOptions,
    Target,
)
from fiberless.cutout import Cutout
from fiberless.errors import ErrorKind, FatalError
from fiberless.storage.encoding import decode_cutout, encode_cutout
from fiberless.storage.engine import NOW
from fiberless.storage.opened import Opened
from fiberless.storage.schema import HEARTBEAT, JOB

__all__ = ["ClaimedJob", "Leases", "held_by"]

_STAGE: Final = {"fetch": "fetching", "predict": "predicting"}
_HEARTBEAT_KEPT_SECONDS: Final = 3600.0
_FREE: Final[dict[str, Any]] = {"lease_owner": None, "lease_until": None}


@dataclass(frozen=True)
class ClaimedJob:
    """A job that a worker holds.

    Parameters
    ----------
    attempt : int
        1 the first time. A later attempt may be a job that brought its worker down: run it alone.

    """

    id: str
    attempt: int
    options: PredictionOptions
    cutout_key: str | None
    target: Target | None


def held_by(owner: str) -> ColumnElement[bool]:
    """Fence: the row is executing and still this owner's."""
    return and_(JOB.c.lease_owner == owner, JOB.c.phase == JobPhase.EXECUTING)


class Leases(Opened):
    """Jobs, from the worker's side. `owner` is a token that a worker uses for one claim only."""

    def claim(
        self, job_ids: Sequence[str], *, owner: str, queue: str, lease_seconds: float, max_attempts: int
    ) -> list[ClaimedJob]:
        """Take those of the jobs that are free, all in one transaction.

        Several ids take jobs that were never tried before; a job that was tried before is taken only if it
        is asked for alone, so that one that kills its worker cannot cost its neighbours their attempts.

        Returns
        -------
        The claimed jobs, in the order asked for; finished, foreign and unknown ids are left out.

        """
        free = _claimable(queue=queue, max_attempts=max_attempts)
        if len(job_ids) > 1:
            free = and_(free, JOB.c.attempt == 0)
        # Locked in one order, so that two workers with the same ids cannot block each other.
        locked = select(JOB.c.id).where(JOB.c.id.in_(job_ids), free).order_by(JOB.c.id).with_for_update()
        statement = (
            update(JOB)
            .where(JOB.c.id.in_(select(locked.cte("locked").c.id)))
            .values(
                phase=JobPhase.EXECUTING,
                attempt=JOB.c.attempt + 1,
                lease_owner=owner,
                lease_until=NOW + lease_seconds,
                started=func.coalesce(JOB.c.started, NOW),
                progress_stage=_STAGE[queue],
            )
            .returning(JOB)
        )
        with self.database.write() as connection:
            claimed = {row.id: _claimed_of(row) for row in connection.execute(statement)}
        return [claimed[job_id] for job_id in dict.fromkeys(job_ids) if job_id in claimed]

    def retries(self, job_ids: Sequence[str], *, queue: str, max_attempts: int) -> list[str]:
        """Those of the jobs that are free but were tried before, oldest first: to be claimed one by one."""
        free = _claimable(queue=queue, max_attempts=max_attempts)
        statement = select(JOB.c.id).where(JOB.c.id.in_(job_ids), free, JOB.c.attempt > 0)
        with self.database.read() as connection:
            return list(connection.execute(statement.order_by(JOB.c.created)).scalars())

    def load_cutout(self, claimed: ClaimedJob) -> Cutout:
        """Image of a claimed job.

        Raises
        ------
        FatalError
            `internal-error` if the job has none, or it is missing or corrupt.

        """
        if claimed.cutout_key is None:
            raise FatalError("internal-error", f"job {claimed.id} has no image yet")
        return decode_cutout(self.blobs.get(claimed.cutout_key))

    def renew(self, owner: str, lease_seconds: float) -> int:
        """Prolong all leases of an owner; returns how many it still holds."""
        return self._update(held_by(owner), lease_until=NOW + lease_seconds)

    def fail(self, job_id: str, owner: str, error: ErrorReport) -> bool:
        """End a job with an error; False, and nothing written, if it is no longer the owner's."""
        report = error.model_dump(mode="json")
        fence = and_(JOB.c.id == job_id, held_by(owner))
        return bool(self._update(fence, phase=JobPhase.ERROR, ended=NOW, error=report, **_FREE))

    def release(self, job_id: str, owner: str) -> bool:
        """Give a job back to be tried again later; the attempt counts."""
        fence = and_(JOB.c.id == job_id, held_by(owner))
        return bool(self._update(fence, phase=JobPhase.QUEUED, hinted=NOW, progress_stage="queued", **_FREE))

    def attach_cutout(self, job_id: str, owner: str, cutout: Cutout) -> bool:
        """Give a fetched image to its job, which then waits for prediction with all its attempts."""
        key = self.blobs.put(encode_cutout(cutout))
        return bool(
            self._update(
                and_(JOB.c.id == job_id, held_by(owner)),
                phase=JobPhase.QUEUED,
                queue=QUEUE_PREDICT,
                cutout_key=key,
                attempt=0,
                hinted=NOW,
                progress_stage="queued",
                **_FREE,
            )
        )

    def set_progress(self, job_id: str, owner: str, progress: JobProgress) -> bool:
        """Say how far a held job is."""
        return bool(
            self._update(
                and_(JOB.c.id == job_id, held_by(owner)),
                progress_stage=progress.stage,
                progress_done=progress.done,
                progress_total=progress.total,
            )
        )

    def sweep(
        self,
        *,
        max_attempts: int,
        resend_after_seconds: float,
        queues: Collection[str] = (QUEUE_FETCH, QUEUE_PREDICT),
        limit: int = 1000,
    ) -> list[tuple[str, str]]:
        """End jobs that are out of attempts, and pick those that workers must be told of again.

        Any number of sweepers may run: each row is picked by one of them.

        Returns
        -------
        (job id, queue) of at most `limit` jobs of the queues: queued ones not hinted at for
        `resend_after_seconds`, and those whose lease ran out.

        """
        with self.database.write() as connection:
            connection.execute(delete(HEARTBEAT).where(HEARTBEAT.c.seen < NOW - _HEARTBEAT_KEPT_SECONDS))
            connection.execute(_give_up(max_attempts))
            due = and_(JOB.c.queue.in_(queues), _due(resend_after_seconds))
            oldest = select(JOB.c.id).where(due).order_by(JOB.c.hinted).limit(limit)
            # A common table expression is run once; PostgreSQL may run a subquery, and its limit, many times.
            picked = oldest.with_for_update(skip_locked=True).cte("picked")
            statement = (
                update(JOB)
                .where(JOB.c.id.in_(select(picked.c.id)))
                .values(hinted=NOW)
                .returning(JOB.c.id, JOB.c.queue)
            )
            return [(row.id, row.queue) for row in connection.execute(statement)]

    def _update(self, condition: ColumnElement[bool], **values: Any) -> int:
        with self.database.write() as connection:
            return connection.execute(update(JOB).where(condition).values(**values)).rowcount


def _expired() -> ColumnElement[bool]:
    return and_(JOB.c.phase == JobPhase.EXECUTING, JOB.c.lease_until < NOW)


def _claimable(*, queue: str, max_attempts: int) -> ColumnElement[bool]:
    free = or_(JOB.c.phase == JobPhase.QUEUED, _expired())
    return and_(free, JOB.c.queue == queue, JOB.c.attempt < max_attempts)


def _due(resend_after_seconds: float) -> ColumnElement[bool]:
    old_hint = JOB.c.hinted < NOW - resend_after_seconds
    return or_(
        and_(JOB.c.phase == JobPhase.QUEUED, old_hint),
        and_(_expired(), or_(JOB.c.hinted < JOB.c.lease_until, old_hint)),
    )


def _give_up(max_attempts: int) -> Any:
    report = ErrorReport(
        slug="worker-crashed", kind=ErrorKind.FATAL, detail=f"given up after {max_attempts} attempts"
    )
    return (
        update(JOB)
        .where(or_(JOB.c.phase == JobPhase.QUEUED, _expired()), JOB.c.attempt >= max_attempts)
        .values(phase=JobPhase.ERROR, ended=NOW, error=report.model_dump(mode="json"), **_FREE)
    )


def _claimed_of(row: Row[Any]) -> ClaimedJob:
    return ClaimedJob(
        id=row.id,
        attempt=row.attempt,
        options=PredictionOptions.model_validate(row.options),
        cutout_key=row.cutout_key,
        target=None if row.target_ra is None else Target(ra=row.target_ra, dec=row.target_dec),
    )
