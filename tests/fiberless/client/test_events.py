"""Changes of a job as they happen."""

import asyncio
import json

import httpx
import pytest

from fiberless.client import AsyncClient
from fiberless.errors import NotFound, ServiceUnreachable
from tests.played_service import DONE, JOB, Played, client_of, problem


def event(number: int, job: dict[str, object], name: str = "progress") -> str:
    return f"event: {name}\ndata: {json.dumps(job)}\nid: {number}\n\n"


def test_events_are_told_once_each_over_broken_connections(no_pause):
    running = JOB | {"phase": "EXECUTING"}
    played = Played(
        httpx.Response(200, text="retry: 1000\n\n: comment\n\n" + event(0, JOB) + "data: {half"),
        httpx.ReadError("cut"),
        httpx.Response(503),
        httpx.Response(200, text=event(1, running) + event(2, DONE, "end") + event(3, JOB)),
    )
    with client_of(played) as client:
        phases = [str(job.phase) for job in client.events("j_1")]
    assert phases == ["QUEUED", "EXECUTING", "COMPLETED"]
    assert [request.headers.get("Last-Event-ID") for request in played.requests] == [None, "0", "0", "0"]
    assert no_pause == [0.5, 1.0, 2.0]


def test_async_events_end_where_there_is_nothing_left():
    async def follow():
        played = Played(httpx.Response(204))
        async with AsyncClient("http://test", transport=httpx.MockTransport(played)) as client:
            return [job async for job in client.events("j_1")]

    assert asyncio.run(follow()) == []


def test_events_of_another_owners_job_are_not_found():
    with client_of(Played(problem("not-found", 404))) as client, pytest.raises(NotFound):
        next(client.events("j_1"))


def test_a_follower_gives_up_a_service_that_stays_away(no_pause):
    with client_of(Played(*[httpx.ConnectError("no")] * 5)) as client, pytest.raises(ServiceUnreachable):
        next(client.events("j_1"))
    assert len(no_pause) == 4
