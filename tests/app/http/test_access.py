"""Keys, scopes and owners over a front end with keys: who may call, and what each sees."""

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx
import pytest

from app.http.access import is_public
from app.http.methods import allowed_methods
from app.main import create_app
from fiberless.contract import QUEUE_PREDICT, PredictionRequest
from fiberless.images.fits.read import write_cutout
from fiberless.service.api_keys import Scope
from fiberless.service.settings import Settings
from fiberless.service.storage import open_store
from fiberless.testing import synthetic_cutout

pytestmark = pytest.mark.anyio
FITS = {"Content-Type": "application/fits"}
GALAXY = write_cutout(replace(synthetic_cutout(1), ra=150.0, dec=2.0))
OWN_NAME = "test:alices_own"
PUBLIC_ROUTES = {
    "/",
    "/docs",
    "/example.fits",
    "/healthz",
    "/openapi.json",
    "/problems/{slug}",
    "/readyz",
    "/version",
}
"""Whoever adds a route here must be sure that it shows nothing of anybody."""


@asynccontextmanager
async def served(settings):
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


@dataclass(frozen=True)
class Keyed:
    """A front end that needs keys, and callers with different ones."""

    settings: Settings
    client: httpx.AsyncClient
    alice: dict[str, str]
    bob: dict[str, str]
    reader: dict[str, str]
    admin: dict[str, str]


@pytest.fixture(scope="module")
async def keyed(tmp_path_factory, model_store):
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("keyed"), model_store=model_store, redis_url=None, access="keys"
    )
    async with served(settings) as client:
        store = open_store(settings)
        tokens = {
            owner: store.keys.create(owner, scopes=scopes)[1]
            for owner, scopes in {
                "alice": {Scope.SUBMIT, Scope.READ},
                "bob": {Scope.SUBMIT, Scope.READ},
                "reader": {Scope.READ},
                "admin": {Scope.ADMIN},
            }.items()
        }
        store.close()
        yield Keyed(
            settings, client, **{name: {"Authorization": f"Bearer {key}"} for name, key in tokens.items()}
        )


@dataclass(frozen=True)
class Belongings:
    """What Alice has stored."""

    job_id: str
    prediction_id: str
    batch_id: str
    object_id: str

    @property
    def path_values(self):
        return vars(self)


@pytest.fixture(scope="module")
async def alices(keyed, predictor) -> Belongings:
    posted = await keyed.client.post(
        f"/api/v1/predictions?object_id={OWN_NAME}&n_candidates=2",
        content=GALAXY,
        headers=keyed.alice | FITS,
    )
    assert posted.status_code == 202
    job_id = posted.json()["id"]
    store = open_store(keyed.settings)
    (job,) = store.leases.claim(
        [job_id], lease_token="w", queue=QUEUE_PREDICT, lease_seconds=60, max_attempts=3
    )
    (result,) = predictor.predict([PredictionRequest(store.leases.load_cutout(job), job.options, job.owner)])
    assert store.predictions.finish(job_id, "w", result)
    store.close()
    targets = {"targets": [{"id": OWN_NAME, "ra": 150.0, "dec": 2.0}]}
    batch = await keyed.client.post("/api/v1/batches", json=targets, headers=keyed.alice)
    assert batch.status_code == 202
    return Belongings(job_id, result.prediction.id, batch.json()["id"], OWN_NAME)


def routes():
    """Path template and method of every route of the application."""
    return sorted(
        (path, method)
        for path, methods in allowed_methods(create_app(Settings())).items()
        for method in methods
        if not path.startswith("/static")
    )


NAMED_ROUTES = [
    (path, method)
    for path, method in routes()
    if "{" in path and path not in PUBLIC_ROUTES and "{version}" not in path
]
ADMIN_ROUTES = {"/metrics"}
LISTS = [
    (path, method)
    for path, method in routes()
    if "{" not in path and path not in PUBLIC_ROUTES | ADMIN_ROUTES
]
ASKED = {
    ("/api/v1/batches", "POST"): {"json": [{"object_id": "test:bobs"}]},
    ("/api/v1/objects", "GET"): {"params": {"ra": 150, "dec": 2, "radius_arcsec": 3600}},
    ("/api/v1/objects/lookup", "POST"): {"json": {"ids": [OWN_NAME]}},
    ("/vo/scs", "GET"): {"params": {"RA": 150, "DEC": 2, "SR": 1}},
    ("/api/v1/predictions", "POST"): {"json": {"target": {"ra": 150.0, "dec": 2.0}}},
}
"""What to ask where a call needs to be told; a new one must be added, with a question that could leak."""


async def call(keyed, method, path, who, **options):
    headers = options.pop("headers", {}) | who
    return await keyed.client.request(method, path, headers=headers, **options)


@pytest.mark.parametrize(("path", "method"), NAMED_ROUTES)
async def test_anothers_name_is_answered_like_one_that_does_not_exist(keyed, alices, path, method):
    theirs = path.format(**alices.path_values)
    absent = path.format(
        **{name: value[:-6] + "000000" for name, value in alices.path_values.items() if name != "object_id"},
        object_id="test:nobodys_o",
    )
    foreign, missing = (
        await call(keyed, method, theirs, keyed.bob),
        await call(keyed, method, absent, keyed.bob),
    )
    assert foreign.status_code == missing.status_code == 404
    assert _without_names(foreign, theirs, alices) == _without_names(missing, absent, alices)
    assert dict(foreign.headers).keys() == dict(missing.headers).keys()


def _without_names(answer, path, alices):
    document = answer.json()
    assert document.pop("instance") == path
    return json.dumps(document).replace(alices.object_id, "?").replace("test:nobodys_o", "?")


@pytest.mark.parametrize(
    ("path", "method"), [(path, method) for path, method in NAMED_ROUTES if method == "GET"]
)
async def test_the_owner_sees_them(keyed, alices, path, method):
    """Else the test above would hold for a service that shows nothing to anybody."""
    answer = await call(keyed, method, path.format(**alices.path_values), keyed.alice)
    assert answer.status_code == 200


@pytest.mark.parametrize(("path", "method"), LISTS)
async def test_lists_and_searches_show_nothing_of_another(keyed, alices, path, method):
    answer = await call(keyed, method, path, keyed.bob, **ASKED.get((path, method), {}))
    assert answer.is_success, f"teach ASKED how to call {method} {path}"
    told = answer.text.replace(f'"missing":["{OWN_NAME}"]', "")
    assert not [name for name in vars(alices).values() if name in told]


@pytest.mark.parametrize("path", sorted(ADMIN_ROUTES))
async def test_what_is_for_operators_needs_the_scope_admin(keyed, path):
    answer = await call(keyed, "GET", path, keyed.bob)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden")


async def test_lists_and_searches_show_what_is_ones_own(keyed, alices):
    for path, name in {
        "/api/v1/jobs": alices.job_id,
        "/api/v1/batches": alices.batch_id,
        "/api/v1/objects?ra=150&dec=2&radius_arcsec=1": alices.prediction_id,
        "/vo/scs?RA=150&DEC=2&SR=0.001": alices.prediction_id,
    }.items():
        assert name in (await call(keyed, "GET", path, keyed.alice)).text


async def test_what_bob_tried_changed_nothing(keyed, alices):
    for path, name in {"jobs": alices.job_id, "batches": alices.batch_id}.items():
        answer = await call(keyed, "GET", f"/api/v1/{path}/{name}", keyed.alice)
        assert answer.json()["phase"] in {"COMPLETED", "QUEUED"}


async def test_the_same_image_tells_nothing_of_who_asked_before(keyed, alices):
    """Not by a quick answer, not by the prediction's name."""
    address = f"/api/v1/predictions?object_id={OWN_NAME}&n_candidates=2"
    again = await call(keyed, "POST", address, keyed.alice | FITS, content=GALAXY)
    assert (again.status_code, again.json()["id"]) == (200, alices.prediction_id)
    other = await call(keyed, "POST", address, keyed.bob | FITS, content=GALAXY)
    assert (other.status_code, other.json()["prediction_id"]) == (202, None)


async def test_two_owners_may_use_one_idempotency_key(keyed):
    key = {"Idempotency-Key": "one"}
    body = {"target": {"ra": 10.0, "dec": 1.0}}
    jobs = [
        (await call(keyed, "POST", "/api/v1/predictions", who, json=body, headers=key)).json()["id"]
        for who in (keyed.alice, keyed.bob, keyed.alice)
    ]
    assert jobs[0] == jobs[2] != jobs[1]


@pytest.mark.parametrize(("path", "method"), routes())
async def test_every_route_but_the_public_ones_needs_a_key(keyed, path, method):
    answer = await keyed.client.request(method, path)
    if path in PUBLIC_ROUTES:
        assert answer.status_code != 401
    else:
        assert answer.status_code == 401
        assert answer.json()["type"] == "/problems/unauthorized"
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="fiberless"'


@pytest.mark.parametrize(
    "path", ["/api", "/api/v2/jobs", "/metrics", "/vo/scs", "//api/v1/jobs", "/docs/../api"]
)
async def test_what_nobody_has_declared_public_is_not(keyed, path):
    assert not is_public(path)
    assert (await keyed.client.get(path)).status_code == 401


@pytest.mark.parametrize(
    "header", ["Bearer flk_0011", f"Bearer flk_{'0' * 16}_{'0' * 48}", "Bearer", "bearer  x", "Bearer \xe9"]
)
async def test_a_key_that_is_none_is_refused(keyed, header):
    answer = await keyed.client.get("/api/v1/jobs", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_another_scheme_is_no_key(keyed):
    answer = await keyed.client.get("/api/v1/jobs", auth=("alice", "secret"))
    assert answer.status_code == 401


async def test_the_scheme_is_read_in_any_case(keyed):
    text = keyed.alice["Authorization"].replace("Bearer", "bEARER")
    assert (await keyed.client.get("/api/v1/jobs", headers={"Authorization": text})).status_code == 200


async def test_a_key_to_read_submits_nothing(keyed):
    refused = await call(keyed, "POST", "/api/v1/predictions", keyed.reader, json={})
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")
    assert 'error="insufficient_scope", scope="submit"' in refused.headers["WWW-Authenticate"]
    looked_up = await call(keyed, "POST", "/api/v1/objects/lookup", keyed.reader, json={"ids": ["a"]})
    assert looked_up.json()["missing"] == ["a"]
    assert (await call(keyed, "DELETE", "/api/v1/jobs/j_1", keyed.reader)).status_code == 403


async def test_an_admin_may_do_everything_and_sees_its_own(keyed, alices):
    assert (await call(keyed, "GET", "/api/v1/jobs", keyed.admin)).json()["jobs"] == []
    assert (await call(keyed, "GET", f"/api/v1/jobs/{alices.job_id}", keyed.admin)).status_code == 404


async def test_no_shared_cache_keeps_what_is_one_callers(keyed, alices):
    answer = await call(keyed, "GET", f"/api/v1/predictions/{alices.prediction_id}", keyed.alice)
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert "Authorization" in answer.headers["Vary"]


async def test_a_revoked_key_is_refused_with_the_next_request(keyed):
    store = open_store(keyed.settings)
    key, token = store.keys.create("carol", scopes={Scope.READ})
    headers = {"Authorization": f"Bearer {token}"}
    assert (await keyed.client.get("/api/v1/jobs", headers=headers)).status_code == 200
    store.keys.revoke(key.id)
    store.close()
    assert (await keyed.client.get("/api/v1/jobs", headers=headers)).status_code == 401


async def test_without_keys_a_shown_key_counts_all_the_same(tmp_path, model_store):
    settings = Settings(data_dir=tmp_path, model_store=model_store, redis_url=None)
    async with served(settings) as client:
        store = open_store(settings)
        _, token = store.keys.create("alice", scopes={Scope.READ, Scope.SUBMIT})
        store.close()
        alice = {"Authorization": f"Bearer {token}"}
        body = {"target": {"ra": 10.0, "dec": 1.0}}
        job = (await client.post("/api/v1/predictions", json=body, headers=alice)).headers["Location"]
        assert (await client.get(job, headers=alice)).status_code == 200
        assert (await client.get(job)).status_code == 404
        assert (await client.get(job, headers={"Authorization": "Bearer flk_no"})).status_code == 401
        assert "RateLimit-Limit" not in (await client.get("/api/v1/jobs")).headers


async def test_each_caller_has_a_limit_of_its_own(tmp_path, model_store):
    settings = Settings(
        data_dir=tmp_path, model_store=model_store, redis_url=None, access="keys", rate_limit_per_minute=3
    )
    async with served(settings) as client:
        store = open_store(settings)
        alice, bob = (
            {"Authorization": f"Bearer {store.keys.create(name, scopes={Scope.READ})[1]}"}
            for name in ("alice", "bob")
        )
        store.close()
        answers = [await client.get("/api/v1/jobs", headers=alice) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
        assert {answer.headers["RateLimit-Policy"] for answer in answers} == {"3;w=60"}
        assert answers[3].json()["type"] == "/problems/rate-limited"
        assert 1 <= int(answers[3].headers["Retry-After"]) <= 20
        assert (await client.get("/api/v1/jobs", headers=bob)).status_code == 200
        assert "RateLimit-Limit" not in (await client.get("/healthz")).headers


async def test_openapi_says_where_a_key_is_needed(keyed):
    document = (await keyed.client.get("/openapi.json")).json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    needed = {
        (path, method.upper()): call.get("security")
        for path, calls in document["paths"].items()
        for method, call in calls.items()
    }
    assert needed["/healthz", "GET"] is None
    assert needed["/api/v1/objects/lookup", "POST"] == needed["/api/v1/jobs", "GET"] == [{"key": ["read"]}]
    assert needed["/api/v1/predictions", "POST"] == [{"key": ["submit"]}]
    assert {path for (path, _), security in needed.items() if not security} <= PUBLIC_ROUTES
