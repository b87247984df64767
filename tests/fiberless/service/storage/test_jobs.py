from concurrent.futures import ThreadPoolExecutor

import pytest

from fiberless.contract import JobPhase, PredictionOptions
from fiberless.errors import UsageError
from fiberless.service.storage import SubmitJob


def test_a_submitted_job_waits_and_reads_back_as_it_was_answered(store, make_request):
    job, created = store.jobs.submit(make_request())
    assert created
    assert job.phase is JobPhase.QUEUED
    assert (job.attempts, job.error, job.prediction_id, job.started, job.ended) == (0, None, None, None, None)
    assert store.jobs.get(job.id) == job


def test_ids_are_128_random_bits(submit):
    ids = {submit() for _ in range(3)}
    assert len(ids) == 3
    assert all(len(bytes.fromhex(job_id.removeprefix("j_"))) == 16 for job_id in ids)


def test_images_wait_for_prediction_and_positions_for_fetching(store, submit):
    submit(image=True)
    submit(image=True)
    submit(image=False)
    assert store.jobs.queue_depths() == {"predict": 2, "fetch": 1}


def test_a_job_needs_an_image_or_a_position():
    with pytest.raises(UsageError, match="invalid-parameter"):
        SubmitJob(None, None, PredictionOptions(), idempotency_key=None, body_sha256="")


def test_an_unknown_job_is_not_found(store):
    with pytest.raises(UsageError, match="not-found"):
        store.jobs.get("j_" + "0" * 32)


def test_the_same_key_and_body_name_the_same_job(store, make_request):
    first, _ = store.jobs.submit(make_request(key="night-1"))
    again, created = store.jobs.submit(make_request(key="night-1"))
    assert not created
    assert again.id == first.id
    assert store.jobs.queue_depths() == {"predict": 1}


def test_the_same_key_with_another_body_is_refused_and_leaves_nothing(store, make_request):
    store.jobs.submit(make_request(key="night-1", body="a" * 64))
    with pytest.raises(UsageError, match="idempotency-conflict"):
        store.jobs.submit(make_request(key="night-1", body="c" * 64))
    assert store.jobs.queue_depths() == {"predict": 1}


def test_keys_of_different_owners_do_not_meet(store, make_request):
    one, _ = store.jobs.submit(make_request(key="night-1", owner="ada"))
    other, created = store.jobs.submit(make_request(key="night-1", owner="bo", body="c" * 64))
    assert created
    assert one.id != other.id


def test_twenty_threads_with_one_key_make_one_job(store, second_store, make_request):
    request = make_request(key="night-1")
    stores = [store, second_store] * 10
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda each: each.jobs.submit(request), stores))
    assert len({job.id for job, _ in answers}) == 1
    assert sum(created for _, created in answers) == 1
    assert store.jobs.queue_depths() == {"predict": 1}
