"""ASGI middleware that stands before every route: body limits, security headers, and a last resort."""

import logging
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.problems import problem_response
from fiberless.errors import FatalError, UsageError

__all__ = ["SECURITY_HEADERS", "BodyGate", "HeadAsGet", "LastResort", "SecurityHeaders"]

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_log = logging.getLogger(__name__)


class SecurityHeaders:
    """Adds the security headers to every answer, errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and mark the answer."""

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_marked)


class LastResort:
    """Answers 500 as a problem document when a route fails in a way that nobody foresaw."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; log and report what escapes, without a word of its inside."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def send_watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        except Exception:
            _log.exception("unexpected error in %s %s", scope["method"], scope["path"])
            if started:
                raise
            error = FatalError("internal-error", "an unexpected error; it has been logged")
            await problem_response(error, path=scope["path"])(scope, receive, send)


class BodyGate:
    """Refuses encoded bodies, and bodies over the limit: by what they declare, and by what arrives.

    Parameters
    ----------
    max_bytes : int
    max_bytes_of : mapping
        Other limits, of single paths.

    """

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, max_bytes_of: Mapping[str, int] | None = None
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_bytes_of = dict(max_bytes_of or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse by the headers, else count the body while it streams."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._max_bytes_of.get(scope["path"], self._max_bytes)
        refusal = _refusal(Headers(scope=scope), limit)
        if refusal is not None:
            await problem_response(refusal, path=scope["path"])(scope, receive, send)
            return
        await self._app(scope, _counted(receive, limit), send)


class HeadAsGet:
    """Lets every GET resource answer HEAD (RFC 9110 §9.1); the server leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass HEAD on as GET."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET", "fiberless.is_head": True}
        await self._app(scope, receive, send)


def _refusal(headers: Headers, max_bytes: int) -> UsageError | None:
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        return UsageError("content-encoding", "send the body as it is, without Content-Encoding")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > max_bytes:
        return _too_large(max_bytes)
    return None


def _counted(receive: Receive, max_bytes: int) -> Receive:
    received = 0

    async def receive_counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise _too_large(max_bytes)
        return message

    return receive_counted


def _too_large(max_bytes: int) -> UsageError:
    return UsageError("body-too-large", f"a request body may have at most {max_bytes} bytes")
