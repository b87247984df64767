"""Objects over HTTP: by name, around a place, from a list of names."""

import json
import re

import pytest

pytestmark = pytest.mark.anyio
URL = "/api/v1/objects"
CONE = f"{URL}?ra=180&dec=30&radius_arcsec=60"


@pytest.fixture
async def three(client, work, make_placed):
    """Predictions of two named objects and of one without a name, 0, 10 and 20 arcsec from (180, 30)."""
    for offset, name in ((0, "test:1"), (10, "test:2"), (20, None)):
        query = "?n_candidates=1&steps=2" + (f"&object_id={name}" if name else "")
        answer = await client.post(
            f"/api/v1/predictions{query}",
            content=make_placed(180, 30 + offset / 3600),
            headers={"Content-Type": "application/fits"},
        )
        assert answer.status_code == 202
        work(answer.json()["id"])


@pytest.mark.usefixtures("three")
async def test_a_cone_search_answers_in_pages_nearest_first(client):
    address, found = f"{CONE}&limit=2", []
    for expected in (2, 1):
        answer = await client.get(address)
        page = answer.json()
        found += page["objects"]
        assert (page["total"], len(page["objects"])) == (3, expected)
        address = page["next"]
        if address is not None:
            assert answer.headers["Link"] == f'<{address}>; rel="next"'
    assert address is None
    assert "Link" not in answer.headers
    assert [row["object_id"] for row in found] == ["test:1", "test:2", None]
    assert [round(row["separation_arcsec"], 3) for row in found] == [0, 10, 20]
    for row in found:
        prediction = (await client.get(row["prediction"]["href"])).json()
        assert prediction["object"]["object_id"] == row["object_id"]
        assert row["kind"] == prediction["kind"]


@pytest.mark.usefixtures("three")
async def test_names_are_found_or_missing_in_the_order_asked_for(client):
    ids = ["test:2", "nowhere:1", "test:1", "test:2"]
    answer = (await client.post(f"{URL}/lookup", json={"ids": ids})).json()
    assert [row["object_id"] for row in answer["found"]] == ["test:2", "test:1"]
    assert answer["missing"] == ["nowhere:1"]


@pytest.mark.usefixtures("three")
async def test_an_object_is_not_sent_again_until_it_changes(client, work, make_placed):
    first = await client.get(f"{URL}/test:1")
    headers = {"If-None-Match": first.headers["ETag"]}
    assert first.headers["Cache-Control"] == "no-cache"
    assert (await client.get(f"{URL}/test:1", headers=headers)).status_code == 304
    answer = await client.post(
        "/api/v1/predictions?n_candidates=1&steps=2&seed=5&object_id=test:1",
        content=make_placed(180, 30),
        headers={"Content-Type": "application/fits"},
    )
    work(answer.json()["id"])
    assert (await client.get(f"{URL}/test:1", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("query", "slug"),
    [
        ("ra=361&dec=0&radius_arcsec=1", "invalid-coordinates"),
        ("ra=1&dec=91&radius_arcsec=1", "invalid-coordinates"),
        ("ra=nan&dec=0&radius_arcsec=1", "invalid-coordinates"),
        ("ra=1&dec=0&radius_arcsec=-1", "invalid-parameter"),
        ("ra=1&dec=0&radius_arcsec=40000", "invalid-parameter"),
        ("ra=1&dec=0", "invalid-parameter"),
        ("ra=1&dec=0&radius_arcsec=1&cursor=x", "invalid-parameter"),
        ("ra=1&dec=0&radius_arcsec=1&limit=0", "invalid-parameter"),
    ],
)
async def test_a_cone_that_cannot_be_is_refused(shared_client, query, slug):
    answer = await shared_client.get(f"{URL}?{query}")
    assert (answer.status_code, answer.json()["type"]) == (422, f"/problems/{slug}")


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ('{"ids": []}', "invalid-parameter"),
        ('{"ids": ["../x"]}', "invalid-parameter"),
        ('{"ids": [5]}', "invalid-parameter"),
        ('{"names": ["a"]}', "invalid-parameter"),
        ('{"ids": ["a"], "ids": ["b"]}', "invalid-json"),
        ("[", "invalid-json"),
        (json.dumps({"ids": ["a"] * 1001}), "invalid-parameter"),
    ],
)
async def test_a_list_of_names_that_cannot_be_is_refused(shared_client, body, slug):
    headers = {"Content-Type": "application/json"}
    answer = await shared_client.post(f"{URL}/lookup", content=body, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (422, f"/problems/{slug}")


async def test_a_list_of_names_is_json(shared_client):
    answer = await shared_client.post(f"{URL}/lookup", content=b"ids", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported-media-type")


async def test_an_object_that_is_not_there_says_how_to_submit_it(shared_client):
    answer = await shared_client.get(f"{URL}/sdss:1237648720693755918")
    assert answer.status_code == 404
    (example,) = re.findall(r'\{"target".*\}\}', answer.json()["detail"])
    assert json.loads(example) == {"target": {"object_id": "sdss:1237648720693755918"}}
