"""A transport that plays the service: it answers with what a test has written down."""

from collections.abc import Callable

import httpx

from fiberless.client import Client

__all__ = ["DONE", "JOB", "Played", "client_of", "problem"]

JOB = {
    "id": "j_1",
    "phase": "QUEUED",
    "progress": {"stage": "queued", "done": 0, "total": 1},
    "created": "2026-01-01T00:00:00Z",
    "links": {"self": "/api/v1/jobs/j_1", "events": "/api/v1/jobs/j_1/events"},
}
DONE = JOB | {
    "phase": "COMPLETED",
    "prediction_id": "p_1",
    "links": JOB["links"] | {"prediction": "/api/v1/predictions/p_1"},
}


class Played:
    """Answers requests with the lines of a script, in order, and remembers them."""

    def __init__(self, *lines: httpx.Response | Exception) -> None:
        self._lines = list(lines)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        line = self._lines.pop(0)
        if isinstance(line, Exception):
            raise line
        return line

    @property
    def paths(self) -> list[str]:
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.requests]


def client_of(played: Callable[[httpx.Request], httpx.Response], **options) -> Client:
    return Client("http://test", transport=httpx.MockTransport(played), **options)


def problem(slug: str, status: int, **headers: str) -> httpx.Response:
    content = {"type": f"/problems/{slug}", "title": "t", "status": status, "detail": "d", "instance": "/"}
    return httpx.Response(status, json=content, headers=headers)
