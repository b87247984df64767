"""The service against its own OpenAPI document: it takes what that declares valid, and refuses the rest.

Schemathesis makes the requests, good and bad, over a real server with a toy model and no worker.
"""

import asyncio
import gzip
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import requests
import schemathesis
import uvicorn
from astropy.table import Table
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig

from app.main import create_app
from fiberless.images.fits.read import write_cutout
from fiberless.service.storage.cursor import encode_cursor
from fiberless.testing import synthetic_cutout

GALAXIES = [write_cutout(synthetic_cutout(seed)) for seed in (1, 2)]
ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "429"]
CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {"deterministic": True, "database": "none"},
        "operations": [
            {  # OpenAPI cannot say which models there are, nor that only raw images have options in the query
                "include-name": ["POST /api/v1/predictions", "POST /api/v1/batches"],
                "checks": {"positive_data_acceptance": {"expected-statuses": [*ACCEPTED, "422"]}},
            },
            {  # a cone search tells mistakes in a table, with the status 200
                "include-name": "GET /vo/scs",
                "checks": {"negative_data_rejection": {"expected-statuses": ["200"]}},
            },
            {  # there is no worker, which is its very answer
                "include-name": "GET /readyz",
                "checks": {
                    "not_a_server_error": {"expected-statuses": ["2xx", "4xx", "503"]},
                    "positive_data_acceptance": {"expected-statuses": ["2xx", "503"]},
                },
            },
        ],
        "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
    }
)


def written_as(table_format):
    """Two targets as the bytes of a table."""
    table = Table({"id": ["A", "B"], "ra": [38.4, 200.0], "dec": [-0.1, 45.0]})
    with TemporaryDirectory() as folder:
        path = Path(folder) / "targets"
        table.write(path, format=table_format)
        return path.read_bytes()


SCHEMA = schemathesis.openapi.from_dict(create_app().openapi(), config=CONFIG)

schemathesis.openapi.format("cursor", st.just(encode_cursor(1.9e9, "j_0")))
schemathesis.openapi.format("binary", st.sampled_from(GALAXIES))
for media_type in ("application/fits", "image/fits"):
    schemathesis.openapi.media_type(media_type, st.sampled_from(GALAXIES))
for media_type in ("application/vnd.apache.parquet", "application/x-parquet"):
    schemathesis.openapi.media_type(media_type, st.just(written_as("parquet")))
schemathesis.openapi.media_type("application/x-ecsv", st.just(written_as("ascii.ecsv")))
schemathesis.openapi.media_type("application/gzip", st.just(gzip.compress(written_as("ascii.csv"), mtime=0)))


@pytest.fixture(scope="module")
def base_url(shared_settings):
    """URL of the front end, served from a thread."""
    server = uvicorn.Server(uvicorn.Config(create_app(shared_settings), port=0, log_config=None))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve()))
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def session():
    with requests.Session() as opened:
        yield opened


@SCHEMA.parametrize()
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_the_service_keeps_to_its_document(case, base_url, session):
    # longer than the longest `Prefer: wait` that a request may ask for
    case.call_and_validate(base_url=base_url, session=session, timeout=90)
