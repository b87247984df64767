"""`Sweeper`: the safety net: sends lost messages again, ends jobs that are out of attempts, feeds batches."""

import threading
from collections.abc import Sequence
from typing import Final

import structlog

from fiberless.contract import QUEUE_FETCH, QUEUE_PREDICT
from fiberless.errors import TransientError
from fiberless.service.queue import JobQueue
from fiberless.service.settings import Settings
from fiberless.service.storage import Store

__all__ = ["Sweeper"]

_MESSAGES_PER_QUEUE: Final = 1000
"""More are not put into a queue by sweeping: a long backlog must not be sent over and over."""
_log = structlog.get_logger(__name__)


class Sweeper:
    """Sweeps every few seconds on a thread of its own. Several may run: each row is swept by one of them."""

    def __init__(self, store: Store, job_queue: JobQueue, *, settings: Settings) -> None:
        self._store = store
        self._job_queue = job_queue
        self._settings = settings
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._sweep_forever, name="sweeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._thread.join()

    def sweep(self) -> int:
        """Sweep once; returns how many messages were sent, of jobs that were forgotten and rows let in."""
        sent = 0
        for queue in (QUEUE_FETCH, QUEUE_PREDICT):
            sent += self._send_again(queue, is_batch=False)
            sent += self._send_again(queue, is_batch=True)
            sent += self._feed(queue)
        self._store.batch_feeder.tidy()
        return sent

    def _send_again(self, queue: str, *, is_batch: bool) -> int:
        waiting = self._job_queue.waiting(queue, is_batch=is_batch)
        due = self._store.leases.sweep(
            max_attempts=self._settings.max_attempts,
            resend_after_seconds=self._settings.resend_seconds,
            queues=[queue],
            of_batches=is_batch,
            limit=0 if waiting is None else max(0, _MESSAGES_PER_QUEUE - waiting),
        )
        sent = self._send([job_id for job_id, _ in due], queue, is_batch=is_batch)
        if sent:
            _log.info("messages sent again", queue=queue, jobs=sent)
        return sent

    def _feed(self, queue: str) -> int:
        """Let rows of batches into a queue, as many as there is room for, and tell its workers."""
        let_in = self._store.batch_feeder.feed(queue, room=self._settings.batch_queue_rows)
        return self._send(let_in, queue, is_batch=True)

    def _send(self, job_ids: Sequence[str], queue: str, *, is_batch: bool) -> int:
        for sent, job_id in enumerate(job_ids):
            if not self._job_queue.send(job_id, queue, is_batch=is_batch):
                return sent  # the broker went away; these rows are due again soon
        return len(job_ids)

    def _sweep_forever(self) -> None:
        while not self._closing.wait(self._settings.sweep_seconds):
            try:
                self.sweep()
            except TransientError as error:
                _log.warning("not swept", reason=error.detail)
            except Exception:  # noqa: BLE001  the net must not tear for good
                _log.exception("sweeping broke; trying again")
