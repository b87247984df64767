"""Progress and cancellation, from the worker's side."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fiberless.contract import JobPhase, JobProgress, PredictionRequest
from fiberless.errors import TransientError
from fiberless.inference.predictor import load_predictor
from fiberless.testing import TOY_VERSION
from worker.batcher import Batcher
from worker.claimed_batch import BatchLimits
from worker.lease_renewer import LeaseRenewer
from worker.model_cache import ModelCache
from worker.model_runner import ModelRunner
from worker.reporter import BatchWatch, ProgressReporter, WorkStoppedError

HALFWAY = JobProgress(stage="predicting", done=7, total=15)


class SteppingModel:
    """Takes steps until the test lets it end or its watch stops it."""

    def __init__(self, result_for):
        self.may_end = threading.Event()
        self.stepping = threading.Event()
        self.was_stopped = False
        self._result_for = result_for

    def predict(self, requests, watch):
        while not self.may_end.wait(timeout=0.005):
            try:
                watch(range(len(requests)), HALFWAY)
            except WorkStoppedError:
                self.was_stopped = True
                raise
            self.stepping.set()
        return [self._result_for(request) for request in requests]


@pytest.fixture
def model(result_for):
    return SteppingModel(result_for)


@pytest.fixture
def batcher(store, model):
    renewer = LeaseRenewer(store, worker_kind="predict", worker_id="w", lease_seconds=60)
    limits = BatchLimits(
        batch_size=4, wait_seconds=0.2, max_attempts=3, deadline_seconds=600, report_seconds=0.01
    )
    started = Batcher(
        store, ModelRunner(model.predict, pytest.fail), renewer=renewer, limits=limits, abort=pytest.fail
    )
    started.start()
    yield started
    model.may_end.set()
    started.close()


def _eventually(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_row_tells_how_far_the_model_is_while_it_works(store, submit, model, batcher):
    job_id = submit("m31")
    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(batcher.run, job_id)
        _eventually(lambda: store.jobs.get(job_id).progress == HALFWAY)
        model.may_end.set()
        task.result()
    assert store.jobs.get(job_id).phase is JobPhase.COMPLETED
    told = [(event.job.phase.value, event.job.progress.done) for event in store.jobs.events(job_id)]
    assert told == [("QUEUED", 0), ("EXECUTING", 0), ("EXECUTING", 7), ("COMPLETED", 15)], (
        "once, not every step"
    )


def test_a_cancelled_job_stops_the_model_and_nothing_is_stored(store, submit, model, batcher):
    job_id = submit("m31")
    with ThreadPoolExecutor(1) as pool:
        task = pool.submit(batcher.run, job_id)
        assert model.stepping.wait(timeout=30)
        store.jobs.cancel(job_id)
        task.result(timeout=30)
    assert model.was_stopped
    assert store.jobs.get(job_id).phase is JobPhase.ABORTED
    assert not store.predictions.exists("p_m31")


def test_a_cancelled_job_costs_its_neighbours_nothing(store, submit, model, batcher):
    cancelled, other = submit("m31"), submit("m33")
    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(batcher.run, job_id) for job_id in (cancelled, other)]
        _eventually(lambda: {store.jobs.get(i).phase for i in (cancelled, other)} == {JobPhase.EXECUTING})
        store.jobs.cancel(cancelled)
        time.sleep(0.1)
        model.may_end.set()
        for task in tasks:
            task.result(timeout=30)
    assert [store.jobs.get(job_id).phase for job_id in (cancelled, other)] == [
        JobPhase.ABORTED,
        JobPhase.COMPLETED,
    ]
    assert store.predictions.exists("p_m33")
    assert not store.predictions.exists("p_m31")


def test_a_watch_tells_news_once_and_stops_when_all_are_gone():
    watch = BatchWatch("t", ["a", "b"])
    watch.see(["a", "b"], [1], HALFWAY)
    assert watch.news() == {"b": HALFWAY}
    assert watch.news() == {}
    watch.keep({"b"})
    watch.see(["a", "b"], [0], HALFWAY)
    assert (watch.is_gone("a"), watch.is_gone("b")) == (True, False)
    with pytest.raises(WorkStoppedError):
        watch.see(["a"], [0], HALFWAY)


def test_a_storage_that_is_away_delays_progress_only(store, submit, monkeypatch):
    job_id = submit()
    store.leases.claim([job_id], lease_token="t", queue="predict", lease_seconds=60, max_attempts=3)
    reporter = ProgressReporter(store, pause_seconds=0.01)
    watch = reporter.watch("t", [job_id])
    asked = threading.Event()

    def fail(_lease_token):
        asked.set()
        raise TransientError("storage-unavailable", "away")

    with monkeypatch.context() as patch:
        patch.setattr(type(store.leases), "held", lambda _self, lease_token: fail(lease_token))
        reporter.start()
        assert asked.wait(timeout=30)
    watch.see([job_id], [0], HALFWAY)
    _eventually(lambda: store.jobs.get(job_id).progress == HALFWAY)
    reporter.close()


def test_the_model_tells_of_every_step_and_every_galaxy(toy_store, submit, store):
    ids = [submit("a"), submit("b")]
    jobs = store.leases.claim(ids, lease_token="t", queue="predict", lease_seconds=60, max_attempts=3)
    requests = [PredictionRequest(store.leases.load_cutout(job), job.options) for job in jobs]
    model_cache = ModelCache(toy_store, default_version=TOY_VERSION, device="cpu")
    heard = []
    results = model_cache.predict(requests, lambda rows, progress: heard.append((list(rows), progress)))
    assert [(rows, p.stage, p.done, p.total) for rows, p in heard] == [
        ([0, 1], "predicting", 1, 2),
        ([0, 1], "predicting", 2, 2),
        ([0, 1], "measuring", 0, 2),
        ([0, 1], "measuring", 1, 2),
    ]
    alone = load_predictor(toy_store, TOY_VERSION, device="cpu").predict(requests)
    assert [r.prediction.id for r in results] == [r.prediction.id for r in alone], "listening changes nothing"
