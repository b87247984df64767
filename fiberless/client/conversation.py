"""What is said to the service, written once: generators that yield requests and pauses, and receive answers.

The two clients differ in how they send and how they wait.
"""

import os
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

import httpx

from fiberless.contract import ErrorReport
from fiberless.errors import (
    PROBLEMS,
    ErrorKind,
    FatalError,
    FiberlessError,
    NotFound,
    ServiceUnreachable,
    TransientError,
    UsageError,
)

__all__ = ["POLL_SECONDS", "Conversation", "Http", "Pause", "ask", "error_of", "http_options", "problem_of"]

T = TypeVar("T")
Http: TypeAlias = httpx.Client | httpx.AsyncClient

POLL_SECONDS: Final = 20
"""How long the service is asked to wait for news."""
_TRIES: Final = 5
_TRIES_WHEN_LIMITED: Final = 60
"""A rate limit is no fault: the service says when to come again, and then it answers."""
_LONGEST_PAUSE_SECONDS: Final = 30.0
_DEFAULT_URL: Final = "http://127.0.0.1:8000"
_ERROR_OF_KIND: Final[dict[ErrorKind, type[FiberlessError]]] = {
    ErrorKind.USAGE: UsageError,
    ErrorKind.TRANSIENT: TransientError,
    ErrorKind.FATAL: FatalError,
}


@dataclass(frozen=True)
class Pause:
    """A step of a conversation: say nothing for a while."""

    seconds: float


Conversation: TypeAlias = Generator[httpx.Request | Pause, httpx.Response | httpx.TransportError | None, T]


def http_options(base_url: str | None, api_key: str | None) -> dict[str, Any]:
    """Options of an httpx client: where the service is, who calls, how long to wait.

    What is not given is read from `FIBERLESS_URL` and `FIBERLESS_API_KEY`. Redirects are not followed, so
    that a key goes nowhere else.
    """
    key = api_key or os.environ.get("FIBERLESS_API_KEY")
    return {
        "base_url": base_url or os.environ.get("FIBERLESS_URL") or _DEFAULT_URL,
        "headers": {"Authorization": f"Bearer {key}"} if key else {},
        "timeout": httpx.Timeout(10.0, read=POLL_SECONDS + 30.0, write=60.0),
    }


def ask(request: httpx.Request) -> Conversation[httpx.Response]:
    """Send one request, again while the service is away or busy; an error document is raised as an error.

    Raises
    ------
    UsageError
        With the slug of the service; NotFound where that is `not-found`.
    ServiceUnreachable
        If there is no answer after some tries.
    TransientError
        `rate-limited`, `queue-full` and others, if the service stays busy.
    FatalError
        If the service fails.

    """
    tries = 0
    while True:
        tries += 1
        answer = yield request
        if isinstance(answer, httpx.Response) and answer.is_success:
            return answer
        if tries >= _most_tries(answer):
            break
        yield Pause(_pause_seconds(answer, tries))
    if isinstance(answer, httpx.Response):
        raise problem_of(answer)
    raise ServiceUnreachable(f"{request.url.host} does not answer: {answer}") from answer


def problem_of(answer: httpx.Response) -> FiberlessError:
    """The error that a problem document names; an unknown one is a failure of the service."""
    try:
        document = answer.json()
        slug, detail = str(document["type"]).rpartition("/")[2], str(document["detail"])
    except (ValueError, KeyError, TypeError):
        slug, detail = "", f"HTTP status {answer.status_code} from {answer.url.host}"
    kind = ErrorKind.USAGE if answer.is_client_error else ErrorKind.FATAL
    if answer.status_code in {429, 503}:
        kind = ErrorKind.TRANSIENT
    return _error(kind, slug, detail)


def error_of(report: ErrorReport) -> FiberlessError:
    """The error that a job ended with."""
    return _error(report.kind, report.slug, report.detail)


def _error(kind: ErrorKind, slug: str, detail: str) -> FiberlessError:
    if slug == "not-found":
        return NotFound(detail)
    return _ERROR_OF_KIND[kind](slug if slug in PROBLEMS else "internal-error", detail)


def _most_tries(answer: httpx.Response | httpx.TransportError | None) -> int:
    if not isinstance(answer, httpx.Response):
        return _TRIES
    return {429: _TRIES_WHEN_LIMITED, 503: _TRIES}.get(answer.status_code, 1)


def _pause_seconds(answer: httpx.Response | httpx.TransportError | None, tries: int) -> float:
    wished = answer.headers.get("retry-after", "") if isinstance(answer, httpx.Response) else ""
    seconds = float(wished) if wished.isdecimal() else 0.25 * 2 ** min(tries, 10)
    return min(seconds, _LONGEST_PAUSE_SECONDS)
