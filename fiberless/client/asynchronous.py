"""`AsyncClient`: the service for asyncio."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import httpx

from fiberless.client import calls
from fiberless.client.answers import all_good, arcsec_of, cone_table, results_table
from fiberless.client.asking import SkyPosition, Subject, Targets
from fiberless.client.calls import Progress
from fiberless.client.connection import Connection
from fiberless.client.conversation import Conversation, Pause
from fiberless.client.events import EventReader
from fiberless.client.many import progress_of_many
from fiberless.contract import LinkedBatch, LinkedJob, Prediction
from fiberless.errors import FiberlessError

if TYPE_CHECKING:
    from astropy.table import Table
    from astropy.units import Quantity

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient(Connection[httpx.AsyncClient, httpx.AsyncBaseTransport]):
    """The calls of `Client`, to be awaited; parameters, answers and errors are the same.

    Examples
    --------
    >>> import asyncio
    >>> import fiberless
    >>> async def predict():
    ...     async with fiberless.AsyncClient("http://127.0.0.1:8000") as client:
    ...         return await client.predict("examples/galaxy.fits", n_candidates=4)
    >>> len(asyncio.run(predict()).candidates)
    4

    """

    _http_type = httpx.AsyncClient

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def predict(
        self,
        subject: Subject | None = None,
        *,
        ra: Any = None,
        dec: Any = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> Prediction:
        """Predict the spectrum of one galaxy, and wait for it; as `Client.predict`."""
        deadline = time.monotonic() + self._timeout_seconds
        return await self._run(
            calls.predict(
                self._http, subject, ra=ra, dec=dec, options=options, deadline=deadline, progress=progress
            )
        )

    async def predict_many(
        self,
        subjects: Iterable[Subject],
        *,
        errors: Literal["raise", "return"] = "raise",
        concurrency: int = 8,
        progress_bar: bool | None = None,
        **options: Any,
    ) -> list[Prediction] | list[Prediction | FiberlessError]:
        """Predict many galaxies, some at a time; as `Client.predict_many`."""
        asked = list(subjects)
        gate = asyncio.Semaphore(concurrency)
        with progress_of_many(len(asked), shown=progress_bar) as advance:

            async def predict_one(subject: Any) -> Prediction | FiberlessError:
                async with gate:
                    try:
                        return await self.predict(subject, **options)
                    except FiberlessError as error:
                        return error
                    finally:
                        advance()

            outcomes = await asyncio.gather(*map(predict_one, asked))
        return outcomes if errors == "return" else all_good(outcomes)

    async def prediction(self, prediction_id: str) -> Prediction:
        """Stored prediction by its id."""
        return Prediction.model_validate_json(await self._read(calls.prediction_path(prediction_id)))

    async def get(self, object_id: str) -> Prediction:
        """Newest prediction of an object; as `Client.get`."""
        return await self._run(calls.named(self._http, object_id))

    async def cone(self, centre: SkyPosition, radius: "Quantity | float") -> "Table":
        """Objects with a prediction around a place; as `Client.cone`."""
        return cone_table(await self._run(calls.objects_in_cone(self._http, centre, arcsec_of(radius))))

    async def batch(self, targets: Targets, **options: Any) -> LinkedBatch:
        """Submit many targets at once; as `Client.batch`."""
        return await self._run(calls.submit_batch(self._http, targets, options=options))

    async def batch_status(self, batch_id: str, *, wait: bool = False) -> LinkedBatch:
        """Counts of a batch as they are, or with `wait` when all its rows have ended."""
        deadline = time.monotonic() + self._timeout_seconds if wait else None
        return await self._run(calls.read_batch(self._http, batch_id, deadline=deadline))

    async def batch_results(self, batch_id: str) -> "Table":
        """All properties of all rows of a batch; as `Client.batch_results`."""
        return results_table(await self._read(calls.batch_path(batch_id) + "/results", format="votable"))

    async def job(self, job_id: str) -> LinkedJob:
        """Job as it is."""
        return await self._run(calls.read_job(self._http, job_id))

    async def cancel(self, job_id: str) -> LinkedJob:
        """Cancel a job; one that has ended stays as it is."""
        return LinkedJob.model_validate_json(
            await self._run(calls.cancel(self._http, calls.job_path(job_id)))
        )

    async def cancel_batch(self, batch_id: str) -> LinkedBatch:
        """Cancel what has not ended of a batch."""
        return LinkedBatch.model_validate_json(
            await self._run(calls.cancel(self._http, calls.batch_path(batch_id)))
        )

    async def events(self, job_id: str) -> AsyncIterator[LinkedJob]:
        """Each change of a job, as it happens, until it has ended; as `Client.events`."""
        following = EventReader()
        path = f"{calls.job_path(job_id)}/events"
        while not following.is_over:
            broken = None
            try:
                async with self._http.stream("GET", path, headers=following.headers) as answer:
                    if not answer.is_success:
                        await answer.aread()
                    if not following.refused(answer):
                        async for line in answer.aiter_lines():
                            if (job := following.line(line)) is not None:
                                yield job
                            if following.is_over:
                                break
            except httpx.TransportError as error:
                broken = error
            if not following.is_over:
                await asyncio.sleep(following.broke_off(broken))

    async def spectrum_fits(self, prediction_id: str, *, candidate: int | None = None) -> bytes:
        """FITS file of a prediction; as `Client.spectrum_fits`."""
        path = calls.prediction_path(prediction_id) + "/spectrum"
        return await self._read(path, format="fits", candidate=candidate)

    async def cutout_fits(self, prediction_id: str) -> bytes:
        """FITS file of the image that a prediction was made from."""
        return await self._read(calls.prediction_path(prediction_id) + "/cutout", format="fits")

    async def preview_png(self, prediction_id: str) -> bytes:
        """Plot of the spectrum."""
        return await self._read(calls.prediction_path(prediction_id) + "/preview.png")

    async def models(self) -> dict[str, Any]:
        """The service's models: `default`, and a list `models` with manifests and cards."""
        document: dict[str, Any] = json.loads(await self._read(f"{calls.API}/models"))
        return document

    async def _read(self, path: str, **query: Any) -> bytes:
        return await self._run(calls.read(self._http, path, **query))

    async def _run(self, conversation: Conversation[T]) -> T:
        step = next(conversation)
        while True:
            try:
                step = conversation.send(await self._do(step))
            except StopIteration as end:
                result: T = end.value
                return result

    async def _do(self, step: httpx.Request | Pause) -> httpx.Response | httpx.TransportError | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return await self._http.send(step)
        except httpx.TransportError as error:
            return error
