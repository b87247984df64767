"""A front end over a real store and a toy model, without broker and workers."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from app.main import create_app
from fiberless.contract import QUEUE_PREDICT, PredictionRequest
from fiberless.images.fits.read import write_cutout
from fiberless.inference.predictor import Predictor, load_predictor
from fiberless.service.settings import Settings
from fiberless.service.storage import open_store
from fiberless.testing import TOY_VERSION, synthetic_cutout, write_toy_store


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="session")
def model_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_toy_store(folder)
    return folder


@pytest.fixture(scope="session")
def predictor(model_store) -> Predictor:
    return load_predictor(model_store, TOY_VERSION, device="cpu")


@pytest.fixture(scope="session")
def galaxy_fits() -> bytes:
    return write_cutout(synthetic_cutout(1))


@pytest.fixture(scope="session")
def other_galaxy_fits() -> bytes:
    return write_cutout(synthetic_cutout(2))


@pytest.fixture(scope="session")
def make_placed() -> Callable[[float, float], bytes]:
    """FITS of a galaxy at a place on the sky."""

    def make(ra: float, dec: float) -> bytes:
        return write_cutout(replace(synthetic_cutout(1), ra=ra, dec=dec))

    return make


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


def settings_in(folder: Path, model_store: Path) -> Settings:
    return Settings(data_dir=folder, model_store=model_store, redis_url=None, max_upload_bytes=2**20)


@pytest.fixture
def settings(tmp_path, model_store) -> Settings:
    return settings_in(tmp_path, model_store)


@pytest.fixture
async def client(settings):
    async with running(settings) as client:
        yield client


@pytest.fixture
def work(settings, predictor) -> Callable[[str], None]:
    """A worker's part, done here and now."""
    return partial(work_off, settings, predictor)


@pytest.fixture(scope="session")
def shared_settings(tmp_path_factory, model_store) -> Settings:
    """Of one front end for the tests that only read, or are refused."""
    return settings_in(tmp_path_factory.mktemp("data"), model_store)


@pytest.fixture(scope="session")
async def shared_client(shared_settings):
    async with running(shared_settings) as client:
        yield client


@pytest.fixture(scope="session")
async def prediction_id(shared_client, shared_settings, predictor, galaxy_fits) -> str:
    """A stored prediction of 4 candidates of the object test:1, for `shared_client`."""
    answer = await shared_client.post(
        "/api/v1/predictions?object_id=test:1&n_candidates=4",
        content=galaxy_fits,
        headers={"Content-Type": "application/fits"},
    )
    assert answer.status_code == 202
    work_off(shared_settings, predictor, answer.json()["id"])
    job = (await shared_client.get(answer.headers["Location"])).json()
    return str(job["prediction_id"])


def work_off(settings: Settings, predictor: Predictor, job_id: str) -> None:
    """Claim one job, predict, store."""
    store = open_store(settings)
    (job,) = store.leases.claim(
        [job_id], lease_token="w", queue=QUEUE_PREDICT, lease_seconds=60, max_attempts=3
    )
    (result,) = predictor.predict([PredictionRequest(store.leases.load_cutout(job), job.options)])
    assert store.predictions.finish(job.id, "w", result)
    store.close()
