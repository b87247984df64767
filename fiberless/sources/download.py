"""`SurveyClient`: bounded, patient downloads from the hosts that data may come from, and from no other."""

import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import BinaryIO, Final, NamedTuple

import httpx

from fiberless import __version__
from fiberless.errors import FatalError, TransientError, UsageError
from fiberless.sources.pace import Pace

__all__ = ["Patience", "SurveyClient", "origin_of"]

_USER_AGENT: Final = f"fiberless/{__version__} (cutouts; Retry-After is honoured)"
_MISSING: Final = frozenset({404, 410})
_RETRIED: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK_BYTES: Final = 2**16


@dataclass(frozen=True)
class Patience:
    """How long to wait for a file.

    Parameters
    ----------
    attempts : tries of one file
    first_pause_seconds, longest_pause_seconds : pauses between tries double from one to the other
    longest_asked_seconds : longest pause that a server may ask for with Retry-After
    connect_seconds, read_seconds : of one connection, of one read
    file_seconds : of one try as a whole, so that a server that drips cannot hold a worker

    """

    attempts: int = 4
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 20.0
    longest_asked_seconds: float = 20.0
    connect_seconds: float = 5.0
    read_seconds: float = 20.0
    file_seconds: float = 180.0


class _Wish(NamedTuple):
    """What is asked for; see `SurveyClient.save`."""

    url: str
    max_bytes: int
    query: Mapping[str, str]
    seconds: float
    fault: Callable[[BinaryIO], str]


class _TryAgainError(Exception):
    """A try that failed in a way that may pass; says why, and how long the server asks to wait."""

    def __init__(self, reason: str, *, pause_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.pause_seconds = pause_seconds


class SurveyClient:
    """A client for many threads; redirects are refused, since they could lead off the allowed hosts.

    Parameters
    ----------
    allowed : scheme, host and port (if not the scheme's own) of the servers that may be asked
    patience : how long to wait
    pace : of all threads together; a pause of one is then a pause of all. None: each goes its own way
    connections : most at once
    user_agent : who is asking
    sleep, clock, jitter : time's and chance's own, or a test's; jitter in (0, 1)

    Raises
    ------
    UsageError
        `invalid-parameter` if `allowed` holds something else.

    """

    def __init__(
        self,
        allowed: Collection[str],
        patience: Patience = Patience(),
        *,
        pace: Pace | None = None,
        connections: int = 8,
        user_agent: str = _USER_AGENT,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._allowed = frozenset(_allowed_origin(url) for url in allowed)
        self._patience = patience
        self._pace = pace
        self._sleep = sleep
        self._clock = clock
        self._jitter = jitter
        self._client = httpx.Client(
            limits=httpx.Limits(max_connections=connections),
            timeout=httpx.Timeout(patience.read_seconds, connect=patience.connect_seconds, pool=None),
            follow_redirects=False,
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def read(self, url: str, *, max_bytes: int, query: Mapping[str, str] | None = None) -> bytes | None:
        """Body of an answer, None if there is no such thing; see `save`."""
        body = BytesIO()
        found = self.save(url, body, max_bytes=max_bytes, query=query)
        return body.getvalue() if found else None

    def save(
        self,
        url: str,
        to: BinaryIO,
        *,
        max_bytes: int,
        query: Mapping[str, str] | None = None,
        seconds: float | None = None,
        fault: Callable[[BinaryIO], str] = lambda _body: "",
    ) -> bool:
        """Write the body of an answer as it is sent; false if the server has no such thing.

        Parameters
        ----------
        url : on an allowed host
        to : where to write, from its beginning; holds half a body after a failure
        max_bytes : largest body
        seconds : of one try, instead of `Patience.file_seconds`
        fault : says what is wrong with a body that came; it is then asked for again

        Raises
        ------
        TransientError
            `source-unavailable` if it did not come whole in `Patience.attempts` tries, or the server asks
            for a longer pause than `Patience.longest_asked_seconds`.
        FatalError
            `source-unavailable` if the host is not allowed, the server refuses or redirects, or the body is
            larger than `max_bytes`.

        """
        self._check_host(url)
        wish = _Wish(url, max_bytes, query or {}, seconds or self._patience.file_seconds, fault)
        reason = "it was never asked"
        for attempt in range(self._patience.attempts):
            if self._pace is not None:
                self._pace.wait()
            try:
                return self._try(wish, to)
            except (_TryAgainError, httpx.TransportError) as error:
                reason = str(error) or type(error).__name__
                asked = error.pause_seconds if isinstance(error, _TryAgainError) else 0.0
            if asked > self._patience.longest_asked_seconds:
                raise TransientError("source-unavailable", f"{_shown(url)} is busy for {asked:.0f} s")
            self._rest(attempt, max(self._pause(attempt), asked))
        tries = self._patience.attempts
        raise TransientError("source-unavailable", f"{_shown(url)} did not come in {tries} tries ({reason})")

    def _try(self, wish: _Wish, to: BinaryIO) -> bool:
        to.seek(0)
        to.truncate()
        deadline = self._clock() + wish.seconds
        with self._client.stream("GET", wish.url, params=wish.query or None) as answer:
            if answer.status_code in _MISSING:
                return False
            _refuse_bad_status(answer, wish.url)
            for chunk in answer.iter_raw(_CHUNK_BYTES):
                to.write(chunk)
                if to.tell() > wish.max_bytes:
                    raise FatalError(
                        "source-unavailable", f"{_shown(wish.url)} is larger than {wish.max_bytes} bytes"
                    )
                if self._clock() > deadline:
                    raise _TryAgainError(f"not whole after {wish.seconds:g} s")
        if wrong := wish.fault(to):
            raise _TryAgainError(wrong)
        return True

    def _check_host(self, url: str) -> None:
        origin = _origin(httpx.URL(url))
        if origin not in self._allowed:
            raise FatalError("source-unavailable", f"{origin} is not among FIBERLESS_SURVEY_HOSTS")

    def _rest(self, attempt: int, seconds: float) -> None:
        """Pause after a failed try; alone, not after the last."""
        if self._pace is not None:
            self._pace.hold(seconds)
        elif attempt + 1 < self._patience.attempts:
            self._sleep(seconds)

    def _pause(self, attempt: int) -> float:
        """Seconds before the next try: exponential with jitter, so that many clients do not come together."""
        grown = min(self._patience.longest_pause_seconds, self._patience.first_pause_seconds * 2.0**attempt)
        return grown * (0.5 + 0.5 * self._jitter())


def origin_of(address: str) -> str:
    """Scheme, host and port of an address, as `SurveyClient` takes them; UsageError if it is none."""
    try:
        return _allowed_origin(_origin(httpx.URL(address)))
    except (httpx.InvalidURL, UsageError) as error:
        raise UsageError("invalid-parameter", f"{address!r} is no http or https address") from error


def _origin(url: httpx.URL) -> str:
    """Scheme, host and port of a URL; httpx drops the port that is the scheme's own."""
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{url.host}{port}"


def _allowed_origin(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host or url.path not in {"", "/"}:
        raise UsageError(
            "invalid-parameter", f"FIBERLESS_SURVEY_HOSTS takes https://host[:port], not {text!r}"
        )
    return _origin(url)


def _shown(url: str) -> str:
    """Host and path of a URL: no user, no query."""
    parsed = httpx.URL(url)
    return f"{parsed.host}{parsed.path}"


def _refuse_bad_status(answer: httpx.Response, url: str) -> None:
    status = answer.status_code
    if status in _RETRIED:
        raise _TryAgainError(
            f"status {status}", pause_seconds=_asked_pause_seconds(answer.headers.get("Retry-After"))
        )
    if answer.is_redirect:
        raise FatalError("source-unavailable", f"{_shown(url)} answers a redirect, which is not followed")
    if status != httpx.codes.OK:
        raise FatalError("source-unavailable", f"{_shown(url)} answers status {status}")


def _asked_pause_seconds(retry_after: str | None) -> float:
    """Seconds of a Retry-After header, a number or a date; 0 if it says nothing."""
    if not retry_after:
        return 0.0
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return max(seconds, 0.0)
