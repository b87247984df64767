"""Asking for predictions and reading them, over a real store and a toy model."""

import asyncio
import json
from io import BytesIO

import pytest
from astropy.io import fits

from fiberless.contract import QUEUE_PREDICT, ErrorReport
from fiberless.errors import ErrorKind
from fiberless.service.storage import open_store

pytestmark = pytest.mark.anyio
URL = "/api/v1/predictions"
FITS = {"Content-Type": "application/fits"}


async def post(client, data, query="", **headers):
    return await client.post(URL + query, content=data, headers=FITS | headers)


async def test_a_submission_answers_a_queued_job_and_where_to_ask_for_it(client, galaxy_fits):
    answer = await post(client, galaxy_fits)
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}" == job["links"]["self"]
    assert int(answer.headers["Retry-After"]) >= 1
    assert job["phase"] == "QUEUED"
    assert (await client.get(answer.headers["Location"])).json() == job


async def test_the_three_forms_of_one_image_are_one_prediction(client, work, galaxy_fits):
    first = await post(client, galaxy_fits, "?seed=5&n_candidates=2")
    work(first.json()["id"])
    options = '{"seed": 5, "n_candidates": 2}'
    as_form = await client.post(URL, files={"image": galaxy_fits}, data={"options": options})
    with fits.open(BytesIO(galaxy_fits)) as hdus:
        planes = {f"image_{band}": _plane(hdus[0].data[i]) for i, band in enumerate("ugriz")}
    as_bands = await client.post(URL, files=planes, data={"options": options})
    assert as_form.status_code == 200
    assert as_form.json()["provenance"]["sampler"]["seed"] == 5
    assert as_bands.status_code == 202, "five files have no CUTSRC card, so their origin differs"


def _plane(pixels):
    stream = BytesIO()
    fits.PrimaryHDU(pixels, header=fits.Header({"BUNIT": "nanomaggy"})).writeto(stream)
    return stream.getvalue()


async def test_a_position_becomes_a_job_for_the_fetch_queue(client, settings):
    answer = await client.post(URL, json={"target": {"ra": 180, "dec": 1.0}, "options": {"seed": 3}})
    assert answer.status_code == 202
    store = open_store(settings)
    assert store.jobs.queue_depths() == {"fetch": 1}
    store.close()


async def test_the_model_is_resolved_before_the_job_is_written(client, settings, galaxy_fits):
    job_id = (await post(client, galaxy_fits)).json()["id"]
    store = open_store(settings)
    (job,) = store.leases.claim(
        [job_id], lease_token="w", queue=QUEUE_PREDICT, lease_seconds=9, max_attempts=3
    )
    store.close()
    assert job.options.model == "toy-1"


async def test_the_same_request_answers_the_stored_prediction(client, work, galaxy_fits):
    first = await post(client, galaxy_fits, "?n_candidates=2")
    work(first.json()["id"])
    again = await post(client, galaxy_fits, "?n_candidates=2")
    other_seed = await post(client, galaxy_fits, "?n_candidates=2&seed=1")
    assert again.status_code == 200
    assert again.headers["Content-Location"] == f"{URL}/{again.json()['id']}"
    assert other_seed.status_code == 202


async def test_waiting_answers_the_prediction_as_soon_as_it_is_there(client, work, galaxy_fits):
    submitted = await post(client, galaxy_fits, "?n_candidates=2", **{"Idempotency-Key": "k"})
    waiting = asyncio.create_task(
        post(client, galaxy_fits, "?n_candidates=2", **{"Idempotency-Key": "k", "Prefer": "wait=30"})
    )
    await asyncio.sleep(0.05)
    await asyncio.to_thread(work, submitted.json()["id"])
    answer = await waiting
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert answer.json()["kind"] == "predicted-spectrum"


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [("wait=0", "wait=0"), ("respond-async, wait=1", "wait=1"), ('WAIT="0"; x=y', "wait=0")],
)
async def test_a_wait_that_ends_without_a_prediction_answers_the_job(client, galaxy_fits, prefer, applied):
    answer = await post(client, galaxy_fits, Prefer=prefer)
    assert answer.status_code == 202
    assert answer.headers["Preference-Applied"] == applied


async def test_a_service_that_closes_answers_those_who_wait(client, galaxy_fits):
    waiting = asyncio.create_task(post(client, galaxy_fits, Prefer="wait=60"))
    await asyncio.sleep(0.1)
    client._transport.app.state.service.closing.set()
    assert (await waiting).status_code == 202


@pytest.mark.parametrize("prefer", ["wait=soon", "respond-async", "wait=-1"])
async def test_a_preference_that_cannot_be_read_is_ignored(client, galaxy_fits, prefer):
    answer = await post(client, galaxy_fits, Prefer=prefer)
    assert answer.status_code == 202
    assert "Preference-Applied" not in answer.headers


async def test_waiting_for_a_job_that_fails_answers_its_problem(client, settings, galaxy_fits):
    job_id = (await post(client, galaxy_fits, **{"Idempotency-Key": "k"})).json()["id"]
    store = open_store(settings)
    store.leases.claim([job_id], lease_token="w", queue=QUEUE_PREDICT, lease_seconds=9, max_attempts=3)
    report = ErrorReport(slug="outside-footprint", kind=ErrorKind.USAGE, detail="no image there")
    assert store.leases.fail(job_id, "w", report)
    store.close()
    answer = await post(client, galaxy_fits, **{"Idempotency-Key": "k", "Prefer": "wait=5"})
    assert answer.status_code == 404
    assert answer.json()["type"] == "/problems/outside-footprint"
    assert answer.json()["job"]["id"] == job_id


async def test_one_idempotency_key_makes_one_job(client, galaxy_fits):
    first = await post(client, galaxy_fits, "?seed=1", **{"Idempotency-Key": "k-1"})
    again = await post(client, galaxy_fits, "?seed=1", **{"Idempotency-Key": "k-1"})
    as_form = await client.post(
        URL,
        files={"image": galaxy_fits},
        data={"options": '{"seed": 1}'},
        headers={"Idempotency-Key": "k-1"},
    )
    assert first.json()["id"] == again.json()["id"] == as_form.json()["id"]


async def test_one_idempotency_key_with_another_body_is_a_conflict(
    client, work, galaxy_fits, other_galaxy_fits
):
    first = await post(client, galaxy_fits, **{"Idempotency-Key": "k-1"})
    work(first.json()["id"])
    known = await post(client, galaxy_fits, **{"Idempotency-Key": "k-2"})
    other_options = await post(client, galaxy_fits, "?seed=2", **{"Idempotency-Key": "k-1"})
    other_image = await post(client, other_galaxy_fits, **{"Idempotency-Key": "k-2"})
    assert known.status_code == 200
    assert other_options.status_code == other_image.status_code == 409
    assert other_image.json()["type"] == "/problems/idempotency-conflict"


async def test_an_object_shows_its_newest_prediction_and_lists_all(client, work, galaxy_fits):
    first = await post(client, galaxy_fits, "?object_id=test:1&n_candidates=2&seed=1")
    work(first.json()["id"])
    second = await post(client, galaxy_fits, "?object_id=test:1&n_candidates=2&seed=9")
    work(second.json()["id"])
    document = json.loads((await client.get("/api/v1/objects/test:1")).content)
    assert document["prediction"]["provenance"]["sampler"]["seed"] == 9
    assert len(document["predictions"]) == 2
    assert document["predictions"][0]["href"] == f"{URL}/{document['prediction']['id']}"


async def test_an_object_that_is_not_there_says_how_to_submit_it(client):
    problem = (await client.get("/api/v1/objects/test:2")).json()
    assert "POST" in problem["detail"]
    assert URL in problem["detail"]
