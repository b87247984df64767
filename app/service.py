"""`Service`: what the routers ask for, done away from the event loop: the store, the models, the queue."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Final, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from app.confinement import ReadingLimits
from app.submission import Submission
from fiberless.contract import QUEUE_PREDICT, Job, PredictionRequest, prediction_id
from fiberless.contract.cost import check_cost
from fiberless.contract.manifest import Manifest, list_versions, read_manifest, resolve_version
from fiberless.errors import FatalError, FiberlessError, TransientError, UsageError
from fiberless.images.cutout import Cutout
from fiberless.service.queue import JobQueue
from fiberless.service.settings import Settings
from fiberless.service.storage import QueueLimits, Store, SubmitJob

__all__ = ["Outcome", "Service", "ServiceDep", "get_service"]

T = TypeVar("T")
_FIRST_PAUSE_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 0.25
_PARSERS: Final = 4
_BATCH_READERS: Final = 2
_WORKER_SILENCE_SECONDS: Final = 30.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """Where a submission stands: at a stored prediction, else at a job."""

    job: Job | None = None
    prediction_id: str | None = None


@dataclass(frozen=True, eq=False)
class Service:
    """The front end's side of storage, models and broker.

    Parameters
    ----------
    settings : Settings
    store : Store
        Its calls block, so each runs in a worker thread.
    job_queue : JobQueue
        Tells the workers, best effort.

    """

    settings: Settings
    store: Store
    job_queue: JobQueue
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    parsers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_PARSERS))
    painters: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    batch_readers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_BATCH_READERS))

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a blocking call in a thread."""
        return await to_thread.run_sync(function, *arguments)

    async def parse(self, parser: Callable[[], Cutout]) -> Cutout:
        """Run a FITS parser in one of a few threads, so that a flood of uploads cannot fill the memory."""
        return await to_thread.run_sync(parser, limiter=self.parsers)

    async def paint(self, painter: Callable[..., T], *arguments: object) -> T:
        """Run a drawing call in a thread, one at a time: matplotlib's text layout is not safe for several."""
        return await to_thread.run_sync(painter, *arguments, limiter=self.painters)

    @property
    def reading_limits(self) -> ReadingLimits:
        """What reading one table may cost."""
        return ReadingLimits(
            memory_bytes=self.settings.table_memory_bytes, cpu_seconds=self.settings.table_cpu_seconds
        )

    async def submit(self, submission: Submission, *, idempotency_key: str | None, owner: str) -> Outcome:
        """Find the prediction that is asked for, or write a job down for it.

        Raises
        ------
        UsageError
            `unknown-model`, `too-expensive`, `idempotency-conflict`.
        TransientError
            `queue-full`, `storage-unavailable`.

        """
        manifest = await self.call(self.manifest, submission.options.model)
        known = await self.call(self._stored_prediction, submission, manifest, owner)
        if known is not None and idempotency_key is None:
            return Outcome(prediction_id=known)
        if known is None:
            check_cost(submission.options, manifest, most=self.settings.max_cost)
        request = _job_of(submission, manifest, idempotency_key, known, owner=owner)
        limits = QueueLimits(self.settings.max_queued, self.settings.resolved_max_queued_per_owner)
        write_down = partial(self.store.jobs.submit, request, limits=limits)
        job, created = await self.call(write_down)
        if not created and job.prediction_id and not await self._is_stored(job.prediction_id):
            await self.call(self.store.jobs.forget_key, job.id)
            job, created = await self.call(write_down)
        if created and not job.phase.is_final:
            self.job_queue.publish(job.id, request.queue)
        return Outcome(job=job, prediction_id=job.prediction_id)

    async def _is_stored(self, prediction_id: str) -> bool:
        return await self.call(self.store.predictions.exists, prediction_id)

    async def wait_for(self, job_id: str, seconds: float) -> Job:
        """The job as soon as it is final, or as it is when the time is over or the service closes."""
        deadline = time.monotonic() + seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            job = await self.call(self.store.jobs.get, job_id)
            remaining = deadline - time.monotonic()
            if job.phase.is_final or remaining <= 0 or self.closing.is_set():
                return job
            await asyncio.sleep(min(pause, remaining))
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)

    def manifest(self, version: str | None) -> Manifest:
        """Manifest of the version named, else of the default. Blocks.

        Raises
        ------
        UsageError
            `unknown-model` if the caller names one that is not there.
        FatalError
            `model-unavailable` if the default is not there.

        """
        if version is not None:
            return read_manifest(self.settings.model_store, version)
        default = self.default_version()
        try:
            return read_manifest(self.settings.model_store, default)
        except UsageError as error:
            raise FatalError(
                "model-unavailable", f"the default model {default!r} is not in the store"
            ) from error

    def default_version(self) -> str:
        """Version used when a caller names none; raises FatalError `model-unavailable`."""
        return self.settings.default_model or resolve_version(self.settings.model_store, None)

    def versions(self) -> list[str]:
        """All versions in the model store."""
        return list_versions(self.settings.model_store)

    def checks(self) -> Mapping[str, str]:
        """State of each part that a prediction needs: `ok`, or what is wrong. Blocks."""
        parts = {
            "storage": self.store.heartbeats.recent,
            "broker": self._check_broker,
            "model": lambda: self.manifest(None),
            "worker": self._check_worker,
        }
        return {name: _state_of(name, check) for name, check in parts.items()}

    def _check_broker(self) -> None:
        if self.job_queue.waiting(QUEUE_PREDICT) is None:
            raise TransientError("not-ready", "the broker does not answer")

    def _check_worker(self) -> None:
        beats = [beat for beat in self.store.heartbeats.recent() if beat.worker_kind == "predict"]
        if any(beat.trouble is None and beat.age_seconds <= _WORKER_SILENCE_SECONDS for beat in beats):
            return
        trouble = next((f"; the last one said: {beat.trouble}" for beat in beats if beat.trouble), "")
        raise TransientError("not-ready", f"no sign of life from a model worker{trouble}")

    def _stored_prediction(self, submission: Submission, manifest: Manifest, owner: str) -> str | None:
        if submission.cutout is None:
            return None
        wanted = prediction_id(PredictionRequest(submission.cutout, submission.options, owner), manifest)
        return wanted if self.store.predictions.exists(wanted) else None


def get_service(request: Request) -> Service:
    """The service of the application that a request came to."""
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


def _job_of(
    submission: Submission, manifest: Manifest, key: str | None, known: str | None, *, owner: str
) -> SubmitJob:
    """Job for a submission; an object that is asked for by name keeps it, unless it is given another."""
    options, target = submission.options, submission.target
    object_id = options.object_id or (target and target.object_id)
    return SubmitJob(
        cutout=submission.cutout,
        target=target,
        options=options.model_copy(update={"model": manifest.version, "object_id": object_id}),
        idempotency_key=key,
        body_sha256=submission.sha256,
        owner=owner,
        prediction_id=known,
    )


def _state_of(name: str, check: Callable[[], object]) -> str:
    try:
        check()
    except FiberlessError as error:
        return error.detail
    except Exception:  # noqa: BLE001  # whatever it is, it is the answer to the question
        _log.exception("readiness of %s", name)
        return "does not answer"
    return "ok"
