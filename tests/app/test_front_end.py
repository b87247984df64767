"""The front end as a whole: what it loads, what it declares, what it always sends."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.http.middleware import SECURITY_HEADERS
from app.http.problem_pages import ADVICE
from app.main import create_app
from fiberless.contract.manifest import read_manifest
from fiberless.errors import PROBLEMS
from fiberless.service.storage import open_store

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]


def test_importing_the_front_end_loads_neither_torch_nor_the_workers():
    code = "import sys, app.main; print([m for m in ('torch', 'diffusers', 'worker') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_ready_needs_a_broker_and_a_worker(client, settings):
    answer = await client.get("/readyz")
    checks = answer.json()["checks"]
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/not-ready")
    assert (checks["storage"], checks["model"]) == ("ok", "ok")
    assert checks["broker"] != "ok"
    assert checks["worker"] != "ok"
    store = open_store(settings)
    store.heartbeats.beat("predict", "predict-1")
    assert (await client.get("/readyz")).json()["checks"]["worker"] == "ok"
    store.heartbeats.beat("predict", "predict-1", trouble="3 failures in a row, the last: no memory")
    assert "no memory" in (await client.get("/readyz")).json()["checks"]["worker"]
    store.close()


async def test_health_and_version_answer_without_anything_else(client):
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/version")).json()["name"] == "fiberless"


async def test_models_are_listed_with_their_cards(client, model_store):
    document = (await client.get("/api/v1/models")).json()
    assert document["default"] == "toy-1"
    (model,) = document["models"]
    assert model["is_default"]
    assert model["manifest"] == read_manifest(model_store, "toy-1").model_dump(mode="json")
    assert (await client.get(model["href"])).json() == model
    assert "predictions mean nothing" in model["card"]


async def test_a_store_without_a_default_model_is_our_fault(client, galaxy_fits, model_store):
    (model_store / "DEFAULT").rename(model_store / "HIDDEN")
    try:
        headers = {"Content-Type": "application/fits"}
        answer = await client.post("/api/v1/predictions", content=galaxy_fits, headers=headers)
    finally:
        (model_store / "HIDDEN").rename(model_store / "DEFAULT")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/model-unavailable")
    assert answer.headers["Retry-After"]


async def test_the_front_page_says_what_this_is_and_needs_no_other_host(client):
    page = (await client.get("/")).text
    assert "PREDICTED, NOT OBSERVED" in page
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)
    for path in re.findall(r'href="([^"#]*)"', page):
        assert (await client.get(f"/{path}")).status_code in {200, 503}


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/jobs/none", "/nowhere", "/openapi.json"])
async def test_every_answer_carries_the_security_headers(client, path):
    headers = (await client.get(path)).headers
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS


async def test_what_nobody_foresaw_is_a_problem_without_its_inside(settings):
    app = create_app(settings)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("secret path /etc/x")

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/broken")
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal-error")
    assert "secret" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_head_answers_as_get_does(client):
    assert (await client.head("/healthz")).status_code == 200
    assert (await client.head("/nowhere")).status_code == 404


async def test_a_method_that_is_not_there_names_those_that_are(client):
    assert (await client.delete("/api/v1/predictions")).headers["Allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("slug", PROBLEMS)
async def test_every_problem_has_a_page(client, slug):
    page = await client.get(f"/problems/{slug}")
    assert page.status_code == 200
    assert PROBLEMS[slug].title in page.text.replace("&#x27;", "'")
    assert slug in ADVICE or PROBLEMS[slug].status >= 500, f"{slug} is a caller's mistake without advice"


async def test_openapi_declares_every_answer_and_every_reference_resolves(client):
    document = (await client.get("/openapi.json")).json()
    references = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])
    assert "ProblemDetail" in references
    assert "HTTPValidationError" not in references
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            assert "default" in answers, (method, path)
            errors = [answer for status, answer in answers.items() if status >= "400"]
            assert all(list(answer["content"]) == ["application/problem+json"] for answer in errors)
    body = document["paths"]["/api/v1/predictions"]["post"]["requestBody"]["content"]
    assert {"multipart/form-data", "application/fits", "application/json"} <= set(body)


async def test_openapi_declares_the_options_that_the_contract_has(client):
    document = (await client.get("/openapi.json")).json()
    operation = document["paths"]["/api/v1/predictions"]["post"]
    names = {row["name"] for row in operation["parameters"]}
    assert set(document["components"]["schemas"]["PredictionOptions"]["properties"]) <= names
    assert {"Prefer", "idempotency-key"} <= names
