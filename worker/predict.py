"""`run_predict`: the process that predicts: model first, then the queue."""

import structlog

from fiberless.contract import QUEUE_PREDICT, TASK_PREDICT
from fiberless.service.queue import make_celery
from fiberless.service.settings import Settings
from fiberless.service.storage import open_store
from worker.batcher import Batcher
from worker.claimed_batch import BatchLimits
from worker.consume import consume
from worker.identity import new_worker_id
from worker.lease_renewer import LeaseRenewer
from worker.model_cache import ModelCache
from worker.model_runner import ModelRunner

__all__ = ["run_predict"]

_log = structlog.get_logger(__name__)


def run_predict(settings: Settings, redis_url: str) -> int:
    """Predict until a signal comes; returns the exit code.

    Raises
    ------
    FiberlessError
        If the model or the storage cannot be opened; nothing was taken from the queue then.

    """
    model_cache = ModelCache(
        settings.model_store, default_version=settings.default_model, device=settings.device
    )
    store = open_store(settings)
    worker_id = new_worker_id("predict")
    renewer = LeaseRenewer(
        store, worker_kind="predict", worker_id=worker_id, lease_seconds=settings.lease_seconds
    )
    runner = ModelRunner(
        model_cache.predict,
        model_cache.probe,
        lambda request: model_cache.cost(request) / settings.max_cost,
    )
    batcher = Batcher(store, runner, renewer=renewer, limits=_limits(settings))
    celery = make_celery(redis_url, socket_timeout_seconds=5.0)
    celery.task(name=TASK_PREDICT)(batcher.run)
    renewer.start()
    batcher.start()
    _log.info("predicting", worker_id=worker_id, model=model_cache.default_version)
    exit_code = consume(
        celery,
        queue=QUEUE_PREDICT,
        worker_id=worker_id,
        concurrency=2 * settings.batch_size,
        on_stop=batcher.stop,
    )
    batcher.close()
    renewer.close()
    store.close()
    return exit_code


def _limits(settings: Settings) -> BatchLimits:
    return BatchLimits(
        batch_size=settings.batch_size,
        wait_seconds=settings.batch_wait_seconds,
        max_attempts=settings.max_attempts,
        deadline_seconds=settings.batch_deadline_seconds,
    )
