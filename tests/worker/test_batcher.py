import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from fiberless.contract import JobPhase, JobProgress, PredictionOptions, PredictionRequest
from fiberless.errors import FatalError, TransientError, UsageError
from fiberless.testing import synthetic_cutout
from worker.batcher import Batcher
from worker.claimed_batch import BatchLimits
from worker.faults import DeviceLostError
from worker.lease_renewer import LeaseRenewer
from worker.model_runner import ModelRunner
from worker.reporter import BatchWatch

LIMITS = {"batch_size": 4, "wait_seconds": 0.05, "max_attempts": 3, "deadline_seconds": 600}


class ScriptedModel:
    """Answers by the labels of the requests, and remembers which came together."""

    def __init__(self, result_for):
        self.calls = []
        self.faults = {}
        self.largest = 1000
        self.first_call = threading.Event()
        self.may_go = threading.Event()
        self.may_go.set()
        self.sick_by = None
        self.reports_progress = False
        self._result_for = result_for

    def probe(self, _request):
        if self.sick_by:
            raise self.sick_by

    def predict(self, requests, watch):
        self.calls.append([request.options.label for request in requests])
        self.first_call.set()
        self.may_go.wait()
        if self.reports_progress:
            watch(range(len(requests)), JobProgress(stage="sampling", done=1, total=2))
        if len(requests) > self.largest:
            raise MemoryError
        if self.sick_by:
            raise self.sick_by
        for label in self.calls[-1]:
            if label in self.faults:
                raise self.faults[label]
        return [self._result_for(request) for request in requests]


@pytest.fixture
def model(result_for):
    return ScriptedModel(result_for)


@pytest.fixture
def batcher(store, model):
    """Start a batcher, and end it afterwards."""

    @contextmanager
    def running(**changes):
        abort = changes.pop("abort", None)
        renewer = LeaseRenewer(store, worker_kind="predict", worker_id="w", lease_seconds=60)
        started = Batcher(
            store,
            ModelRunner(model.predict, model.probe),
            renewer=renewer,
            limits=BatchLimits(**(LIMITS | changes)),
            abort=abort or pytest.fail,
        )
        started.start()
        yield started
        started.close()

    return running


def _run_all(batcher, job_ids):
    with ThreadPoolExecutor(len(job_ids)) as pool:
        list(pool.map(batcher.run, job_ids))


def _phases(store, job_ids):
    return [store.jobs.get(job_id).phase for job_id in job_ids]


def test_a_job_is_predicted_and_stored(store, submit, batcher):
    job_id = submit("m31")
    with batcher() as running:
        running.run(job_id)
    job = store.jobs.get(job_id)
    assert (job.phase, job.prediction_id, job.attempts) == (JobPhase.COMPLETED, "p_m31", 1)
    assert store.predictions.get("p_m31").id == "p_m31"


def test_a_burst_is_predicted_in_batches_of_at_most_b(store, submit, model, batcher):
    ids = [submit(str(n)) for n in range(13)]
    model.may_go.clear()
    with batcher() as running, ThreadPoolExecutor(13) as pool:
        tasks = [pool.submit(running.run, job_id) for job_id in ids]
        model.first_call.wait()
        model.may_go.set()
        for task in tasks:
            task.result()
    assert _phases(store, ids) == [JobPhase.COMPLETED] * 13
    assert sorted(label for call in model.calls for label in call) == sorted(str(n) for n in range(13))
    assert max(len(call) for call in model.calls) <= 4
    assert len(model.calls) < 13


def test_a_bad_job_fails_alone_and_says_why(store, submit, model, batcher):
    model.faults["bad"] = UsageError("fits-shape", "not 64×64")
    ids = [submit(label) for label in ("a", "b", "bad", "c")]
    with batcher() as running:
        _run_all(running, ids)
    assert _phases(store, ids) == [JobPhase.COMPLETED, JobPhase.COMPLETED, JobPhase.ERROR, JobPhase.COMPLETED]
    error = store.jobs.get(ids[2]).error
    assert (error.slug, error.kind, error.detail) == ("fits-shape", "usage", "not 64×64")


def test_a_bug_fails_its_job_only_after_all_attempts_and_tells_no_secrets(store, submit, model, batcher):
    model.faults["bug"] = ZeroDivisionError("secret")
    ids = [submit(label) for label in ("a", "bug", "b")]
    with batcher() as running:
        _run_all(running, ids)
        assert _phases(store, ids) == [JobPhase.COMPLETED, JobPhase.QUEUED, JobPhase.COMPLETED]
        running.run(ids[1])
        running.run(ids[1])
    job = store.jobs.get(ids[1])
    assert (job.phase, job.attempts, job.error.slug) == (JobPhase.ERROR, 3, "internal-error")
    assert "secret" not in job.error.detail


def test_a_batch_too_large_for_the_device_is_halved(store, submit, model, batcher):
    model.largest = 1
    ids = [submit(str(n)) for n in range(4)]
    with batcher() as running:
        _run_all(running, ids)
    assert _phases(store, ids) == [JobPhase.COMPLETED] * 4


@pytest.mark.parametrize(
    "fault",
    [
        TransientError("storage-unavailable", "later"),
        ConnectionResetError("gone"),
        UsageError("unknown-model", "no model version toy-1 here"),
        FatalError("model-unavailable", "denoiser.safetensors differs"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_fault_of_the_machine_costs_a_job_no_attempt(store, submit, model, batcher, fault):
    model.faults["unlucky"] = fault
    job_id = submit("unlucky")
    with batcher() as running:
        running.run(job_id)
        running.run(job_id)
        assert (store.jobs.get(job_id).phase, store.jobs.get(job_id).attempts) == (JobPhase.QUEUED, 0)
        model.faults.clear()
        running.run(job_id)
    job = store.jobs.get(job_id)
    assert (job.phase, job.attempts) == (JobPhase.COMPLETED, 1)


@pytest.fixture
def leaving():
    """Exit codes of a worker, instead of exits."""
    return []


def test_a_sick_worker_charges_nothing_takes_itself_out_and_says_why(store, submit, model, batcher, leaving):
    model.sick_by = MemoryError("device out of memory")
    ids = [submit(str(n)) for n in range(12)]
    with batcher(abort=leaving.append) as running:
        _run_all(running, ids)
    assert leaving == [69]
    jobs = [store.jobs.get(job_id) for job_id in ids]
    assert {(job.phase, job.attempts) for job in jobs} == {(JobPhase.QUEUED, 0)}
    (beat,) = store.heartbeats.recent()
    assert "device out of memory" in beat.trouble
    assert len(model.calls) < 20, "it does not go on trying"


def test_success_between_failures_keeps_a_worker_in(store, submit, model, batcher):
    model.faults["bug"] = ZeroDivisionError()
    with batcher(batch_size=1) as running:
        for n in range(4):
            running.run(submit("bug"))
            running.run(submit(f"good {n}"))
    assert [beat.trouble for beat in store.heartbeats.recent()] == []


def test_a_job_that_failed_here_is_left_to_another_worker_while_there_is_one(store, submit, model, batcher):
    model.faults["bug"] = ZeroDivisionError()
    job_id = submit("bug")
    store.heartbeats.beat("predict", "other")
    with batcher() as running:
        running.run(job_id)
        running.run(job_id)
        assert len(model.calls) == 1
        store.heartbeats.beat("predict", "other", trouble="sick as well")
        running.run(job_id)
    assert len(model.calls) == 2


def test_jobs_go_back_when_the_process_is_told_to_end(store, submit, model, batcher):
    """The model stops between two steps; what waits for it never begins; nothing is charged."""
    ids = [submit(str(n)) for n in range(9)]
    model.may_go.clear()
    model.reports_progress = True
    with batcher(batch_size=3, grace_seconds=0) as running, ThreadPoolExecutor(len(ids)) as pool:
        tasks = [pool.submit(running.run, job_id) for job_id in ids]
        model.first_call.wait()
        running.stop()
        running._runner._hurried.wait()
        model.may_go.set()
        for task in tasks:
            task.result()
        running.run(ids[0])
    assert len(model.calls) == 1
    assert {(store.jobs.get(i).phase, store.jobs.get(i).attempts) for i in ids} == {(JobPhase.QUEUED, 0)}


def test_jobs_tried_before_run_alone(store, submit, model, batcher):
    tried = [submit("t1"), submit("t2")]
    fresh = [submit("f1"), submit("f2")]
    for job_id in tried:
        store.leases.claim([job_id], lease_token="dead", queue="predict", lease_seconds=-1, max_attempts=3)
    with batcher() as running:
        _run_all(running, tried + fresh)
    assert _phases(store, tried + fresh) == [JobPhase.COMPLETED] * 4
    assert ["t1"] in model.calls
    assert ["t2"] in model.calls


def test_a_job_tried_before_takes_no_other_with_it(store, submit, model, batcher):
    """While one runs alone nothing else is claimed: should it kill the process, nothing else loses."""
    tried, other = submit("tried"), submit("other")
    store.leases.claim([tried], lease_token="dead", queue="predict", lease_seconds=-1, max_attempts=3)
    store.leases.claim([other], lease_token="dead", queue="predict", lease_seconds=-1, max_attempts=3)
    model.may_go.clear()
    with batcher() as running, ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(running.run, job_id) for job_id in (tried, other)]
        model.first_call.wait()
        attempts = sorted(store.jobs.get(job_id).attempts for job_id in (tried, other))
        model.may_go.set()
        for task in tasks:
            task.result()
    assert attempts == [1, 2]


def test_one_owners_thousand_jobs_hold_up_anothers_by_one_batch(store, submit, model, batcher):
    """The worker is told of a flood first, as its messages came first."""
    flood = [submit("alice", owner="alice") for _ in range(60)]
    model.may_go.clear()
    with batcher() as running, ThreadPoolExecutor(70) as pool:
        tasks = [pool.submit(running.run, job_id) for job_id in flood[:20]]
        model.first_call.wait()
        single = submit("bob", owner="bob")
        tasks += [pool.submit(running.run, job_id) for job_id in [*flood[20:], single]]
        begun = len(model.calls)
        model.may_go.set()
        for task in tasks:
            task.result()
    place = next(n for n, call in enumerate(model.calls) if "bob" in call)
    assert place - begun <= 2, "what is claimed already goes before it, nothing else"
    assert set(_phases(store, [*flood, single])) <= {JobPhase.COMPLETED, JobPhase.QUEUED}


def test_a_message_given_twice_is_worked_on_once(submit, model, batcher):
    job_id = submit("a")
    with batcher() as running:
        _run_all(running, [job_id] * 5)
        running.run(job_id)
    assert model.calls == [["a"]]


def test_messages_of_nothing_are_forgotten(store, submit, model, batcher):
    job_id = submit("a")
    with batcher() as running:
        _run_all(running, ["j_unknown", job_id, "j_gone"])
    assert store.jobs.get(job_id).phase is JobPhase.COMPLETED
    assert model.calls == [["a"]]


def _blob_of(store, settings, job_id):
    (claimed,) = store.leases.claim(
        [job_id], lease_token=job_id, queue="predict", lease_seconds=60, max_attempts=3
    )
    store.leases.release(job_id, job_id, is_spent=False)
    return settings.data_dir / "blobs" / claimed.cutout_key[:2] / claimed.cutout_key


def test_a_lost_image_fails_its_job_after_all_attempts(store, submit, settings, batcher):
    store.blobs.mark()
    job_id = submit("lost")
    _blob_of(store, settings, job_id).unlink()
    with batcher() as running:
        for _ in range(3):
            running.run(job_id)
    job = store.jobs.get(job_id)
    assert (job.phase, job.attempts, job.error.slug) == (JobPhase.ERROR, 3, "internal-error")


def test_an_image_missing_in_another_store_than_the_services_costs_nothing(
    store, submit, settings, batcher, leaving
):
    """A worker with the wrong folder, or one that is not mounted, finds none of the images, and no mark."""
    job_id = submit("there")
    blob = _blob_of(store, settings, job_id)
    kept = blob.read_bytes()
    blob.unlink()
    with batcher(abort=leaving.append) as running:
        for _ in range(3):
            running.run(job_id)
    assert (store.jobs.get(job_id).phase, store.jobs.get(job_id).attempts) == (JobPhase.QUEUED, 0)
    assert leaving == [69]
    assert "not the service's blob store" in store.heartbeats.recent()[0].trouble
    blob.write_bytes(kept)
    with batcher() as healthy:
        healthy.run(job_id)
    assert store.jobs.get(job_id).phase is JobPhase.COMPLETED


def test_a_worker_that_lost_its_lease_writes_nothing(store, submit, model, batcher, let_pass):
    job_id = submit("slow")
    model.may_go.clear()
    with batcher() as running, ThreadPoolExecutor(1) as pool:
        task = pool.submit(running.run, job_id)
        model.first_call.wait()
        let_pass(seconds=120)
        assert store.leases.claim(
            [job_id], lease_token="other", queue="predict", lease_seconds=60, max_attempts=3
        )
        model.may_go.set()
        task.result()
    assert (store.jobs.get(job_id).phase, store.jobs.get(job_id).attempts) == (JobPhase.EXECUTING, 2)
    assert not store.predictions.exists("p_slow")


def test_a_hanging_model_ends_the_process(submit, model, batcher):
    codes, aborted = [], threading.Event()

    def abort(code):
        codes.append(code)
        aborted.set()

    job_id = submit("hangs")
    model.may_go.clear()
    with batcher(deadline_seconds=0.05, abort=abort) as running, ThreadPoolExecutor(1) as pool:
        task = pool.submit(running.run, job_id)
        assert aborted.wait(timeout=60)
        model.may_go.set()
        task.result()
    assert codes == [75]


def test_a_batch_that_costs_more_has_more_time(model):
    """Two requests at half of the limit each have the time of one; four at the limit have four times it."""
    runner = ModelRunner(model.predict, model.probe, lambda request: float(request.options.label))
    watch = BatchWatch("t", ["a", "b"])
    for labels, factor in ((("0.5", "0.5"), 1.0), (("0.1",), 1.0), (("1", "1", "1", "1"), 4.0)):
        requests = {
            str(n): PredictionRequest(synthetic_cutout(1), PredictionOptions(label=label))
            for n, label in enumerate(labels)
        }
        runner.run(requests, watch)
        assert runner.deadline_factor == factor


def test_a_lost_device_ends_the_process_and_blames_no_job(store, submit, model):
    aborted = threading.Event()
    model.faults["any"] = DeviceLostError("illegal memory access")
    job_id = submit("any")
    renewer = LeaseRenewer(store, worker_kind="predict", worker_id="w", lease_seconds=60)
    running = Batcher(
        store,
        ModelRunner(model.predict, model.probe),
        renewer=renewer,
        limits=BatchLimits(**LIMITS),
        abort=lambda code: aborted.set() if code == 70 else pytest.fail(str(code)),
    )
    running.start()
    threading.Thread(target=running.run, args=(job_id,), daemon=True).start()
    assert aborted.wait(timeout=60)
    assert store.jobs.get(job_id).phase is JobPhase.EXECUTING


def test_a_device_lost_in_company_has_each_job_tried_alone_and_charges_none(store, submit, model):
    aborted = threading.Event()
    model.faults["b"] = DeviceLostError("illegal memory access")
    ids = [submit(label) for label in ("a", "b", "c")]
    renewer = LeaseRenewer(store, worker_kind="predict", worker_id="w", lease_seconds=60)
    running = Batcher(
        store,
        ModelRunner(model.predict, model.probe),
        renewer=renewer,
        limits=BatchLimits(**(LIMITS | {"wait_seconds": 5, "batch_size": 3})),
        abort=lambda _code: aborted.set(),
    )
    for job_id in ids:
        running._inbox.put(job_id)
    running.start()
    assert aborted.wait(timeout=60)
    assert model.calls == [["a", "b", "c"]]
    assert {(store.jobs.get(i).phase, store.jobs.get(i).attempts) for i in ids} == {(JobPhase.QUEUED, 0)}
    claim = {"lease_token": "x", "queue": "predict", "lease_seconds": 60, "max_attempts": 3}
    assert store.leases.claim(ids, **claim) == []
    assert store.leases.retries(ids, queue="predict", max_attempts=3) == ids
    assert len(store.leases.claim(ids[:1], **claim)) == 1
