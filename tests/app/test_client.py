"""The client against the real front end, so that both mean the same by each call."""

import asyncio
from dataclasses import replace
from io import BytesIO

import httpx
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from specutils import Spectrum

from app.main import create_app
from fiberless.client import AsyncClient
from fiberless.contract import QUEUE_PREDICT, JobPhase, PredictionRequest
from fiberless.errors import JobCancelled, NotFound, UsageError
from fiberless.service.api_keys import Scope
from fiberless.service.settings import Settings
from fiberless.service.storage import open_store
from fiberless.testing import TOY_VERSION, synthetic_cutout

pytestmark = pytest.mark.anyio
GALAXY = replace(synthetic_cutout(3), ra=150.0, dec=2.0)


@pytest.fixture(scope="module")
def settings(tmp_path_factory, model_store):
    return Settings(
        data_dir=tmp_path_factory.mktemp("data"), model_store=model_store, redis_url=None, access="keys"
    )


@pytest.fixture(scope="module")
async def service(settings):
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield httpx.ASGITransport(app=app)


@pytest.fixture
def store(settings, service):  # noqa: ARG001  it makes the tables
    opened = open_store(settings)
    yield opened
    opened.close()


@pytest.fixture
async def client(store, service):
    _, token = store.create_key("alice", scopes={Scope.READ, Scope.SUBMIT})
    client = AsyncClient("http://test", api_key=str(token), transport=service)
    yield client
    await client.aclose()


async def next_job(store, asked):
    """Id of the job that a call has led to; the call's own error if it ended without one."""
    for _ in range(3000):
        waiting = store.jobs(owner="alice", phases=[JobPhase.QUEUED]).jobs
        if waiting:
            return waiting[0].id
        if asked.done():
            await asked
        await asyncio.sleep(0.01)
    pytest.fail("no job was written down")


def work_off(store, predictor, job_id):
    """Do a worker's part of a job."""
    (job,) = store.claim([job_id], owner="w", queue=QUEUE_PREDICT, lease_seconds=60, max_attempts=3)
    (result,) = predictor.predict([PredictionRequest(store.load_cutout(job), job.options, job.owner)])
    assert store.finish(job.id, "w", result)


async def test_from_the_image_to_all_that_is_known_of_it(client, store, predictor):
    asked = asyncio.create_task(client.predict(GALAXY, object_id="test:1", n_candidates=2))
    job_id = await next_job(store, asked)
    work_off(store, predictor, job_id)
    prediction = await asked
    assert (await client.prediction(prediction.id)) == prediction == await client.get("test:1")
    assert [job.phase async for job in client.events(job_id)][-1] is JobPhase.COMPLETED
    assert (await client.job(job_id)).prediction_id == prediction.id
    near = await client.cone(SkyCoord(150.0, 2.001, unit="deg"), 5 * u.arcsec)
    assert list(near["prediction_id"]) == [prediction.id]
    assert near["separation_arcsec"][0] == pytest.approx(3.6, abs=1e-3)
    assert len(await client.cone(SkyCoord(150.0, 2.001, unit="deg"), 3 * u.arcsec)) == 0
    spectrum = Spectrum.read(BytesIO(await client.spectrum_fits(prediction.id)))
    assert spectrum.flux.unit == prediction.to_spectrum().flux.unit
    assert (await client.cutout_fits(prediction.id)).startswith(b"SIMPLE")
    assert (await client.preview_png(prediction.id)).startswith(b"\x89PNG")


async def test_a_batch_is_handed_in_cancelled_and_read(client):
    batch = await client.batch([(10.0, 1.0), {"id": "bad", "ra": 400.0, "dec": 0.0}], seed=5)
    assert (batch.n_rows, batch.counts[JobPhase.ERROR]) == (2, 1)
    assert (await client.cancel_batch(batch.id)).counts[JobPhase.ABORTED] == 1
    assert (await client.batch_status(batch.id, wait=True)).phase.is_final
    assert len(await client.batch_results(batch.id)) == 2


async def test_a_job_by_place_or_name_is_cancelled(client, store):
    for question in ({"ra": 10.0, "dec": 1.0}, {"object_id": "sdss:1237648720693755918"}):
        asked = asyncio.create_task(client.predict(**question))
        assert (await client.cancel(await next_job(store, asked))).phase is JobPhase.ABORTED
        with pytest.raises(JobCancelled):
            await asked


async def test_errors_of_the_service_are_raised_as_they_are(client, service):
    with pytest.raises(UsageError, match="not-fits"):
        await client.predict(b"no image")
    with pytest.raises(NotFound):
        await client.get("test:nothing")
    async with AsyncClient("http://test", api_key="flk_wrong", transport=service) as stranger:
        with pytest.raises(UsageError, match="unauthorized"):
            await stranger.models()


async def test_models_are_told(client):
    assert (await client.models())["default"] == TOY_VERSION
