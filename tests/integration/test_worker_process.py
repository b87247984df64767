from pathlib import Path

import pytest
from sqlalchemy import func, select

from fiberless.contract import JobPhase, PredictionOptions, Target
from fiberless.service.queue import JobQueue
from fiberless.service.storage import SubmitJob
from fiberless.service.storage.schema import PREDICTION
from fiberless.testing import synthetic_cutout
from worker.sweeper import Sweeper

pytestmark = pytest.mark.stack

BREAKING = str(Path(__file__).parent / "breaking_worker.py")
SLOW = str(Path(__file__).parent / "slow_worker.py")
DOOMED = str(Path(__file__).parent / "doomed_worker.py")
PREDICT = ("-m", "worker", "predict")
FETCH = ("-m", "worker", "fetch")


@pytest.fixture
def job_queue(broker):
    with_close = JobQueue(broker.url)
    yield with_close
    with_close.close()


@pytest.fixture(autouse=True)
def sweeper(store, job_queue, settings):
    with_close = Sweeper(store, job_queue, settings=settings)
    with_close.start()
    yield with_close
    with_close.close()


@pytest.fixture
def enqueue(submit, job_queue):
    """Submit a job and send its message, as the front end does; its id."""

    def submit_and_send(label="", seed=1):
        job_id = submit(label, seed)
        job_queue.send(job_id, "predict")
        return job_id

    return submit_and_send


@pytest.fixture
def ended(store, wait_until):
    """Wait until all jobs are over; the jobs."""

    def jobs_after_end(job_ids):
        wait_until(lambda: all(store.jobs.get(job_id).phase.is_final for job_id in job_ids), "the jobs' end")
        return [store.jobs.get(job_id) for job_id in job_ids]

    return jobs_after_end


def _count_predictions(store):
    with store.database.read() as connection:
        return connection.execute(select(func.count()).select_from(PREDICTION)).scalar_one()


def test_a_worker_killed_in_mid_job_loses_nothing_and_stores_once(
    store, enqueue, start_worker, ended, tmp_path
):
    job_id = enqueue("once")
    start_worker(DOOMED, str(tmp_path))
    (job,) = ended([job_id])
    assert [path.name for path in tmp_path.glob("death-*")] == ["death-1-by-signal-9"]
    assert (job.phase, job.attempts) == (JobPhase.COMPLETED, 2)
    assert _count_predictions(store) == 1
    assert store.predictions.get(job.prediction_id).object.object_id == "test:1"


def test_a_poison_job_fails_alone(store, enqueue, start_worker, ended, tmp_path):
    neighbours = [enqueue(seed=seed) for seed in range(1, 4)]
    poison = enqueue("poison", seed=9)
    neighbours += [enqueue(seed=seed) for seed in range(4, 6)]
    start_worker(DOOMED, str(tmp_path))
    assert {job.phase for job in ended(neighbours)} == {JobPhase.COMPLETED}
    (job,) = ended([poison])
    assert (job.phase, job.error.slug, job.attempts) == (JobPhase.ERROR, "worker-crashed", 3)
    assert len(list(tmp_path.glob("death-*-by-signal-9"))) == 3
    assert _count_predictions(store) == 5


def test_an_emptied_and_a_restarted_broker_lose_no_job(broker, enqueue, start_worker, ended):
    ids = [enqueue(seed=seed) for seed in (1, 2, 3)]
    broker.client.flushall()
    worker = start_worker(*PREDICT)
    assert {job.phase for job in ended(ids)} == {JobPhase.COMPLETED}
    broker.kill()
    late = enqueue(seed=4)
    broker.start()
    assert [job.phase for job in ended([late])] == [JobPhase.COMPLETED]
    worker.terminate()
    assert worker.wait() == 0


def test_a_consumer_that_breaks_is_started_again(enqueue, start_worker, ended, tmp_path):
    ids = [enqueue(seed=seed) for seed in (1, 2)]
    worker = start_worker(BREAKING, str(tmp_path))
    assert {job.phase for job in ended(ids)} == {JobPhase.COMPLETED}
    assert (tmp_path / "broken").exists()
    worker.terminate()
    assert worker.wait() == 0


def test_a_worker_without_the_model_of_its_jobs_takes_itself_out_and_charges_none(
    store, job_queue, start_worker
):
    """The front end knows a newer version, as after an upgrade of half of the machines."""
    options = PredictionOptions(model="toy-2", n_candidates=2, steps=2)
    ids = [
        store.jobs.submit(SubmitJob(synthetic_cutout(n), None, options, None, ""))[0].id for n in range(1, 7)
    ]
    for job_id in ids:
        job_queue.send(job_id, "predict")
    assert start_worker(*PREDICT).wait(timeout=90) == 69
    assert {(store.jobs.get(i).phase, store.jobs.get(i).attempts) for i in ids} == {(JobPhase.QUEUED, 0)}
    assert "toy-2" in next(beat.trouble for beat in store.heartbeats.recent() if beat.trouble)


def test_claimed_jobs_go_back_at_sigterm(store, enqueue, start_worker, wait_until, tmp_path):
    ids = [enqueue("slow", seed=seed) for seed in range(1, 4)]
    worker = start_worker(SLOW, str(tmp_path))
    wait_until((tmp_path / "begun").exists, "the model's first step")
    worker.terminate()
    assert worker.wait(timeout=60) == 0
    assert {(store.jobs.get(i).phase, store.jobs.get(i).attempts) for i in ids} == {(JobPhase.QUEUED, 0)}


def test_the_fetch_process_takes_positions_and_sweeps(store, start_worker, ended):
    """Neither message nor image source: the process's own sweeper finds the job, the source refuses."""
    request = SubmitJob(
        None,
        Target(ra=38.35502, dec=-0.15570),
        PredictionOptions(model="toy-1"),
        idempotency_key=None,
        body_sha256="",
    )
    job_id = store.jobs.submit(request)[0].id
    worker = start_worker(*FETCH)
    (job,) = ended([job_id])
    assert (job.phase, job.error.slug) == (JobPhase.ERROR, "source-unavailable")
    assert [beat.worker_kind for beat in store.heartbeats.recent()] == ["fetch"]
    worker.terminate()
    assert worker.wait() == 0
