"""`JobQueue`: tells workers that a job waits. Messages may be lost: the row is the truth.

Celery's client side only: needs no torch and no worker code, so that the front end can use it too.
"""

import queue
import threading
from contextlib import suppress
from typing import Final

import structlog
from celery import Celery

from fiberless.contract import QUEUE_FETCH, QUEUE_PREDICT, TASK_FETCH, TASK_PREDICT

__all__ = ["JobQueue", "make_celery"]

_TASK_OF_QUEUE: Final = {QUEUE_FETCH: TASK_FETCH, QUEUE_PREDICT: TASK_PREDICT}
_MAX_PENDING: Final = 10_000
_BATCH_PRIORITY: Final = 6
"""Redis keeps a list for each priority and empties the lowest number first; single jobs have 0."""
_log = structlog.get_logger(__name__)


def make_celery(redis_url: str, *, socket_timeout_seconds: float) -> Celery:
    """Make the Celery application of the service, for its clients and its workers.

    Late acknowledgement, ids only, no result backend, no wait for Redis beyond its timeout.

    Parameters
    ----------
    redis_url : str
        `redis://host:port/db`, or `unix:///path` or `redis+socket:///path` for a socket.
    socket_timeout_seconds : float
        Longest wait for Redis: short where a caller waits, longer in a worker.

    """
    app = Celery("fiberless", broker=redis_url.replace("unix://", "redis+socket://", 1), set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        result_backend=None,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_create_missing_queues=True,
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0.0, "interval_max": 0.1},
        broker_transport_options={
            "visibility_timeout": 3600,
            "unacked_restore_interval": 10,
            "unacked_restore_throttle": 1,
            "socket_timeout": socket_timeout_seconds,
            "socket_connect_timeout": min(2.0, socket_timeout_seconds),
            "socket_keepalive": True,
            "health_check_interval": 25,
            "retry_on_timeout": False,
            "max_retries": 1,
            "interval_start": 0.0,
            "interval_max": 0.1,
        },
    )
    return app


class JobQueue:
    """Sends job ids to the workers' queues.

    Parameters
    ----------
    redis_url : str or None
        The broker; None sends nothing, so that jobs wait for a sweeper that has one.

    """

    def __init__(self, redis_url: str | None) -> None:
        self._celery = None if redis_url is None else make_celery(redis_url, socket_timeout_seconds=1.0)
        self._pending: queue.Queue[tuple[str, str, bool] | None] = queue.Queue(_MAX_PENDING)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def publish(self, job_id: str, queue_name: str, *, is_batch: bool = False) -> None:
        """Send a message from a background thread: returns at once, whatever state the broker is in."""
        with suppress(queue.Full):
            self._pending.put_nowait((job_id, queue_name, is_batch))
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._send_pending, name="job-queue", daemon=True)
                self._thread.start()

    def send(self, job_id: str, queue_name: str, *, is_batch: bool = False) -> bool:
        """Send a message now; False if the broker did not take it within a few seconds.

        Workers take messages for rows of batches after all others, whichever came first.
        """
        if self._celery is None:
            return False
        try:
            priority = _BATCH_PRIORITY if is_batch else 0
            self._celery.send_task(
                _TASK_OF_QUEUE[queue_name], args=[job_id], queue=queue_name, priority=priority
            )
        except Exception as error:  # noqa: BLE001  best effort: whatever the broker does, the row is there
            _log.warning("message not sent", job_id=job_id, queue=queue_name, reason=str(error))
            return False
        return True

    def waiting(self, queue_name: str, *, is_batch: bool = False) -> int | None:
        """Messages in a queue, for single jobs or for batches; None if the broker does not answer."""
        if self._celery is None:
            return None
        try:
            with self._celery.connection_for_read() as connection:
                channel = connection.default_channel
                priority = _BATCH_PRIORITY if is_batch else 0
                return int(channel.client.llen(channel._q_for_pri(queue_name, priority)))  # noqa: SLF001  no public name
        except Exception as error:  # noqa: BLE001  kombu passes redis' own errors through, unwrapped
            _log.warning("broker does not answer", queue=queue_name, reason=str(error))
            return None

    def close(self, timeout_seconds: float = 3.0) -> None:
        """Send what is pending, but wait no longer than the timeout."""
        if self._thread is not None:
            with suppress(queue.Full):
                self._pending.put_nowait(None)
            self._thread.join(timeout_seconds)
        if self._celery is not None:
            self._celery.close()

    def _send_pending(self) -> None:
        while (message := self._pending.get()) is not None:
            job_id, queue_name, is_batch = message
            self.send(job_id, queue_name, is_batch=is_batch)
