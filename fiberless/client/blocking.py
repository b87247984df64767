"""`Client`: the service from a script or a notebook."""

import json
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

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

__all__ = ["Client"]

T = TypeVar("T")


class Client(Connection[httpx.Client, httpx.BaseTransport]):
    """A Fiberless service. Use it as a context manager, or close it. Threads may share it.

    Parameters
    ----------
    base_url : str or None
        Where the service listens; default: `FIBERLESS_URL`, else this machine's port 8000.
    api_key : str or None
        `flk_…`; default: `FIBERLESS_API_KEY`, else none.
    timeout_seconds : float
        Longest time in which a prediction must be there.
    transport : httpx.BaseTransport or None
        Replaces the network, for tests.

    Every call raises UsageError with the slug of the service if the caller is wrong (NotFound if there is no
    such thing), ServiceUnreachable if nothing answers, TransientError if the service stays busy, FatalError
    if it fails. Busy services and lost answers are asked again, with pauses as the service wishes.

    Examples
    --------
    >>> import fiberless
    >>> with fiberless.Client("http://127.0.0.1:8000") as client:
    ...     prediction = client.predict("examples/galaxy.fits", n_candidates=4)
    >>> prediction.kind, len(prediction.candidates)
    ('predicted-spectrum', 4)

    """

    _http_type = httpx.Client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(
        self,
        subject: Subject | None = None,
        *,
        ra: Any = None,
        dec: Any = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> Prediction:
        """Predict the spectrum of one galaxy, and wait for it.

        Parameters
        ----------
        subject : image or SkyCoord
            A FITS file (path or bytes), a `Cutout`, an array (5, H, W) in nanomaggies, an HDUList, a
            CCDData, a mapping from band to one of these; or a place on the sky.
        ra, dec : float, Quantity or str
            The place instead, ICRS: degrees, an angle, or text like 02:33:25.2. Without image and place,
            `object_id` says what a survey calls it.
        progress : called with the job each time that the service tells of it
        **options : fields of `PredictionOptions`

        Raises
        ------
        JobFailed
            If the job ended in an error, its `cause`.
        JobCancelled
            If somebody cancelled the job.
        JobTimeout
            If the prediction is not there after `timeout_seconds`; the job goes on.

        """
        deadline = time.monotonic() + self._timeout_seconds
        return self._run(
            calls.predict(
                self._http, subject, ra=ra, dec=dec, options=options, deadline=deadline, progress=progress
            )
        )

    @overload
    def predict_many(
        self,
        subjects: Iterable[Subject],
        *,
        errors: Literal["raise"] = "raise",
        concurrency: int = 8,
        progress_bar: bool | None = None,
        **options: Any,
    ) -> list[Prediction]: ...

    @overload
    def predict_many(
        self,
        subjects: Iterable[Subject],
        *,
        errors: Literal["return"],
        concurrency: int = 8,
        progress_bar: bool | None = None,
        **options: Any,
    ) -> list[Prediction | FiberlessError]: ...

    def predict_many(
        self,
        subjects: Iterable[Subject],
        *,
        errors: Literal["raise", "return"] = "raise",
        concurrency: int = 8,
        progress_bar: bool | None = None,
        **options: Any,
    ) -> list[Prediction] | list[Prediction | FiberlessError]:
        """Predict many galaxies, some at a time; the answers are in the order of the questions.

        Parameters
        ----------
        subjects : images, places, or pairs (ra, dec) in ICRS degrees
        errors : `return` puts what went wrong with one galaxy in its place; `raise` raises the first
        concurrency : most galaxies at once
        progress_bar : None shows one on a terminal
        **options : fields of `PredictionOptions`, for all

        """
        asked = list(subjects)
        with (
            progress_of_many(len(asked), shown=progress_bar) as advance,
            ThreadPoolExecutor(concurrency) as pool,
        ):

            def predict_one(subject: Subject) -> Prediction | FiberlessError:
                try:
                    return self.predict(subject, **options)
                except FiberlessError as error:
                    return error
                finally:
                    advance()

            outcomes = list(pool.map(predict_one, asked))
        return outcomes if errors == "return" else all_good(outcomes)

    def prediction(self, prediction_id: str) -> Prediction:
        """Stored prediction by its id."""
        return Prediction.model_validate_json(self._read(calls.prediction_path(prediction_id)))

    def get(self, object_id: str) -> Prediction:
        """Newest prediction of an object, under the name that came with its image or its target."""
        return self._run(calls.named(self._http, object_id))

    def cone(self, centre: SkyPosition, radius: "Quantity | float") -> "Table":
        """Objects with a prediction around a place, nearest first; `radius` is an angle, or in arcseconds.

        Columns `object_id`, `ra`, `dec`, `separation_arcsec`, `prediction_id`, `created`, `redshift`,
        `model_version`.
        """
        return cone_table(self._run(calls.objects_in_cone(self._http, centre, arcsec_of(radius))))

    def batch(self, targets: Targets, **options: Any) -> LinkedBatch:
        """Submit many targets at once, and do not wait; see `batch_status` and `batch_results`.

        Parameters
        ----------
        targets : a table with id, ra, dec (a file, a Table or QTable, a DataFrame, a dict of columns); an
            array of SkyCoord; or a list of rows, dicts `{"id", "ra", "dec"}`, pairs (ra, dec) in ICRS
            degrees, and names
        **options : fields of `PredictionOptions`, for all

        """
        return self._run(calls.submit_batch(self._http, targets, options=options))

    def batch_status(self, batch_id: str, *, wait: bool = False) -> LinkedBatch:
        """Counts of a batch as they are, or with `wait` when all its rows have ended; else JobTimeout."""
        deadline = time.monotonic() + self._timeout_seconds if wait else None
        return self._run(calls.read_batch(self._http, batch_id, deadline=deadline))

    def batch_results(self, batch_id: str) -> "Table":
        """All properties of all rows of a batch; rows without a prediction say why."""
        return results_table(self._read(calls.batch_path(batch_id) + "/results", format="votable"))

    def job(self, job_id: str) -> LinkedJob:
        """Job as it is."""
        return self._run(calls.read_job(self._http, job_id))

    def cancel(self, job_id: str) -> LinkedJob:
        """Cancel a job; one that has ended stays as it is."""
        return LinkedJob.model_validate_json(self._run(calls.cancel(self._http, calls.job_path(job_id))))

    def cancel_batch(self, batch_id: str) -> LinkedBatch:
        """Cancel what has not ended of a batch."""
        return LinkedBatch.model_validate_json(
            self._run(calls.cancel(self._http, calls.batch_path(batch_id)))
        )

    def events(self, job_id: str) -> Iterator[LinkedJob]:
        """Each change of a job since it was written down, as it happens, until it has ended.

        A connection that breaks is made anew; no change is missed or told twice.
        """
        following = EventReader()
        path = f"{calls.job_path(job_id)}/events"
        while not following.is_over:
            broken = None
            try:
                with self._http.stream("GET", path, headers=following.headers) as answer:
                    if not answer.is_success:
                        answer.read()
                    if not following.refused(answer):
                        yield from following.jobs(answer.iter_lines())
            except httpx.TransportError as error:
                broken = error
            if not following.is_over:
                time.sleep(following.broke_off(broken))

    def spectrum_fits(self, prediction_id: str, *, candidate: int | None = None) -> bytes:
        """FITS file of a prediction: of the shown spectrum, or of one candidate."""
        path = calls.prediction_path(prediction_id) + "/spectrum"
        return self._read(path, format="fits", candidate=candidate)

    def cutout_fits(self, prediction_id: str) -> bytes:
        """FITS file of the image that a prediction was made from."""
        return self._read(calls.prediction_path(prediction_id) + "/cutout", format="fits")

    def preview_png(self, prediction_id: str) -> bytes:
        """Plot of the spectrum."""
        return self._read(calls.prediction_path(prediction_id) + "/preview.png")

    def models(self) -> dict[str, Any]:
        """The service's models: `default`, and a list `models` with manifests and cards."""
        document: dict[str, Any] = json.loads(self._read(f"{calls.API}/models"))
        return document

    def _read(self, path: str, **query: Any) -> bytes:
        return self._run(calls.read(self._http, path, **query))

    def _run(self, conversation: Conversation[T]) -> T:
        step = next(conversation)
        while True:
            try:
                step = conversation.send(self._do(step))
            except StopIteration as end:
                result: T = end.value
                return result

    def _do(self, step: httpx.Request | Pause) -> httpx.Response | httpx.TransportError | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            return self._http.send(step)
        except httpx.TransportError as error:
            return error
