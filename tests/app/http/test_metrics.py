"""/metrics as Prometheus reads it."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fiberless.contract import PredictionOptions
from fiberless.service.storage import SubmitJob, open_store
from fiberless.testing import synthetic_cutout

pytestmark = pytest.mark.anyio


async def samples(client):
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


async def test_waiting_jobs_and_requests_are_counted(client, settings):
    store = open_store(settings)
    before = await samples(client)
    assert before["fiberless_jobs_waiting", ("queue", "predict")] == 0
    options = PredictionOptions(model="toy-1")
    submitted = SubmitJob(
        cutout=synthetic_cutout(1), target=None, options=options, idempotency_key=None, body_sha256=None
    )
    store.jobs.submit(submitted)
    await client.get("/api/v1/jobs/j_" + "0" * 32)
    await client.get("/api/v1/jobs/j_" + "1" * 32)
    after = await samples(client)
    assert after["fiberless_jobs_waiting", ("queue", "predict")] == 1
    counted = {key: value for key, value in after.items() if key[0].endswith("http_requests_total")}
    route = {key: value for key, value in counted.items() if ("handler", "/api/v1/jobs/{job_id}") in key}
    assert list(route.values()) == [2]
    assert ("status", "404") in next(iter(route))


async def test_each_worker_tells_when_it_was_last_heard(client, settings):
    store = open_store(settings)
    store.heartbeats.beat("predict", "w-1")
    told = await samples(client)
    assert 0 <= told["fiberless_worker_silence_seconds", ("kind", "predict"), ("worker", "w-1")] < 60
