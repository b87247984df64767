"""`Client` and `AsyncClient`: the service's JSON interface from Python. Imports httpx and the contract only.

What is said to the service is written once, as generators that yield requests and receive answers; the two
clients differ in how they send.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeAlias, TypedDict, TypeVar
from urllib.parse import quote

import httpx

from fiberless.contract import ErrorReport, Job, JobPhase, Prediction
from fiberless.errors import (
    PROBLEMS,
    ErrorKind,
    FatalError,
    FiberlessError,
    TransientError,
    UsageError,
)

__all__ = ["AsyncClient", "Client", "Image"]

T = TypeVar("T")
Image: TypeAlias = str | Path | bytes | Mapping[str, str | Path | bytes]
"""One FITS file (a path or its bytes), or one for each of the bands u, g, r, i, z."""
Progress: TypeAlias = Callable[[Job], None]

_POLL_SECONDS: Final = 20
_FIRST_WAIT_SECONDS: Final = 1
_TRIES: Final = 5
_LONGEST_PAUSE_SECONDS: Final = 30.0
_BUSY: Final = (429, 503)
_ERROR_OF_KIND: Final[dict[ErrorKind, type[FiberlessError]]] = {
    ErrorKind.USAGE: UsageError,
    ErrorKind.TRANSIENT: TransientError,
    ErrorKind.FATAL: FatalError,
}


class _Form(TypedDict):
    data: dict[str, str]
    files: dict[str, tuple[str, bytes, str]]


@dataclass(frozen=True)
class _Pause:
    """A step of a conversation: say nothing for a while."""

    seconds: float


_Conversation: TypeAlias = Generator[httpx.Request | _Pause, httpx.Response | httpx.TransportError | None, T]


class Client:
    """A Fiberless service. Use it as a context manager, or close it.

    Parameters
    ----------
    base_url : str
        Where the service listens.
    timeout_seconds : float
        Longest time in which a prediction must be there.
    transport : httpx.BaseTransport or None
        Replaces the network, for tests.

    Examples
    --------
    >>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
    ...     prediction = client.predict("galaxy.fits", n_candidates=50)
    ...     print(prediction.properties.redshift)

    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        timeout_seconds: float = 600.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._http = httpx.Client(base_url=base_url, timeout=_http_timeout(), transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(self, image: Image, *, progress: Progress | None = None, **options: Any) -> Prediction:
        """Predict the spectrum of the galaxy in an image, and wait for it.

        Parameters
        ----------
        image : path or bytes of a FITS file, or one for each band
        progress : called with the job each time that the service tells of it
        **options : fields of `PredictionOptions`

        Raises
        ------
        UsageError
            With the slug of the service, if the image or an option is wrong.
        TransientError
            `source-unavailable` if the service is not reached or not ready in time.
        FatalError
            If the service fails.

        """
        deadline = time.monotonic() + self._timeout_seconds
        return self._run(_predict(self._http, _form(image, options), deadline=deadline, progress=progress))

    def prediction(self, prediction_id: str) -> Prediction:
        """Stored prediction by its id; UsageError `not-found` if there is none."""
        return Prediction.model_validate_json(self._get(_of_prediction(prediction_id)))

    def get(self, object_id: str) -> Prediction:
        """Newest prediction of an object; UsageError `not-found` if there is none."""
        document = json.loads(self._get(_of_object(object_id)))
        return Prediction.model_validate(document["prediction"])

    def spectrum_fits(self, prediction_id: str, *, candidate: int | None = None) -> bytes:
        """FITS file of a prediction: of the shown spectrum, or of one candidate."""
        query = "" if candidate is None else f"&candidate={candidate}"
        return self._get(_of_prediction(prediction_id) + f"/spectrum?format=fits{query}")

    def cutout_fits(self, prediction_id: str) -> bytes:
        """FITS file of the image that a prediction was made from."""
        return self._get(_of_prediction(prediction_id) + "/cutout?format=fits")

    def models(self) -> dict[str, Any]:
        """The service's models: `default`, and a list `models` with manifests and cards."""
        document: dict[str, Any] = json.loads(self._get("models"))
        return document

    def _get(self, path: str) -> bytes:
        return self._run(_read(self._http, path))

    def _run(self, conversation: _Conversation[T]) -> T:
        step = next(conversation)
        while True:
            try:
                step = conversation.send(self._do(step))
            except StopIteration as end:
                result: T = end.value
                return result

    def _do(self, step: httpx.Request | _Pause) -> httpx.Response | httpx.TransportError | None:
        if isinstance(step, _Pause):
            time.sleep(step.seconds)
            return None
        try:
            return self._http.send(step)
        except httpx.TransportError as error:
            return error


class AsyncClient:
    """The same for asyncio: see `Client`."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        *,
        timeout_seconds: float = 600.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._http = httpx.AsyncClient(base_url=base_url, timeout=_http_timeout(), transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def predict(self, image: Image, *, progress: Progress | None = None, **options: Any) -> Prediction:
        """Predict the spectrum of the galaxy in an image, and wait for it; as `Client.predict`."""
        deadline = time.monotonic() + self._timeout_seconds
        form = _form(image, options)
        return await self._run(_predict(self._http, form, deadline=deadline, progress=progress))

    async def get(self, object_id: str) -> Prediction:
        """Newest prediction of an object; as `Client.get`."""
        document = json.loads(await self._run(_read(self._http, _of_object(object_id))))
        return Prediction.model_validate(document["prediction"])

    async def spectrum_fits(self, prediction_id: str) -> bytes:
        """FITS file of a prediction; as `Client.spectrum_fits`."""
        return await self._run(_read(self._http, _of_prediction(prediction_id) + "/spectrum?format=fits"))

    async def _run(self, conversation: _Conversation[T]) -> T:
        step = next(conversation)
        while True:
            try:
                step = conversation.send(await self._do(step))
            except StopIteration as end:
                result: T = end.value
                return result

    async def _do(self, step: httpx.Request | _Pause) -> httpx.Response | httpx.TransportError | None:
        if isinstance(step, _Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return await self._http.send(step)
        except httpx.TransportError as error:
            return error


def _http_timeout() -> httpx.Timeout:
    return httpx.Timeout(10.0, read=_POLL_SECONDS + 30.0, write=60.0)


def _predict(
    http: httpx.Client | httpx.AsyncClient, form: _Form, *, deadline: float, progress: Progress | None
) -> _Conversation[Prediction]:
    """Post the image, then ask for the job until it is final."""
    # One key for all tries of one call: a repeated post after a lost answer makes no second job.
    headers = {"Idempotency-Key": uuid.uuid4().hex, "Prefer": f"wait={_FIRST_WAIT_SECONDS}"}
    post = http.build_request("POST", "/api/v1/predictions", headers=headers, **form)
    answer = yield from _ask(post)
    while _is_job(answer):
        job = Job.model_validate_json(answer.content)
        if progress is not None:
            progress(job)
        answer = yield from _ask(http.build_request("GET", _next_address(job, deadline)))
    return Prediction.model_validate_json(answer.content)


def _next_address(job: Job, deadline: float) -> str:
    """Where the job's story goes on: at its prediction, or at itself."""
    match job.phase:
        case JobPhase.COMPLETED if job.links.prediction is not None:
            return job.links.prediction
        case JobPhase.ERROR if job.error is not None:
            raise _error_of(job.error)
        case JobPhase.ABORTED | JobPhase.COMPLETED | JobPhase.ERROR:
            raise FatalError("internal-error", f"job {job.id} ended as {job.phase} without a prediction")
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TransientError(
            "source-unavailable", f"job {job.id} is still {job.phase}; it goes on without us"
        )
    return f"{job.links.self}?wait={min(_POLL_SECONDS, max(1, int(remaining)))}"


def _of_prediction(prediction_id: str) -> str:
    return f"predictions/{quote(prediction_id, safe='')}"


def _of_object(object_id: str) -> str:
    return f"objects/{quote(object_id, safe=':')}"


def _read(http: httpx.Client | httpx.AsyncClient, path: str) -> _Conversation[bytes]:
    answer = yield from _ask(http.build_request("GET", f"/api/v1/{path}"))
    return answer.content


def _ask(request: httpx.Request) -> _Conversation[httpx.Response]:
    """One request, repeated while the service is away or busy; an error document is raised as an error."""
    for tries in range(1, _TRIES + 1):
        answer = yield request
        if isinstance(answer, httpx.Response) and answer.is_success:
            return answer
        if tries == _TRIES or (isinstance(answer, httpx.Response) and answer.status_code not in _BUSY):
            break
        yield _Pause(_pause_seconds(answer, tries))
    if isinstance(answer, httpx.Response):
        raise _problem_of(answer)
    raise TransientError("source-unavailable", f"{request.url.host} does not answer: {answer}") from answer


def _pause_seconds(answer: httpx.Response | httpx.TransportError | None, tries: int) -> float:
    wished = answer.headers.get("retry-after", "") if isinstance(answer, httpx.Response) else ""
    seconds = float(wished) if wished.isdecimal() else 0.25 * 2**tries
    return min(seconds, _LONGEST_PAUSE_SECONDS)


def _problem_of(answer: httpx.Response) -> FiberlessError:
    """The error that a problem document names; an unknown one is a failure of the service."""
    try:
        document = answer.json()
        slug, detail = str(document["type"]).rpartition("/")[2], str(document["detail"])
    except (ValueError, KeyError, TypeError):
        slug, detail = "", f"HTTP status {answer.status_code} from {answer.url.host}"
    kind: type[FiberlessError] = UsageError if answer.is_client_error else FatalError
    if answer.status_code in _BUSY:
        kind = TransientError
    return kind(slug if slug in PROBLEMS else "internal-error", detail)


def _error_of(report: ErrorReport) -> FiberlessError:
    return _ERROR_OF_KIND[report.kind](report.slug, report.detail)


def _is_job(answer: httpx.Response) -> bool:
    return answer.status_code == 202 or "/api/v1/jobs/" in answer.request.url.path


def _form(image: Image, options: Mapping[str, Any]) -> _Form:
    return {"data": {"options": json.dumps(options)}, "files": _files(image)}


def _files(image: Image) -> dict[str, tuple[str, bytes, str]]:
    if isinstance(image, Mapping):
        return {f"image_{band}": _file(f"{band}.fits", source) for band, source in image.items()}
    return {"image": _file("image.fits", image)}


def _file(name: str, source: str | Path | bytes) -> tuple[str, bytes, str]:
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    return name, data, "application/fits"
