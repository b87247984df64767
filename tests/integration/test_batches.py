"""A batch of mixed rows through real processes, killed half-way: each row ends with its known answer."""

import asyncio
import csv
import io
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest
from sqlalchemy import func, select

from app.main import create_app
from fiberless.contract import JobPhase, PredictionOptions
from fiberless.images.fits.read import write_cutout
from fiberless.service.queue import JobQueue
from fiberless.service.storage import BatchHead, BatchRow
from fiberless.service.storage.schema import JOB, JOB_EVENT, PREDICTION
from fiberless.testing import synthetic_cutout
from worker.sweeper import Sweeper

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
PATIENCE_SECONDS = 240.0
DOOMED = str(Path(__file__).parent / "doomed_worker.py")
N_ROWS, N_GOOD, N_UNREADABLE = 500, 40, 10


@pytest.fixture
def wait_until():
    """Poll with the patience that a busy machine needs."""

    def wait(is_done, what):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_done():
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.1)

    return wait


def _position(number):
    return round(10 + number / 10, 4), round(-5 + number / 100, 4)


@pytest.fixture
def settings(settings, tmp_path):
    """With a folder of images: good ones, and some that are cut short."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(N_GOOD + N_UNREADABLE):
        ra, dec = _position(number)
        data = write_cutout(replace(synthetic_cutout(number % 4), ra=ra, dec=dec))
        (folder / f"{number}.fits").write_bytes(data if number < N_GOOD else data[:-2880])
    sources = {"archive_dir": folder, "cutout_sources": ("archive",)}
    patience = {"database_timeout_seconds": 20.0}
    return settings.model_copy(update=sources | patience | {"batch_size": 8})


def _rows():
    """Rows of the table, the four kinds mixed, and the answer to each."""
    for row in range(N_ROWS):
        kind, number = row % 10, row // 10
        ra, dec = _position(number)
        match kind:
            case 0 if number < N_GOOD:
                yield (f"row:{row}", ra, dec), ("COMPLETED", None)
            case 0:
                yield (f"row:{row}", ra, dec), ("ERROR", "fits-truncated")
            case 1:
                yield (f"row:{row}", 200 + row / 100, 60), ("ERROR", "outside-footprint")
            case 2 | 3 | 4 | 5:
                yield (f"row:{row}", 361 + row, 0), ("ERROR", "invalid-coordinates")
            case _:
                yield (f"row:{row}", "", "abc"), ("ERROR", "invalid-coordinates")


def _talk(settings, conversation):
    """Run a conversation with a front end on the same store and broker."""

    async def run():
        app = create_app(settings)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            return await conversation(client)

    return asyncio.run(run())


def _count(store, table, *conditions):
    with store.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()


@pytest.fixture
def predict_worker(store, start_worker, wait_until, tmp_path):
    """A worker with the model, started again by its supervisor when it is killed; the process to kill."""
    supervisor = psutil.Process(start_worker(DOOMED, str(tmp_path)).pid)
    wait_until(supervisor.children, "the imports")
    wait_until(lambda: "predict" in {beat.worker_kind for beat in store.heartbeats.recent()}, "the model")
    (child,) = supervisor.children()
    return child


def test_a_batch_killed_half_way_ends_with_each_rows_own_answer(
    settings, store, predict_worker, start_worker, wait_until, tmp_path
):
    rows, answers = zip(*_rows(), strict=True)
    text = io.StringIO()
    csv.writer(text).writerows([("id", "ra", "dec"), *rows])

    async def submit(client):
        query = "n_candidates=2&steps=2&model=toy-1"
        headers = {"Content-Type": "text/csv", "Idempotency-Key": "once"}
        return await client.post(f"/api/v1/batches?{query}", content=text.getvalue(), headers=headers)

    batch_id = _talk(settings, submit).json()["id"]
    counts = lambda: store.batches.get(batch_id, owner="").counts  # noqa: E731
    assert sum(counts().values()) == N_ROWS
    fetch_worker = start_worker("-m", "worker", "fetch")
    wait_until(lambda: counts()[JobPhase.COMPLETED] >= 4, "the first predictions")
    predict_worker.kill()
    fetch_worker.kill()
    wait_until((tmp_path / "death-1-by-signal-9").exists, "the kill")
    assert not store.batches.get(batch_id, owner="").phase.is_final, "it was killed half-way"
    assert _talk(settings, submit).json()["id"] == batch_id, "the same request again is the same batch"
    start_worker("-m", "worker", "fetch")
    wait_until(lambda: store.batches.get(batch_id, owner="").phase.is_final, "the batch's end")

    async def download(client):
        return await client.get(f"/api/v1/batches/{batch_id}/results?format=csv")

    found = list(csv.DictReader(io.StringIO(_talk(settings, download).text)))
    assert [(row["id"], row["phase"], row["error"] or None) for row in found] == [
        (row[0], *answer) for row, answer in zip(rows, answers, strict=True)
    ]
    assert all(bool(row["redshift"]) == (row["phase"] == "COMPLETED") for row in found)
    assert store.batches.get(batch_id, owner="").phase is JobPhase.COMPLETED
    assert {phase.value: count for phase, count in counts().items() if count} == Counter(
        phase for phase, _ in answers
    )
    assert _count(store, PREDICTION) == N_GOOD, "each is stored once"
    assert _count(store, JOB) == N_ROWS
    completed = JOB_EVENT.c.phase == JobPhase.COMPLETED
    assert _count(store, JOB_EVENT, completed) == N_GOOD


def test_a_single_job_overtakes_a_batch(settings, store, submit, broker, start_worker, wait_until, tmp_path):
    """The messages of 60 images lie in the queue when one single job comes; it is among the first to run."""
    options = PredictionOptions(n_candidates=1, steps=2, model="toy-1")
    head = BatchHead(owner="", options=options, queue="predict", idempotency_key=None, body_sha256="")
    key = store.batches.keep_cutout(synthetic_cutout(1))
    batch_id = store.batches.begin(head).id
    rows = [BatchRow(name=str(row), object_id=f"row:{row}", cutout_key=key) for row in range(60)]
    store.batches.add_rows(batch_id, head, rows, first_row=0)
    store.batches.open(batch_id, n_rows=len(rows))
    job_queue = JobQueue(broker.url)
    assert Sweeper(store, job_queue, settings=settings).sweep() == 60
    assert (job_queue.waiting("predict", is_batch=True), job_queue.waiting("predict")) == (60, 0)
    single = submit(seed=5)
    job_queue.send(single, "predict")
    assert job_queue.waiting("predict") == 1
    job_queue.close()
    worker = psutil.Process(start_worker(DOOMED, str(tmp_path)).pid)
    wait_until(worker.children, "the imports")
    wait_until(lambda: store.jobs.get(single).phase.is_final, "the single job's end")
    wait_until(lambda: store.batches.get(batch_id, owner="").phase.is_final, "the batch's end")
    assert store.batches.get(batch_id, owner="").counts[JobPhase.COMPLETED] == 60
    started = store.jobs.get(single).started
    earlier = [
        item.row
        for item in store.batches.items(batch_id, owner="", limit=60).items
        if store.jobs.get(item.job_id).started < started
    ]
    assert len(earlier) <= settings.batch_size, "at most what was taken together with it"
