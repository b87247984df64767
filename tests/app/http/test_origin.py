"""Who may reach a service without keys: programs and its own page, by its own names, on loopback."""

import httpx
import pytest

from tests.app.conftest import running

pytestmark = pytest.mark.anyio
TARGET = {"target": {"ra": 1, "dec": 1}}
WRITES = [
    ("POST", "/api/v1/predictions", {"json": TARGET}),
    ("POST", "/api/v1/batches", {"json": [{"ra": 1, "dec": 1}]}),
    ("DELETE", "/api/v1/jobs/j_1", {}),
    ("DELETE", "/api/v1/batches/b_1", {}),
]


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"])
async def test_loopback_names_are_its_own(shared_client, host):
    answer = await shared_client.get("/api/v1/jobs", headers={"Host": host})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example:8000", "127.0.0.1.nip.example", "10.0.0.7", "", "[", "a b"],
)
async def test_a_name_that_a_site_lets_point_here_is_refused(shared_client, host):
    for path in ("/api/v1/jobs", "/", "/api/v1/models"):
        answer = await shared_client.get(path, headers={"Host": host})
        assert (answer.status_code, answer.json()["type"]) == (421, "/problems/misdirected")
    assert (await shared_client.get("/healthz", headers={"Host": host})).status_code == 200


async def test_names_can_be_added_and_keys_make_any_name_good(shared_settings):
    named = shared_settings.model_copy(update={"allowed_hosts": ("sky.example",)})
    async with running(named) as client:
        for host, status in (("sky.example", 200), ("sky.example:443", 200), ("evil.example", 421)):
            assert (await client.get("/version", headers={"Host": host})).status_code == status
    async with running(shared_settings.model_copy(update={"access": "keys"})) as client:
        assert (await client.get("/version", headers={"Host": "any.example"})).status_code == 200


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=lambda value: str(value)[:24])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "nonsense"},
    ],
)
async def test_a_page_of_another_site_makes_nothing(shared_client, method, path, body, headers):
    before = (await shared_client.get("/api/v1/batches")).json()
    answer = await shared_client.request(method, path, headers=headers, **body)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/cross-site")
    assert (await shared_client.get("/api/v1/batches")).json() == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "HTTP://LOCALHOST"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_programs_and_its_own_page_may_write(shared_client, headers):
    answer = await shared_client.post("/api/v1/predictions", json=TARGET, headers=headers)
    assert answer.status_code == 202


async def test_reading_is_left_to_the_browser(shared_client):
    answer = await shared_client.get("/api/v1/jobs", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 200
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 401),
        ({"access": "anonymous"}, 200),
        ({"published_host": "127.0.0.1"}, 200),
    ],
)
async def test_a_server_that_was_started_on_another_address_serves_nobody_without_keys(
    shared_settings, changes, status
):
    """`uvicorn app.main:app --host 0.0.0.0` knows nothing of the settings that `serve` looks at."""
    async with running(shared_settings.model_copy(update=changes)) as client:
        app = client._transport.app

        async def on_other_address(scope, receive, send):
            await app(scope | {"server": ("192.0.2.1", 8000)}, receive, send)

        transport = httpx.ASGITransport(app=on_other_address)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as outside:
            assert (await outside.get("/api/v1/jobs")).status_code == status
            assert (await outside.get("/healthz")).status_code == 200


async def test_keys_that_are_refused_have_a_limit(shared_settings):
    limited = shared_settings.model_copy(update={"access": "keys", "rate_limit_per_minute": 5})
    async with running(limited) as client:
        wrong = {"Authorization": "Bearer flk_0123456789abcdef_" + "A" * 43}
        answers = [await client.get("/api/v1/jobs", headers=wrong) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("proxies", "believed"), [((), False), (("127.0.0.1",), True), (("10.0.0.0/8",), False)]
)
async def test_a_proxy_is_believed_if_it_is_named(monkeypatch, shared_settings, proxies, believed):
    import app.__main__ as program  # noqa: PLC0415

    seen = {}

    class Kept:
        def __init__(self, _application, config):
            seen["config"] = config

        def run(self, **_sockets):
            pass

    settings = shared_settings.model_copy(update={"trusted_proxies": proxies})
    monkeypatch.setattr(program, "Settings", lambda: settings)
    monkeypatch.setattr(program, "_Server", Kept)
    monkeypatch.setattr(program, "create_app", lambda _settings: _telling)
    program.main(fd=None)
    config = seen["config"]
    config.load()
    told = []

    async def send(message):
        told.append(message)

    forwarded = [(b"x-forwarded-for", b"203.0.113.9")]
    scope = {"type": "http", "client": ("127.0.0.1", 1), "headers": forwarded, "scheme": "http"}
    await config.loaded_app(scope, None, send)
    assert (told == ["203.0.113.9"]) == believed


async def _telling(scope, _receive, send):
    await send(scope["client"][0])
