import json

import pytest

from app.http.links import Links
from app.main import create_app
from fiberless.contract import PredictionLinks

pytestmark = pytest.mark.anyio
APPLICATION = create_app()


def test_paths_are_those_of_the_routes():
    links = Links(APPLICATION)
    assert links.path("job", job_id="j_1") == "/api/v1/jobs/j_1"
    assert links.path("batch_items", batch_id="b_1") == "/api/v1/batches/b_1/items"
    assert links.prediction("p_1") == PredictionLinks(
        self="/api/v1/predictions/p_1",
        spectrum_fits="/api/v1/predictions/p_1/spectrum?format=fits",
        candidate="/api/v1/predictions/p_1/spectrum?candidate={k}",
        cutout="/api/v1/predictions/p_1/cutout",
        preview="/api/v1/predictions/p_1/preview.png",
    )


def test_paths_follow_the_prefix_of_a_proxy():
    assert Links(APPLICATION, "/fiberless").path("job", job_id="j_1") == "/fiberless/api/v1/jobs/j_1"


def test_links_are_added_to_a_stored_document_and_nothing_else_changes():
    added = json.loads(Links(APPLICATION).added_to(b'{"id": "p_1", "values": [1.5]}\n', "p_1"))
    assert added.pop("links")["self"] == "/api/v1/predictions/p_1"
    assert added == {"id": "p_1", "values": [1.5]}


async def test_answers_behind_a_proxy_carry_its_prefix(client, galaxy_fits):
    headers = {"Content-Type": "application/fits"}
    job = (await client.post("/api/v1/predictions", content=galaxy_fits, headers=headers)).json()
    assert job["links"]["self"] == f"/api/v1/jobs/{job['id']}"
    client._transport.root_path = "/up/there"
    moved = (await client.get(f"/up/there/api/v1/jobs/{job['id']}")).json()["links"]
    assert moved["self"] == f"/up/there/api/v1/jobs/{job['id']}"
    assert moved["events"] == f"/up/there/api/v1/jobs/{job['id']}/events"
