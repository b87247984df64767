"""Behind a proxy that adds a path: pages, links of documents and pages of lists lead to the service."""

import re
from urllib.parse import urljoin

import pytest

from app.main import create_app
from fiberless.service.settings import Settings
from tests.app.conftest import running

pytestmark = pytest.mark.anyio
PREFIX = "/user/me/proxy/8000"


@pytest.mark.parametrize("page", ["", "docs", "problems/not-found"])
async def test_the_addresses_of_a_page_are_relative(client, page):
    text = (await client.get(f"/{page}")).text
    addresses = set(re.findall(r'(?:href|src)="([^"#][^"]*)"', text))
    assert addresses
    for address in addresses:
        found = urljoin(f"http://h{PREFIX}/{page}", address)
        assert found.startswith(f"http://h{PREFIX}/")
        assert (await client.get(found.removeprefix(f"http://h{PREFIX}"))).status_code in {200, 503}


@pytest.mark.parametrize("name", ["X-Forwarded-Prefix", "X-Forwarded-Context", "X-ProxyContextPath"])
async def test_links_carry_what_a_proxy_on_this_machine_says(client, galaxy_fits, name):
    headers = {"Content-Type": "application/fits", name: PREFIX}
    answer = await client.post("/api/v1/predictions", content=galaxy_fits, headers=headers)
    job = answer.json()
    assert answer.headers["Location"] == job["links"]["self"] == f"{PREFIX}/api/v1/jobs/{job['id']}"


async def test_a_prefix_that_the_proxy_leaves_in_the_path_is_taken_off(client):
    headers = {"X-Forwarded-Prefix": PREFIX}
    answer = await client.get(f"{PREFIX}/api/v1/models", headers=headers)
    assert answer.status_code == 200
    assert answer.json()["models"][0]["href"].startswith(f"{PREFIX}/api/v1/models/")
    assert (await client.get(f"{PREFIX}/static/style.css", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "said", ["//evil.example", "https://evil.example", "/a/../b", "/a b", "x", "/" + "a" * 600]
)
async def test_what_is_no_path_is_not_believed(client, galaxy_fits, said):
    headers = {"Content-Type": "application/fits", "X-Forwarded-Prefix": said}
    job = (await client.post("/api/v1/predictions", content=galaxy_fits, headers=headers)).json()
    assert job["links"]["self"] == f"/api/v1/jobs/{job['id']}"


async def test_other_machines_are_not_believed(client, galaxy_fits):
    client._transport.client = ("203.0.113.7", 1234)
    headers = {"Content-Type": "application/fits", "X-Forwarded-Prefix": PREFIX}
    job = (await client.post("/api/v1/predictions", content=galaxy_fits, headers=headers)).json()
    assert job["links"]["self"] == f"/api/v1/jobs/{job['id']}"


async def test_the_prefix_of_the_settings_needs_no_header(settings):
    async with running(settings.model_copy(update={"root_path": "/fiberless"})) as client:
        for path in ("/api/v1/models", "/fiberless/api/v1/models"):
            models = (await client.get(path)).json()["models"]
            assert models[0]["href"].startswith("/fiberless/api/v1/models/")


def test_a_root_path_that_is_none_is_refused():
    with pytest.raises(ValueError, match="root_path"):
        create_app(Settings(root_path="https://elsewhere"))
