"""The client over a transport that plays the service."""

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest

from fiberless.client import AsyncClient, Client
from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.errors import FatalError, TransientError, UsageError
from fiberless.inference.predictor import Predictor
from fiberless.manifest import Manifest
from fiberless.testing import synthetic_cutout, toy_family

JOB = {
    "id": "j_1",
    "phase": "QUEUED",
    "progress": {"stage": "queued", "done": 0, "total": 1},
    "created": "2026-01-01T00:00:00Z",
    "links": {"self": "/api/v1/jobs/j_1"},
}
DONE = JOB | {
    "phase": "COMPLETED",
    "prediction_id": "p_1",
    "links": {"self": "/api/v1/jobs/j_1", "prediction": "/api/v1/predictions/p_1"},
}


@pytest.fixture(scope="module")
def document() -> bytes:
    """A prediction as the service stores it."""
    manifest = Manifest.model_validate(
        {
            "name": "toy",
            "version": "toy-1",
            "family": "latent",
            "created": "2026-01-01T00:00:00Z",
            "rest_range_aa": [3400, 8348],
            "redshift_range": [0.03, 0.17],
            "r_magnitude_limit": 17.77,
            "sampler_steps": 4,
            "n_candidates": 25,
            "training": {},
            "training_data": "none",
            "files": {},
            "weights_sha256": "0",
        }
    )
    request = PredictionRequest(synthetic_cutout(1), PredictionOptions(n_candidates=2))
    (result,) = Predictor(toy_family(), manifest).predict([request])
    return result.prediction.model_dump_json(by_alias=True).encode()


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


def test_a_prediction_that_is_there_is_one_request(document):
    played = Played(httpx.Response(200, content=document))
    with client_of(played) as client:
        prediction = client.predict(b"SIMPLE", n_candidates=2, seed=7)
    assert prediction.model_dump_json(by_alias=True).encode() == document
    assert played.paths == ["POST /api/v1/predictions"]
    body = played.requests[0].content
    assert b'name="image"; filename="image.fits"\r\nContent-Type: application/fits\r\n\r\nSIMPLE\r\n' in body
    assert json.dumps({"n_candidates": 2, "seed": 7}).encode() in body


def test_a_job_is_asked_for_until_it_is_done_and_the_caller_hears_of_it(document):
    running = JOB | {"phase": "EXECUTING"}
    played = Played(
        httpx.Response(202, json=JOB),
        httpx.Response(200, json=running),
        httpx.Response(200, json=DONE),
        httpx.Response(200, content=document),
    )
    heard = []
    with client_of(played) as client:
        client.predict(b"SIMPLE", progress=lambda job: heard.append(str(job.phase)))
    assert heard == ["QUEUED", "EXECUTING", "COMPLETED"]
    assert played.paths[1:] == ["GET /api/v1/jobs/j_1?wait=20"] * 2 + ["GET /api/v1/predictions/p_1"]


def test_async_says_the_same(document):
    async def predict():
        played = Played(
            httpx.Response(202, json=JOB),
            httpx.Response(200, json=DONE),
            httpx.Response(200, content=document),
        )
        async with AsyncClient("http://test", transport=httpx.MockTransport(played)) as client:
            return await client.predict(b"SIMPLE"), played.paths

    prediction, paths = asyncio.run(predict())
    assert prediction.kind == "predicted-spectrum"
    assert paths == [
        "POST /api/v1/predictions",
        "GET /api/v1/jobs/j_1?wait=20",
        "GET /api/v1/predictions/p_1",
    ]


def test_five_files_are_sent_as_bands(tmp_path, document):
    played = Played(httpx.Response(200, content=document))
    (tmp_path / "u.fits").write_bytes(b"U-BAND")
    with client_of(played) as client:
        client.predict({"u": tmp_path / "u.fits", "g": b"G-BAND"})
    body = played.requests[0].content
    assert body.index(b'name="image_u"') < body.index(b"U-BAND") < body.index(b'name="image_g"')


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


@pytest.fixture
def no_pause(monkeypatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr("fiberless.client.time.sleep", pauses.append)
    return pauses


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


def test_a_failed_job_raises_its_error():
    error = {"slug": "outside-footprint", "kind": "usage", "detail": "no image"}
    played = Played(
        httpx.Response(202, json=JOB), httpx.Response(200, json=JOB | {"phase": "ERROR", "error": error})
    )
    with client_of(played) as client, pytest.raises(UsageError, match="outside-footprint"):
        client.predict(b"SIMPLE")


def test_a_service_that_is_away_is_given_up_after_some_tries(no_pause):
    played = Played(*[httpx.ConnectError("refused")] * 5)
    with client_of(played) as client, pytest.raises(TransientError, match="does not answer"):
        client.get("sdss:1")
    assert len(no_pause) == 4


def test_patience_ends_and_says_that_the_job_goes_on():
    client = client_of(Played(httpx.Response(202, json=JOB)), timeout_seconds=0)
    with client, pytest.raises(TransientError, match="goes on"):
        client.predict(b"SIMPLE")


def test_get_returns_the_newest_prediction(document):
    content = b'{"object_id": "sdss:1", "predictions": [], "prediction": ' + document + b"}"
    played = Played(httpx.Response(200, content=content))
    with client_of(played) as client:
        assert client.get("sdss:1").model_dump_json(by_alias=True).encode() == document
    assert played.paths == ["GET /api/v1/objects/sdss:1"]


def test_names_in_paths_are_escaped():
    played = Played(problem("not-found", 404))
    with client_of(played) as client, pytest.raises(UsageError):
        client.get("../models?x")
    assert played.paths == ["GET /api/v1/objects/..%2Fmodels%3Fx"]


def test_spectrum_fits_asks_for_fits():
    played = Played(httpx.Response(200, content=b"SIMPLE"), httpx.Response(200, content=b"SIMPLE"))
    with client_of(played) as client:
        assert client.spectrum_fits("p_1") == b"SIMPLE"
        client.spectrum_fits("p_1", candidate=3)
    assert played.paths == [
        "GET /api/v1/predictions/p_1/spectrum?format=fits",
        "GET /api/v1/predictions/p_1/spectrum?format=fits&candidate=3",
    ]
