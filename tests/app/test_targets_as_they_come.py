"""The service itself with tables and targets that went wrong: positions are kept, refusals are clear."""

import pytest

from tests.inputs import target_files as files
from tests.inputs.target_files import DEC, RA, one

pytestmark = pytest.mark.anyio
BATCHES = "/api/v1/batches"
PREDICTIONS = "/api/v1/predictions"


async def items(client, data, media="text/csv"):
    answer = await client.post(BATCHES, content=data, headers={"Content-Type": media})
    assert answer.status_code == 202, answer.text
    return (await client.get(answer.json()["links"]["items"])).json()["items"]


@pytest.mark.parametrize(
    ("data", "media"),
    [
        (one("ALPHA_J2000", "DELTA_J2000"), "text/csv"),
        (one("ra", "dec").replace(b",", b";"), "text/csv"),
        (b"# " + one("ra", "dec"), "text/csv"),
        (files.vizier(), "application/x-votable+xml"),
        (files.topcat_fits(), "application/fits"),
        (files.COMPRESSED["gzip"], "text/csv"),
    ],
)
async def test_a_table_keeps_its_positions(client, data, media):
    (row,) = await items(client, data, media)
    assert (row["id"], row["error"]) == ("gal-1", None)
    assert (row["ra"], row["dec"]) == pytest.approx((RA, DEC), abs=1e-4)


async def test_an_id_beside_an_unknown_position_refuses_the_table(client):
    answer = await client.post(BATCHES, content=one("lon", "lat"), headers={"Content-Type": "text/csv"})
    assert answer.status_code == 422
    assert answer.json()["type"] == "/problems/bad-table"
    assert "lon, lat may hold positions" in answer.json()["detail"]


async def test_names_with_blanks_and_brackets_are_object_ids(client):
    data = f"name,ra,dec\nNGC 1068,{RA},{DEC}\n[VV2006] J1,{RA},{DEC}\n".encode()
    assert [row["object_id"] for row in await items(client, data)] == ["NGC 1068", "[VV2006] J1"]
    answer = await client.get("/api/v1/objects/NGC%201068")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize(
    "target", ["02:33:25.205 -00:09:20.52", {"ra": "2h33m25.205s", "dec": "-0d09m20.52s"}]
)
async def test_a_typed_position_is_a_position(client, target):
    answer = await client.post(PREDICTIONS, json={"target": target})
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ({"target": "a/b"}, "invalid-object-id"),
        ({"target": "02:33:25.2"}, "invalid-coordinates"),
        ({"target": {"object_id": "a/b"}}, "invalid-object-id"),
        ({"target": {"object_id": "02:33:25.2 -00:09:20"}}, "invalid-object-id"),
        ({"target": {"ra": 1, "dec": 1}, "options": {"object_id": "a/b"}}, "invalid-object-id"),
    ],
)
async def test_no_answer_repeats_a_pattern(client, body, slug):
    answer = await client.post(PREDICTIONS, json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, f"/problems/{slug}")
    assert "^" not in answer.json()["detail"]
    assert "{0,12" not in answer.json()["detail"]
