"""`LeaseStore`: jobs as workers see them: claimed for a while, renewed, given back, failed, swept."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Subquery,
    and_,
    case,
    delete,
    func,
    not_,
    or_,
    select,
    true,
    update,
)

from fiberless.contract import (
    QUEUE_FETCH,
    QUEUE_PREDICT,
    ErrorReport,
    JobPhase,
    JobProgress,
    PredictionOptions,
    Target,
)
from fiberless.errors import ErrorKind, FatalError
from fiberless.images.cutout import Cutout
from fiberless.service.storage.blobs import BlobStore
from fiberless.service.storage.encoding import decode_cutout, encode_cutout
from fiberless.service.storage.engine import NOW, Database
from fiberless.service.storage.job_rows import change_jobs
from fiberless.service.storage.schema import HEARTBEAT, JOB

__all__ = ["ClaimedJob", "LeaseStore", "held_by"]

_STAGE: Final = {"fetch": "fetching", "predict": "predicting"}
_HEARTBEAT_KEPT_SECONDS: Final = 3600.0
_FREE: Final[dict[str, Any]] = {"lease_token": None, "lease_until": None}
_SUSPICIOUS: Final = or_(JOB.c.attempt > 0, JOB.c.suspected > 0)
"""Tried before, or at hand when a device broke: it may be what ends its worker."""


@dataclass(frozen=True)
class ClaimedJob:
    """A job that a worker holds.

    Parameters
    ----------
    attempt : int
        1 the first time. A later attempt may be a job that brought its worker down: run it alone.
    owner : str
        Who asked for it, not who holds it.
    is_batch : bool
        Whether it is a row of a batch, which gives way to single jobs.

    """

    id: str
    attempt: int
    options: PredictionOptions
    cutout_key: str | None
    target: Target | None
    owner: str = ""
    is_batch: bool = False


def held_by(lease_token: str) -> ColumnElement[bool]:
    """Fence: the row is executing and still under this lease."""
    return and_(JOB.c.lease_token == lease_token, JOB.c.phase == JobPhase.EXECUTING)


@dataclass(frozen=True, eq=False)
class LeaseStore:
    """Jobs, from the worker's side. A worker uses a `lease_token` for one claim only."""

    database: Database
    blobs: BlobStore

    def in_turn(self, job_ids: Sequence[str], *, queue: str, limit: int) -> list[str]:
        """Jobs that are to be claimed next, when a worker was told of some: all owners take turns.

        Single jobs go before rows of batches; a turn is an owner's place after what is worked on for it
        already, and at equal turns the owner with fewer waiting jobs goes first. Of one owner those that the
        worker was told of go first.

        Returns
        -------
        Ids of at most `limit` waiting jobs that were never tried before.

        """
        is_row = JOB.c.batch_id.is_not(None)
        is_told = case((JOB.c.id.in_(job_ids), 0), else_=1)
        own = (JOB.c.owner, is_row)
        busy = _executing_by_owner(queue)
        place = func.row_number().over(partition_by=own, order_by=(is_told, JOB.c.created))
        waiting = (
            select(
                JOB.c.id,
                JOB.c.created,
                is_row.label("is_row"),
                (place + func.coalesce(busy.c.executing, 0)).label("turn"),
                func.count().over(partition_by=own).label("n_waiting"),
            )
            .join_from(JOB, busy, busy.c.owner == JOB.c.owner, isouter=True)
            .where(JOB.c.phase == JobPhase.QUEUED, JOB.c.queue == queue, not_(_SUSPICIOUS))
            .subquery()
        )
        order = (waiting.c.is_row, waiting.c.turn, waiting.c.n_waiting, waiting.c.created)
        with self.database.read() as connection:
            return list(connection.execute(select(waiting.c.id).order_by(*order).limit(limit)).scalars())

    def claim(
        self,
        job_ids: Sequence[str],
        *,
        lease_token: str,
        queue: str,
        lease_seconds: float,
        max_attempts: int,
        in_company: bool = False,
    ) -> list[ClaimedJob]:
        """Take those of the jobs that are free, all in one transaction.

        Several ids take jobs that were never tried before. One that was tried before, or was there when a
        device broke, is taken only if it is asked for alone, so that a job that kills its worker cannot cost
        its neighbours their attempts.

        Parameters
        ----------
        in_company : other jobs are under this token already

        Returns
        -------
        The claimed jobs, in the order asked for; finished, foreign and unknown ids are left out.

        """
        free = _claimable(queue=queue, max_attempts=max_attempts)
        if len(job_ids) > 1 or in_company:
            free = and_(free, not_(_SUSPICIOUS))
        # Locked in one order, so that two workers with the same ids cannot block each other.
        locked = select(JOB.c.id).where(JOB.c.id.in_(job_ids), free).order_by(JOB.c.id).with_for_update()
        with self.database.write() as connection:
            rows = change_jobs(
                connection,
                JOB.c.id.in_(select(locked.cte("locked").c.id)),
                phase=JobPhase.EXECUTING,
                attempt=JOB.c.attempt + 1,
                lease_token=lease_token,
                lease_until=NOW + lease_seconds,
                started=func.coalesce(JOB.c.started, NOW),
                **_progress(_STAGE[queue]),
            )
        claimed = {row.id: _claimed_of(row) for row in rows}
        return [claimed[job_id] for job_id in dict.fromkeys(job_ids) if job_id in claimed]

    def retries(self, job_ids: Sequence[str], *, queue: str, max_attempts: int) -> list[str]:
        """Those of the jobs that are free but to be claimed one by one, see `claim`; oldest first."""
        free = _claimable(queue=queue, max_attempts=max_attempts)
        statement = select(JOB.c.id).where(JOB.c.id.in_(job_ids), free, _SUSPICIOUS)
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

    def renew(self, lease_token: str, lease_seconds: float) -> int:
        """Prolong the leases under a token; returns how many jobs it still holds."""
        statement = update(JOB).where(held_by(lease_token)).values(lease_until=NOW + lease_seconds)
        with self.database.write() as connection:
            return connection.execute(statement).rowcount

    def held(self, lease_token: str) -> frozenset[str]:
        """Ids of the jobs held under a token; those it claimed and lacks were cancelled, or taken over."""
        with self.database.read() as connection:
            return frozenset(connection.execute(select(JOB.c.id).where(held_by(lease_token))).scalars())

    def fail(self, job_id: str, lease_token: str, error: ErrorReport) -> bool:
        """End a job with an error; False, and nothing written, if the lease is lost."""
        report = error.model_dump(mode="json")
        return self._change(job_id, lease_token, phase=JobPhase.ERROR, ended=NOW, error=report, **_FREE)

    def release(self, job_id: str, lease_token: str, *, is_spent: bool = True) -> bool:
        """Give a job back to be tried again later; the attempt counts, unless a machine was at fault."""
        attempt = JOB.c.attempt if is_spent else JOB.c.attempt - 1
        return self._change(job_id, lease_token, attempt=attempt, **_waiting(), **_FREE)

    def hand_back(self, lease_token: str, *, is_suspected: bool = False) -> int:
        """Give back all jobs under a token, their attempts unspent; returns how many.

        Parameters
        ----------
        is_suspected : one of them may have broken the device, so that each is tried alone from now on

        """
        values = {"attempt": JOB.c.attempt - 1, **_waiting(), **_FREE}
        if is_suspected:
            values["suspected"] = 1
        with self.database.write() as connection:
            return len(change_jobs(connection, held_by(lease_token), **values))

    def attach_cutout(self, job_id: str, lease_token: str, cutout: Cutout) -> bool:
        """Give a fetched image to its job, which then waits for prediction with all its attempts."""
        key = self.blobs.put(encode_cutout(cutout))
        return self._change(
            job_id, lease_token, queue=QUEUE_PREDICT, cutout_key=key, attempt=0, **_waiting(), **_FREE
        )

    def set_progress(self, job_id: str, lease_token: str, progress: JobProgress) -> bool:
        """Say how far a held job is; False, and nothing written, if the lease is lost."""
        return job_id in self.report(lease_token, {job_id: progress})

    def report(self, lease_token: str, progress: Mapping[str, JobProgress]) -> frozenset[str]:
        """Say how far held jobs are, all in one transaction; ids of those whose lease still held."""
        alike: dict[JobProgress, list[str]] = defaultdict(list)
        for job_id, reached in progress.items():
            alike[reached].append(job_id)
        with self.database.write() as connection:
            return frozenset(
                row.id
                for reached, job_ids in alike.items()
                for row in change_jobs(
                    connection,
                    and_(JOB.c.id.in_(job_ids), held_by(lease_token)),
                    **_progress(reached.stage, reached.done, reached.total),
                )
            )

    def sweep(
        self,
        *,
        max_attempts: int,
        resend_after_seconds: float,
        queues: Collection[str] = (QUEUE_FETCH, QUEUE_PREDICT),
        of_batches: bool | None = None,
        limit: int = 1000,
    ) -> list[tuple[str, str]]:
        """End jobs that are out of attempts, and pick those that workers must be told of again.

        Any number of sweepers may run: each row is picked by one of them.

        Parameters
        ----------
        of_batches : True picks rows of batches only, False single jobs only

        Returns
        -------
        (job id, queue) of at most `limit` jobs of the queues: queued ones with no message sent for
        `resend_after_seconds`, and those whose lease ran out.

        """
        with self.database.write() as connection:
            connection.execute(delete(HEARTBEAT).where(HEARTBEAT.c.seen < NOW - _HEARTBEAT_KEPT_SECONDS))
            _give_up(connection, max_attempts)
            due = and_(JOB.c.queue.in_(queues), _due(resend_after_seconds), _is_batch(of_batches))
            oldest = select(JOB.c.id).where(due).order_by(JOB.c.published).limit(limit)
            # A common table expression is run once; PostgreSQL may run a subquery, and its limit, many times.
            picked = oldest.with_for_update(skip_locked=True).cte("picked")
            statement = (
                update(JOB)
                .where(JOB.c.id.in_(select(picked.c.id)))
                .values(published=NOW)
                .returning(JOB.c.id, JOB.c.queue)
            )
            return [(row.id, row.queue) for row in connection.execute(statement)]

    def _change(self, job_id: str, lease_token: str, /, **values: Any) -> bool:
        """Change a job if its lease still holds."""
        with self.database.write() as connection:
            return bool(change_jobs(connection, and_(JOB.c.id == job_id, held_by(lease_token)), **values))


def _executing_by_owner(queue: str) -> Subquery:
    executing = and_(JOB.c.phase == JobPhase.EXECUTING, JOB.c.queue == queue)
    counts = select(JOB.c.owner, func.count().label("executing")).where(executing)
    return counts.group_by(JOB.c.owner).subquery()


def _expired() -> ColumnElement[bool]:
    return and_(JOB.c.phase == JobPhase.EXECUTING, JOB.c.lease_until < NOW)


def _claimable(*, queue: str, max_attempts: int) -> ColumnElement[bool]:
    free = or_(JOB.c.phase == JobPhase.QUEUED, _expired())
    return and_(free, JOB.c.queue == queue, JOB.c.attempt < max_attempts)


def _due(resend_after_seconds: float) -> ColumnElement[bool]:
    old_message = JOB.c.published < NOW - resend_after_seconds
    return or_(
        and_(JOB.c.phase == JobPhase.QUEUED, old_message),
        and_(_expired(), or_(JOB.c.published < JOB.c.lease_until, old_message)),
    )


def _is_batch(of_batches: bool | None) -> ColumnElement[bool]:  # noqa: FBT001  a filter, not a switch
    if of_batches is None:
        return true()
    return JOB.c.batch_id.is_not(None) if of_batches else JOB.c.batch_id.is_(None)


def _give_up(connection: Connection, max_attempts: int) -> None:
    report = ErrorReport(
        slug="worker-crashed", kind=ErrorKind.FATAL, detail=f"given up after {max_attempts} attempts"
    )
    out_of_attempts = and_(or_(JOB.c.phase == JobPhase.QUEUED, _expired()), JOB.c.attempt >= max_attempts)
    ended = {"phase": JobPhase.ERROR, "ended": NOW, "error": report.model_dump(mode="json")}
    change_jobs(connection, out_of_attempts, **ended, **_FREE)


def _waiting() -> dict[str, Any]:
    return {"phase": JobPhase.QUEUED, "published": NOW, **_progress("queued")}


def _progress(stage: str, done: int = 0, total: int = 1) -> dict[str, Any]:
    return {"progress_stage": stage, "progress_done": done, "progress_total": total}


def _claimed_of(row: Row[Any]) -> ClaimedJob:
    return ClaimedJob(
        id=row.id,
        owner=row.owner,
        is_batch=row.batch_id is not None,
        attempt=row.attempt,
        options=PredictionOptions.model_validate(row.options),
        cutout_key=row.cutout_key,
        target=_target_of(row),
    )


def _target_of(row: Row[Any]) -> Target | None:
    if row.target_ra is None and row.target_object_id is None:
        return None
    return Target(ra=row.target_ra, dec=row.target_dec, object_id=row.target_object_id)
