"""What is said to the service for a prediction, and what comes of the answers."""

import asyncio
import json

import httpx
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from fiberless.client import AsyncClient
from fiberless.errors import UsageError
from fiberless.testing import synthetic_cutout
from tests.played_service import DONE, JOB, Played, client_of, problem


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


def test_a_cutout_is_sent_as_fits(document):
    played = Played(httpx.Response(200, content=document))
    with client_of(played) as client:
        client.predict(synthetic_cutout(1))
    assert b"\r\n\r\nSIMPLE  =                    T" in played.requests[0].content


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
