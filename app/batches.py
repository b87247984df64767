"""From a batch as it came in to its rows in the store, and from there to when they have ended."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final

from app.batch_input.reading import BatchInput, ImageFile
from app.batch_input.rows import as_object_id, failed_row, row_name
from app.service import Service
from fiberless.contract import Batch, PredictionRequest, prediction_id
from fiberless.contract.cost import check_cost
from fiberless.contract.manifest import Manifest
from fiberless.errors import TransientError, UsageError
from fiberless.images.fits.read import read_cutout
from fiberless.service.storage import BatchHead, BatchRow, BegunBatch

__all__ = ["accept_batch", "wait_for_batch"]

_ROWS_AT_ONCE: Final = 1000
_FIRST_ROWS: Final = 100
"""Rows let into an empty queue at once, so that a small batch need not wait for the sweeper."""
_PATIENCE_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.2
_LONGEST_PAUSE_SECONDS: Final = 2.0


def accept_batch(service: Service, given: BatchInput, *, owner: str, idempotency_key: str | None) -> Batch:
    """Write a batch down, whole or not at all, and let its first rows run. Blocks.

    Raises
    ------
    UsageError
        `unknown-model`, `too-expensive`, `idempotency-conflict`, `body-too-large`, and what is wrong with the
        whole table.
    TransientError
        `queue-full`, `storage-unavailable`.

    """
    options, rows = given.read()
    with closing(rows):
        if options.object_id is not None:
            raise UsageError("invalid-parameter", "object_id: each row of a batch has its own")
        manifest = service.manifest(options.model)
        options = options.model_copy(update={"model": manifest.version})
        check_cost(options, manifest, most=service.settings.max_cost)
        head = BatchHead(owner, options, given.queue, idempotency_key, given.sha256)
        _check_room(service, owner)
        begun = _begin(service, head)
        if not begun.is_new:
            return service.store.batches.get(begun.id, owner=owner)
        batch = _write_down(service, manifest, head, begun.id, rows)
    _let_in_first(service, given.queue)
    return batch


def _check_room(service: Service, owner: str) -> None:
    most = service.settings.max_waiting_rows_per_owner
    waiting = service.store.batches.waiting_rows(owner)
    if waiting >= most:
        raise TransientError(
            "queue-full", f"{waiting} rows of your batches wait, {most} may; ask again later"
        )


def _write_down(
    service: Service, manifest: Manifest, head: BatchHead, batch_id: str, rows: Iterable[BatchRow | ImageFile]
) -> Batch:
    """The batch with all its rows; on any error it is given up."""
    try:
        n_rows = _Intake(service, manifest, head, batch_id).add_all(rows)
        return service.store.batches.open(batch_id, n_rows=n_rows)
    except BaseException:
        with suppress(TransientError):  # then the sweeper finds it
            service.store.batches.abandon(batch_id)
        raise


async def wait_for_batch(service: Service, batch_id: str, *, owner: str, seconds: float) -> Batch:
    """The batch as soon as all rows have ended, or as it is when the time is over or the service closes."""
    deadline = time.monotonic() + seconds
    pause = _PAUSE_SECONDS
    while True:
        batch = await service.call(lambda: service.store.batches.get(batch_id, owner=owner))
        remaining = deadline - time.monotonic()
        if batch.phase.is_final or remaining <= 0 or service.closing.is_set():
            return batch
        await asyncio.sleep(min(pause, remaining))
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


def _begin(service: Service, head: BatchHead) -> BegunBatch:
    """Begin, once no other request with the same key is being read."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (begun := service.store.batches.begin(head)) is None:
        if time.monotonic() > deadline:
            raise TransientError("storage-unavailable", "a request with this key is still being read")
        time.sleep(_PAUSE_SECONDS)
    return begun


def _let_in_first(service: Service, queue: str) -> None:
    """Let some rows run now; whatever fails here, the sweeper does later."""
    with suppress(TransientError):
        for job_id in service.store.batch_feeder.feed(
            queue, room=min(_FIRST_ROWS, service.settings.batch_queue_rows)
        ):
            service.job_queue.publish(job_id, queue, is_batch=True)


@dataclass(frozen=True, eq=False)
class _Intake:
    """Writes the rows of one batch down, some at a time."""

    service: Service
    manifest: Manifest
    head: BatchHead
    batch_id: str

    def add_all(self, rows: Iterable[BatchRow | ImageFile]) -> int:
        """Number of rows added."""
        ready = (self._of_image(row) if isinstance(row, ImageFile) else row for row in rows)
        n_rows = 0
        for chunk in _chunks(ready):
            if n_rows + len(chunk) > self.service.settings.max_batch_rows:
                most = self.service.settings.max_batch_rows
                raise UsageError("body-too-large", f"a batch may have at most {most} rows")
            self.service.store.batches.add_rows(self.batch_id, self.head, chunk, first_row=n_rows)
            n_rows += len(chunk)
        if n_rows == 0:
            raise UsageError("bad-table", "the batch has no rows")
        return n_rows

    def _of_image(self, image: ImageFile) -> BatchRow:
        """Row of a FITS file: with its image, with the prediction of it that is there, or with an error."""
        name = row_name(image.name)
        try:
            cutout = read_cutout(self._bytes_of(image))
        except UsageError as error:
            return failed_row(name, error)
        object_id = as_object_id(name)
        options = self.head.options.model_copy(update={"object_id": object_id})
        wanted = prediction_id(PredictionRequest(cutout, options, self.head.owner), self.manifest)
        if self.service.store.predictions.exists(wanted):
            return BatchRow(name=name, object_id=object_id, prediction_id=wanted)
        return BatchRow(
            name=name, object_id=object_id, cutout_key=self.service.store.batches.keep_cutout(cutout)
        )

    def _bytes_of(self, image: ImageFile) -> bytes:
        limit = self.service.settings.max_upload_bytes
        data = image.stream.read(limit + 1)
        if len(data) > limit:
            raise UsageError("body-too-large", f"a file may have at most {limit} bytes")
        return data


def _chunks(rows: Iterator[BatchRow]) -> Iterator[list[BatchRow]]:
    while chunk := list(islice(rows, _ROWS_AT_ONCE)):
        yield chunk
