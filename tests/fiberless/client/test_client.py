"""The client over a transport that plays the service."""

import asyncio
import json
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from specutils import Spectrum

import fiberless
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
    "links": {"self": "/api/v1/jobs/j_1", "events": "/api/v1/jobs/j_1/events"},
}
DONE = JOB | {
    "phase": "COMPLETED",
    "prediction_id": "p_1",
    "links": JOB["links"] | {"prediction": "/api/v1/predictions/p_1"},
}


def event(number: int, job: dict[str, object], name: str = "progress") -> str:
    return f"event: {name}\ndata: {json.dumps(job)}\nid: {number}\n\n"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("FIBERLESS_URL", "FIBERLESS_API_KEY"):
        monkeypatch.delenv(name, raising=False)


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
    monkeypatch.setattr("fiberless.client.blocking.time.sleep", pauses.append)
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


def test_the_clients_are_found_at_the_top():
    assert (fiberless.Client, fiberless.AsyncClient) == (Client, AsyncClient)
    with pytest.raises(AttributeError, match="Clients"):
        _ = fiberless.Clients


@pytest.mark.parametrize("given", ["argument", "environment"])
def test_the_key_is_shown_with_each_request(given, monkeypatch, document):
    if given == "environment":
        monkeypatch.setenv("FIBERLESS_API_KEY", "flk_1")
    played = Played(httpx.Response(200, content=document))
    with client_of(played, api_key="flk_1" if given == "argument" else None) as client:
        client.prediction("p_1")
    assert played.requests[0].headers["Authorization"] == "Bearer flk_1"


def test_the_address_is_read_from_the_environment(monkeypatch, document):
    monkeypatch.setenv("FIBERLESS_URL", "http://elsewhere:99/galaxies")
    played = Played(httpx.Response(200, content=document))
    with Client(transport=httpx.MockTransport(played)) as client:
        client.prediction("p_1")
    assert str(played.requests[0].url) == "http://elsewhere:99/galaxies/api/v1/predictions/p_1"
    assert "Authorization" not in played.requests[0].headers


def test_a_redirect_is_not_followed_so_that_no_key_goes_astray():
    played = Played(httpx.Response(307, headers={"Location": "http://thief/"}))
    with client_of(played, api_key="flk_1") as client, pytest.raises(FatalError, match="307"):
        client.models()


@pytest.mark.parametrize(
    ("arguments", "options", "body"),
    [
        ((), {"ra": 10.5, "dec": -1.0}, {"target": {"ra": 10.5, "dec": -1.0}, "options": {}}),
        ((SkyCoord(10.5, -1.0, unit="deg"),), {}, {"target": {"ra": 10.5, "dec": -1.0}, "options": {}}),
        ((), {"object_id": "sdss:1", "seed": 3}, {"target": {"object_id": "sdss:1"}, "options": {"seed": 3}}),
        (
            (),
            {"ra": 10.5, "dec": -1.0, "object_id": "mine:1"},
            {"target": {"ra": 10.5, "dec": -1.0}, "options": {"object_id": "mine:1"}},
        ),
    ],
)
def test_places_and_names_are_sent_as_targets(arguments, options, body, document):
    played = Played(httpx.Response(200, content=document))
    with client_of(played) as client:
        client.predict(*arguments, **options)
    assert json.loads(played.requests[0].content) == body


def test_a_place_in_another_frame_is_sent_in_icrs(document):
    played = Played(httpx.Response(200, content=document))
    with client_of(played) as client:
        client.predict(SkyCoord(l=0 * u.deg, b=90 * u.deg, frame="galactic"))
    target = json.loads(played.requests[0].content)["target"]
    assert target["ra"] == pytest.approx(192.85948, abs=1e-3)  # J2000 pole of the Galaxy, ESA SP-1200
    assert target["dec"] == pytest.approx(27.12825, abs=1e-3)


def test_a_cutout_is_sent_as_fits(document):
    played = Played(httpx.Response(200, content=document))
    with client_of(played) as client:
        client.predict(synthetic_cutout(1))
    assert b"\r\n\r\nSIMPLE  =                    T" in played.requests[0].content


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((), {}),
        ((b"SIMPLE",), {"ra": 1.0, "dec": 2.0}),
        ((), {"ra": 1.0}),
        ((SkyCoord([1, 2], [3, 4], unit="deg"),), {}),
    ],
)
def test_what_asks_for_nothing_or_for_two_things_is_not_sent(arguments, options):
    with client_of(Played()) as client, pytest.raises(UsageError, match="invalid-parameter"):
        client.predict(*arguments, **options)


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


def test_many_are_answered_in_order_and_a_failure_stands_in_its_place(document):
    def answer(request):
        wanted = json.loads(request.content)["target"]["ra"]
        if wanted == 2.0:
            return problem("outside-footprint", 404)
        return httpx.Response(200, json=json.loads(document) | {"label": str(wanted)})

    places = [(1.0, 0.0), (2.0, 0.0), SkyCoord(3.0, 0.0, unit="deg")]
    with client_of(answer) as client:
        first, failed, last = client.predict_many(places, errors="return", concurrency=2)
        assert (first.label, failed.slug, last.label) == ("1.0", "outside-footprint", "3.0")
        with pytest.raises(UsageError, match="outside-footprint"):
            client.predict_many(places)


def test_async_many_never_exceed_their_number(document):
    at_once: list[int] = []
    running = 0

    async def answer(_request):
        nonlocal running
        running += 1
        at_once.append(running)
        await asyncio.sleep(0.01)
        running -= 1
        return httpx.Response(200, content=document)

    async def predict():
        async with AsyncClient("http://test", transport=httpx.MockTransport(answer)) as client:
            return await client.predict_many([(float(i), 0.0) for i in range(7)], concurrency=3)

    assert len(asyncio.run(predict())) == 7
    assert max(at_once) == 3


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
    with client_of(Played(problem("not-found", 404))) as client, pytest.raises(UsageError, match="not-found"):
        next(client.events("j_1"))


def test_a_follower_gives_up_a_service_that_stays_away(no_pause):
    with client_of(Played(*[httpx.ConnectError("no")] * 5)) as client, pytest.raises(TransientError):
        next(client.events("j_1"))
    assert len(no_pause) == 4


def entry(name: str, separation: float) -> dict[str, object]:
    newest = {"id": f"p_{name}", "created": "2026-01-01T00:00:00Z", "redshift": None, "model_version": "m"}
    return {
        "object_id": name,
        "ra": 1.0,
        "dec": 2.0,
        "separation_arcsec": separation,
        "prediction": newest,
    }


def test_a_cone_is_read_to_its_last_page():
    more = "/api/v1/objects?ra=1&cursor=c%2F2"
    played = Played(
        httpx.Response(200, json={"objects": [entry("a", 0.5)], "next": more}),
        httpx.Response(200, json={"objects": [entry("b", 9.0)], "next": None}),
    )
    with client_of(played) as client:
        table = client.cone(SkyCoord(1, 2, unit="deg"), 1 * u.arcmin)
    assert list(table["object_id"]) == ["a", "b"]
    assert list(table["separation_arcsec"].quantity.to_value("arcsec")) == [0.5, 9.0]
    assert table["redshift"].mask.all()
    queries = [dict(request.url.params) for request in played.requests]
    asked = {"ra": "1.0", "dec": "2.0", "radius_arcsec": "60.0", "limit": "100"}
    assert queries == [asked, asked | {"cursor": "c/2"}]


def test_an_empty_cone_is_an_empty_table():
    with client_of(Played(httpx.Response(200, json={"objects": [], "next": None}))) as client:
        table = client.cone(SkyCoord(1, 2, unit="deg"), 5)
    assert (len(table), table["ra"].unit) == (0, u.deg)


BATCH = {
    "id": "b_1",
    "phase": "QUEUED",
    "n_rows": 3,
    "counts": {"QUEUED": 3},
    "created": "2026-01-01T00:00:00Z",
    "links": {"self": "/b", "items": "/b/items", "results": "/b/results"},
}


def test_a_batch_of_places_names_and_rows_is_one_list():
    played = Played(httpx.Response(202, json=BATCH))
    with client_of(played) as client:
        rows = [(1.0, 2.0), "sdss:1", {"id": "x", "ra": 3.0, "dec": 4.0}, SkyCoord(5, 6, unit="deg")]
        assert client.batch(rows, seed=2).id == "b_1"
    assert json.loads(played.requests[0].content) == {
        "targets": [
            {"ra": 1.0, "dec": 2.0},
            {"object_id": "sdss:1"},
            {"id": "x", "ra": 3.0, "dec": 4.0},
            {"ra": 5.0, "dec": 6.0},
        ],
        "options": {"seed": 2},
    }


def test_an_array_of_places_is_a_batch():
    played = Played(httpx.Response(202, json=BATCH))
    with client_of(played) as client:
        client.batch(SkyCoord([1, 2], [3, 4], unit="deg"))
    targets = json.loads(played.requests[0].content)["targets"]
    assert targets == [{"ra": 1.0, "dec": 3.0}, {"ra": 2.0, "dec": 4.0}]


def test_tables_are_sent_as_they_are(tmp_path):
    (tmp_path / "galaxies.csv").write_text("id,ra,dec\na,1,2\n")
    table = Table({"id": ["a"], "ra": [1.0] * u.deg, "dec": [2.0] * u.deg})
    played = Played(httpx.Response(202, json=BATCH), httpx.Response(202, json=BATCH))
    with client_of(played) as client:
        client.batch(tmp_path / "galaxies.csv", seed=2)
        client.batch(table)
        with pytest.raises(UsageError, match=r"\.parquet"):
            client.batch("galaxies.xlsx")
    first, second = played.requests
    assert (first.headers["Content-Type"], first.content) == ("text/csv", b"id,ra,dec\na,1,2\n")
    assert first.url.query == b"seed=2"
    assert second.headers["Content-Type"] == "application/x-votable+xml"
    assert b"<VOTABLE" in second.content
    assert all(request.headers["Idempotency-Key"] for request in played.requests)


def test_a_batch_is_waited_for():
    played = Played(httpx.Response(200, json=BATCH), httpx.Response(200, json=BATCH | {"phase": "COMPLETED"}))
    with client_of(played) as client:
        assert client.batch_status("b_1", wait=True).phase == "COMPLETED"
    assert played.paths == ["GET /api/v1/batches/b_1?wait=20"] * 2


def test_a_prediction_becomes_a_spectrum_and_a_table(document):
    with client_of(Played(httpx.Response(200, content=document))) as client:
        prediction = client.prediction("p_1")
    shown = prediction.spectrum
    spectrum, table = prediction.to_spectrum(), prediction.to_table()
    assert isinstance(spectrum, Spectrum)
    assert spectrum.flux.unit == u.Unit("1e-17 erg / (Angstrom s cm2)")
    assert spectrum.spectral_axis[0].to_value(u.nm) == pytest.approx(400.0)
    assert spectrum.meta["predicted"] is True
    good = ~spectrum.mask
    assert list(spectrum.mask) == shown.mask
    assert [value for value in shown.flux.values if value is not None] == list(spectrum.flux[good].value)
    assert np.all(spectrum.uncertainty.array[good] >= 0)
    assert table.colnames == ["wavelength", "flux", "uncertainty", "mask", "flux_p16", "flux_p50", "flux_p84"]
    assert np.all(table["flux_p16"][good] <= table["flux_p84"][good])
    assert table.meta["kind"] == "predicted-spectrum"
