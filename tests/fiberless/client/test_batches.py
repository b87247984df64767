"""Many targets at once."""

import json

import httpx
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from fiberless.errors import JobTimeout, UsageError
from tests.played_service import Played, client_of

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


def test_patience_with_a_batch_ends():
    client = client_of(Played(httpx.Response(200, json=BATCH)), timeout_seconds=0)
    with client, pytest.raises(JobTimeout, match="b_1 is not done yet"):
        client.batch_status("b_1", wait=True)
