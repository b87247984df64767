"""What is damaged on disk counts as not stored: the same request makes it again, and costs nobody else."""

import json

import pytest

from fiberless.service.doctor import examine
from fiberless.service.storage import open_store

pytestmark = pytest.mark.anyio
URL = "/api/v1/predictions?n_candidates=2&object_id=test:1"
FITS = {"Content-Type": "application/fits"}
DAMAGE = {"lost": lambda path: path.unlink(), "damaged": lambda path: path.write_bytes(b"rotten")}


def _damage(settings, prediction_id, column, how):
    store = open_store(settings)
    key = getattr(store.predictions._find(prediction_id), column)
    store.close()
    how(settings.data_dir / "blobs" / key[:2] / key)


async def _predicted(client, work, galaxy_fits, **headers):
    answer = await client.post(URL, content=galaxy_fits, headers=FITS | headers)
    assert answer.status_code == 202, answer.text
    work(answer.json()["id"])
    return (await client.get(answer.headers["Location"])).json()["prediction_id"]


@pytest.mark.parametrize("column", ["document_key", "arrays_key", "cutout_key"])
@pytest.mark.parametrize("how", DAMAGE)
async def test_the_same_request_makes_a_damaged_prediction_again(
    client, work, settings, galaxy_fits, column, how
):
    first = await _predicted(client, work, galaxy_fits)
    _damage(settings, first, column, DAMAGE[how])
    lost = await client.get(f"/api/v1/predictions/{first}?include=samples,cutout")
    assert (lost.status_code, lost.json()["type"]) == (404, "/problems/not-found")
    assert first in next(one.detail for one in examine(settings) if one.name == "blobs")
    assert await _predicted(client, work, galaxy_fits) == first
    whole = await client.get(f"/api/v1/predictions/{first}?include=samples,cutout")
    assert whole.status_code == 200
    assert (await client.post(URL, content=galaxy_fits, headers=FITS)).status_code == 200


async def test_an_idempotency_key_does_not_keep_what_is_lost(client, work, settings, galaxy_fits):
    key = {"Idempotency-Key": "k"}
    first = await _predicted(client, work, galaxy_fits, **key)
    _damage(settings, first, "document_key", DAMAGE["lost"])
    assert await _predicted(client, work, galaxy_fits, **key) == first
    assert (await client.post(URL, content=galaxy_fits, headers=FITS | key)).status_code == 200


async def test_an_object_is_shown_by_its_newest_prediction_that_can_be_read(
    client, work, settings, galaxy_fits, other_galaxy_fits
):
    older = await _predicted(client, work, galaxy_fits)
    newer = await _predicted(client, work, other_galaxy_fits)
    _damage(settings, newer, "document_key", DAMAGE["damaged"])
    answer = await client.get("/api/v1/objects/test:1")
    assert (answer.status_code, answer.json()["prediction"]["id"]) == (200, older)
    _damage(settings, older, "document_key", DAMAGE["lost"])
    assert (await client.get("/api/v1/objects/test:1")).status_code == 404


@pytest.mark.parametrize("kind", ["json", "csv", "votable", "parquet"])
async def test_one_damaged_document_costs_a_batch_one_row(
    client, work, settings, galaxy_fits, other_galaxy_fits, kind
):
    files = [("image", (f"{n}.fits", data)) for n, data in enumerate((galaxy_fits, other_galaxy_fits))]
    options = {"options": '{"n_candidates": 2}'}
    batch = (await client.post("/api/v1/batches", files=files, data=options)).json()
    for item in (await client.get(batch["links"]["items"])).json()["items"]:
        work(item["job_id"])
    items = (await client.get(batch["links"]["items"])).json()["items"]
    _damage(settings, items[0]["prediction_id"], "document_key", DAMAGE["lost"])
    answer = await client.get(batch["links"]["results"], params={"format": kind})
    assert answer.status_code == 200
    if kind == "json":
        rows = json.loads(answer.content)["rows"]
        assert [row["error"] for row in rows] == ["not-found", None]
        assert rows[1]["redshift"] is not None
