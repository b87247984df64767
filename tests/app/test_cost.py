"""What a request may cost, and how much of the queue an owner may take."""

import pytest

from fiberless.contract import PredictionOptions
from fiberless.contract.cost import check_cost, request_cost
from fiberless.contract.manifest import read_manifest
from fiberless.contract.model_stores import model_store as shipped_store
from fiberless.errors import UsageError
from tests.app.conftest import running

pytestmark = pytest.mark.anyio
TARGET = {"target": {"ra": 1, "dec": 1}}
BIGGEST = PredictionOptions(n_candidates=256, steps=250)


def test_a_cascade_may_be_asked_for_its_default_and_not_for_an_hour():
    cascade, latent = (read_manifest(shipped_store(), version) for version in ("cascade-1", "latent-6"))
    for manifest in (cascade, latent):
        check_cost(PredictionOptions(), manifest, most=1e6)
    check_cost(BIGGEST, latent, most=1e6)
    with pytest.raises(
        UsageError, match="too-expensive: 256 candidates by 250 steps of cascade-1 cost 12800000"
    ):
        check_cost(BIGGEST, cascade, most=1e6)


def test_a_manifest_may_say_what_its_evaluations_cost():
    manifest = read_manifest(shipped_store(), "latent-6").model_copy(update={"cost_per_evaluation": 3.0})
    assert request_cost(PredictionOptions(n_candidates=2, steps=5), manifest) == 30


async def test_too_expensive_is_refused_at_submission_in_every_form(shared_settings, galaxy_fits):
    async with running(shared_settings.model_copy(update={"max_cost": 100.0})) as client:
        options = {"n_candidates": 20, "steps": 6}
        query = "?n_candidates=20&steps=6"
        answers = [
            await client.post("/api/v1/predictions", json=TARGET | {"options": options}),
            await client.post(
                f"/api/v1/predictions{query}",
                content=galaxy_fits,
                headers={"Content-Type": "application/fits"},
            ),
            await client.post("/api/v1/batches", json={"targets": [{"ra": 1, "dec": 1}], "options": options}),
            await client.post(
                f"/api/v1/batches{query}", content="ra,dec\n1,1\n", headers={"Content-Type": "text/csv"}
            ),
        ]
        for answer in answers:
            assert (answer.status_code, answer.json()["type"]) == (422, "/problems/too-expensive")
            assert "120" in answer.json()["detail"]
            assert "100" in answer.json()["detail"]
        cheap = await client.post(
            "/api/v1/predictions", json=TARGET | {"options": {"n_candidates": 2, "steps": 6}}
        )
        assert cheap.status_code == 202


async def test_waiting_rows_of_an_owner_have_a_limit(settings):
    async with running(settings.model_copy(update={"max_waiting_rows_per_owner": 50})) as client:
        rows = [{"ra": 1, "dec": 1}] * 200
        assert (await client.post("/api/v1/batches", json=rows)).status_code == 202
        full = await client.post("/api/v1/batches", json=rows)
        assert (full.status_code, full.json()["type"]) == (429, "/problems/queue-full")
        assert full.headers["Retry-After"] == "10"
        assert "100 rows of your batches wait, 50 may" in full.json()["detail"]
