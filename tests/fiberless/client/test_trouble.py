"""Lost answers, busy services, refusals and failures."""

import httpx
import pytest

from fiberless.errors import (
    ErrorKind,
    FatalError,
    FiberlessError,
    JobCancelled,
    JobFailed,
    JobTimeout,
    NotFound,
    ServiceUnreachable,
    TransientError,
    UsageError,
)
from tests.played_service import JOB, Played, client_of, problem


def test_a_lost_answer_is_asked_for_again_under_the_same_key(document, no_pause):
    played = Played(
        httpx.ReadError("lost"),
        problem("storage-unavailable", 503, **{"Retry-After": "2"}),
        httpx.Response(200, content=document),
    )
    with client_of(played) as client:
        client.predict(b"SIMPLE")
    assert len({request.headers["Idempotency-Key"] for request in played.requests}) == 1
    assert no_pause == [0.5, 2.0]


@pytest.mark.parametrize(
    ("answer", "kind", "slug"),
    [
        (problem("wrong-band-count", 422), UsageError, "wrong-band-count"),
        (problem("internal-error", 500), FatalError, "internal-error"),
        (problem("of-a-later-version", 422), UsageError, "internal-error"),
        (httpx.Response(502, text="bad gateway"), FatalError, "internal-error"),
    ],
)
def test_a_problem_is_raised_as_the_error_it_is(answer, kind, slug):
    with client_of(Played(answer)) as client, pytest.raises(kind) as raised:
        client.predict(b"SIMPLE")
    assert raised.value.slug == slug


@pytest.mark.parametrize(
    ("slug", "kind", "cause"),
    [
        ("outside-footprint", "usage", UsageError),
        ("not-found", "usage", NotFound),
        ("source-unavailable", "transient", TransientError),
        ("worker-crashed", "fatal", FatalError),
    ],
)
def test_a_failed_job_says_what_it_failed_with(slug, kind, cause):
    error = {"slug": slug, "kind": kind, "detail": "no image"}
    played = Played(
        httpx.Response(202, json=JOB), httpx.Response(200, json=JOB | {"phase": "ERROR", "error": error})
    )
    with client_of(played) as client, pytest.raises(JobFailed) as raised:
        client.predict(b"SIMPLE")
    failed = raised.value
    assert str(failed) == f"job-failed: job j_1: {slug}: no image"
    assert (failed.slug, failed.job_id, failed.kind) == ("job-failed", "j_1", ErrorKind(kind))
    assert type(failed.cause) is cause
    assert failed.__cause__ is failed.cause
    assert failed.cause.slug == slug


def test_a_cancelled_job_is_said_to_be_cancelled():
    played = Played(httpx.Response(202, json=JOB), httpx.Response(200, json=JOB | {"phase": "ABORTED"}))
    with client_of(played) as client, pytest.raises(JobCancelled) as raised:
        client.predict(b"SIMPLE")
    assert str(raised.value) == "job-cancelled: job j_1 was cancelled"


def test_what_is_not_there_can_be_caught_as_such_and_as_a_wrong_value():
    for caught in (NotFound, UsageError, ValueError, FiberlessError):
        with client_of(Played(problem("not-found", 404))) as client, pytest.raises(caught) as raised:
            client.get("sdss:1")
        assert str(raised.value) == "not-found: d"


def test_a_service_that_is_away_is_given_up_after_some_tries(no_pause):
    played = Played(*[httpx.ConnectError("refused")] * 5)
    with client_of(played) as client, pytest.raises(ServiceUnreachable) as raised:
        client.get("sdss:1")
    assert str(raised.value) == "service-unreachable: test does not answer: refused"
    assert len(no_pause) == 4


def test_a_service_that_stays_busy_is_none_that_is_away(no_pause):
    played = Played(*[problem("not-ready", 503)] * 5)
    with client_of(played) as client, pytest.raises(TransientError, match="not-ready") as raised:
        client.get("sdss:1")
    assert type(raised.value) is TransientError
    assert len(no_pause) == 4


def test_patience_ends_and_says_that_the_job_goes_on():
    client = client_of(Played(httpx.Response(202, json=JOB)), timeout_seconds=0)
    with client, pytest.raises(JobTimeout) as raised:
        client.predict(b"SIMPLE")
    assert str(raised.value) == "job-timeout: job j_1 is still QUEUED; it goes on without us"


def test_a_limited_client_waits_as_long_as_it_is_told(document, no_pause):
    limited = [problem("rate-limited", 429, **{"Retry-After": "7"}) for _ in range(9)]
    with client_of(Played(*limited, httpx.Response(200, content=document))) as client:
        client.predict(b"SIMPLE")
    assert no_pause == [7.0] * 9


@pytest.mark.parametrize(("status", "slug"), [(401, "unauthorized"), (403, "forbidden")])
def test_a_refused_key_is_the_callers_fault_and_not_tried_again(status, slug, no_pause):
    with client_of(Played(problem(slug, status))) as client, pytest.raises(UsageError, match=slug):
        client.predict(b"SIMPLE")
    assert no_pause == []
