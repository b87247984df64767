from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fiberless.contract import ErrorReport, JobPhase, JobProgress, Target
from fiberless.errors import ErrorKind, FatalError, UsageError

REPORT = ErrorReport(slug="internal-error", kind=ErrorKind.FATAL, detail="broke")


def test_owners_take_turns_whatever_a_worker_was_told_of(store, submit, claim):
    alice = [submit(owner="alice") for _ in range(20)]
    bob = submit(owner="bob")
    chosen = store.leases.in_turn(alice[10:14], queue="predict", limit=4)
    assert set(chosen) == {bob, *alice[10:13]}
    assert store.leases.in_turn(alice[:1], queue="predict", limit=1) == [bob], "the shorter queue"
    assert store.leases.in_turn([bob], queue="predict", limit=2) == [bob, alice[0]]
    assert store.leases.in_turn([bob], queue="fetch", limit=2) == []
    more = [submit(owner="bob") for _ in range(30)]
    claim(alice[:3])
    assert store.leases.in_turn(alice[3:8], queue="predict", limit=3) == [bob, *more[:2]], "alice is served"


def test_what_was_tried_before_is_nobodys_turn(store, submit, claim):
    tried, fresh = submit(owner="alice"), submit(owner="bob")
    claim([tried], lease_token="x")
    store.leases.release(tried, "x")
    assert store.leases.in_turn([tried], queue="predict", limit=5) == [fresh]


def test_what_joins_a_claim_was_never_tried_before(store, submit, claim):
    tried = submit()
    claim([tried], lease_token="x")
    store.leases.release(tried, "x")
    options = {"lease_token": "y", "queue": "predict", "lease_seconds": 60, "max_attempts": 3}
    assert store.leases.claim([tried], in_company=True, **options) == []
    assert len(store.leases.claim([tried], **options)) == 1


def test_a_claim_carries_everything_that_the_work_needs(store, submit, claim, cutout):
    job_id = submit(seed=7, n_candidates=3)
    (claimed,) = claim([job_id])
    assert (claimed.id, claimed.attempt, claimed.target) == (job_id, 1, None)
    assert (claimed.options.seed, claimed.options.n_candidates, claimed.options.model) == (7, 3, "toy-1")
    image = store.leases.load_cutout(claimed)
    assert image.sha256 == cutout.sha256
    assert (image.ra, image.dec, image.source, image.notes) == (180.25, -1.5, "sdss", ("padded",))
    job = store.jobs.get(job_id)
    assert (job.phase, job.attempts, job.progress.stage) == (JobPhase.EXECUTING, 1, "predicting")
    assert job.started is not None


def test_claims_come_in_the_order_asked_for_without_strangers(submit, claim):
    ids = [submit() for _ in range(3)]
    asked = [ids[2], "j_unknown", ids[0], ids[2]]
    assert [job.id for job in claim(asked)] == [ids[2], ids[0]]


def test_a_queue_takes_only_its_own_jobs(submit, claim):
    job_id = submit(image=False)
    assert claim([job_id], queue="predict") == []
    (claimed,) = claim([job_id], queue="fetch")
    assert claimed.target == Target(ra=10.0, dec=-5.0)


def test_a_held_job_is_not_given_to_another(submit, claim):
    job_id = submit()
    assert claim([job_id], lease_token="a")
    assert claim([job_id], lease_token="b") == []


def test_many_claimers_never_share_a_job(store, second_store, submit, claim):
    ids = [submit() for _ in range(24)]

    def take(number):
        shuffled = list(np.random.default_rng(number).permutation(ids))[:16]
        return [
            job.id for job in claim(shuffled, lease_token=str(number), by=[store, second_store][number % 2])
        ]

    with ThreadPoolExecutor(8) as pool:
        taken = [job_id for batch in pool.map(take, range(8)) for job_id in batch]
    assert len(taken) == len(set(taken))
    left = set(ids) - set(taken)
    assert {job.id for job in claim(sorted(left))} == left


def test_a_lease_that_ran_out_is_taken_over(store, submit, claim):
    job_id = submit()
    claim([job_id], lease_token="a", lease_seconds=-1)
    (again,) = claim([job_id], lease_token="b")
    assert again.attempt == 2
    assert store.jobs.get(job_id).attempts == 2


def test_a_renewed_lease_is_not_taken_over(store, submit, claim):
    job_id = submit()
    claim([job_id], lease_token="a", lease_seconds=-1)
    assert store.leases.renew("a", 60) == 1
    assert claim([job_id], lease_token="b") == []


def test_renewing_nothing_says_so(store, submit, claim):
    job_id = submit()
    claim([job_id], lease_token="a", lease_seconds=-1)
    claim([job_id], lease_token="b")
    assert store.leases.renew("a", 60) == 0


def test_a_late_worker_writes_nothing(store, submit, claim, make_result, cutout):
    job_id = submit()
    claim([job_id], lease_token="late", lease_seconds=-1)
    claim([job_id], lease_token="new")
    before = store.jobs.get(job_id)
    assert not store.predictions.finish(job_id, "late", make_result("p_late"))
    assert not store.leases.fail(job_id, "late", REPORT)
    assert not store.leases.release(job_id, "late")
    assert not store.leases.attach_cutout(job_id, "late", cutout)
    assert not store.leases.set_progress(job_id, "late", JobProgress(stage="sampling", done=1, total=9))
    assert store.jobs.get(job_id) == before
    assert not store.predictions.exists("p_late")
    assert store.objects.predictions_of("sdss:1") == []
    assert store.predictions.finish(job_id, "new", make_result("p_new"))


def test_a_job_tried_before_is_claimed_only_alone(store, submit, claim):
    fresh, tried = submit(), submit()
    claim([tried], lease_token="crashed", lease_seconds=-1)
    assert [job.id for job in claim([tried, fresh])] == [fresh]
    assert store.leases.retries([tried, fresh], queue="predict", max_attempts=3) == [tried]
    assert [job.attempt for job in claim([tried])] == [2]
    assert store.leases.retries([tried, fresh], queue="predict", max_attempts=3) == []


def test_a_released_job_waits_again_and_its_attempt_counts(store, submit, claim):
    job_id = submit()
    claim([job_id], lease_token="a")
    assert store.leases.release(job_id, "a")
    assert store.jobs.get(job_id).phase is JobPhase.QUEUED
    assert [job.attempt for job in claim([job_id], lease_token="b")] == [2]


def test_a_failed_job_tells_why_and_is_over(store, submit, claim):
    job_id = submit()
    claim([job_id], lease_token="a")
    assert store.leases.fail(job_id, "a", REPORT)
    job = store.jobs.get(job_id)
    assert (job.phase, job.error) == (JobPhase.ERROR, REPORT)
    assert job.ended >= job.started >= job.created
    assert claim([job_id]) == []
    assert not store.leases.fail(job_id, "a", REPORT)


def test_a_fetched_image_sends_its_job_to_prediction_with_all_attempts(store, submit, claim, cutout):
    job_id = submit(image=False)
    (unfetched,) = claim([job_id], lease_token="f", queue="fetch")
    with pytest.raises(FatalError, match="no image"):
        store.leases.load_cutout(unfetched)
    assert store.leases.attach_cutout(job_id, "f", cutout)
    assert claim([job_id], queue="fetch") == []
    (claimed,) = claim([job_id], queue="predict")
    assert claimed.attempt == 1
    assert store.leases.load_cutout(claimed).sha256 == cutout.sha256


def test_progress_is_shown(store, submit, claim):
    job_id = submit()
    claim([job_id], lease_token="a")
    assert store.leases.set_progress(job_id, "a", JobProgress(stage="sampling", done=3, total=15))
    assert store.jobs.get(job_id).progress == JobProgress(stage="sampling", done=3, total=15)


def _sweep(store, **changes):
    return store.leases.sweep(**({"max_attempts": 3, "resend_after_seconds": 5} | changes))


def test_a_sweep_picks_what_waits_too_long_once_in_that_time(store, submit, let_pass):
    image, position = submit(), submit(image=False)
    assert _sweep(store) == []
    let_pass(seconds=6)
    assert sorted(_sweep(store)) == sorted([(image, "predict"), (position, "fetch")])
    assert _sweep(store) == []
    let_pass(seconds=6)
    assert len(_sweep(store)) == 2


def test_a_sweep_keeps_to_its_queues_and_limit(store, submit, let_pass):
    ids = {submit() for _ in range(3)}
    submit(image=False)
    let_pass(seconds=6)
    assert _sweep(store, queues=["predict"], limit=0) == []
    picked = _sweep(store, queues=["predict"], limit=2)
    assert len(picked) == 2
    assert {job_id for job_id, _ in picked} < ids


def test_a_sweep_picks_a_lease_that_ran_out_at_once_and_once(store, submit, claim, let_pass):
    job_id = submit()
    claim([job_id], lease_seconds=20)
    let_pass(seconds=19)
    assert _sweep(store) == []
    let_pass(seconds=2)
    assert _sweep(store, resend_after_seconds=3600) == [(job_id, "predict")]
    assert _sweep(store) == []


def test_sweepers_at_once_pick_each_job_once(store, second_store, submit, let_pass):
    ids = {submit() for _ in range(20)}
    let_pass(seconds=6)
    with ThreadPoolExecutor(4) as pool:
        swept = list(pool.map(_sweep, [store, second_store] * 2))
    picked = [job_id for part in swept for job_id, _ in part] + [job_id for job_id, _ in _sweep(store)]
    assert len(picked) == 20
    assert set(picked) == ids


def test_a_job_out_of_attempts_ends_as_crashed(store, submit, claim):
    job_id = submit()
    for lease_token in "abc":
        assert claim([job_id], lease_token=lease_token, lease_seconds=-1)
    assert claim([job_id], lease_token="d") == []
    assert _sweep(store) == []
    job = store.jobs.get(job_id)
    assert (job.phase, job.attempts, job.error.slug) == (JobPhase.ERROR, 3, "worker-crashed")
    assert job.ended is not None


def test_a_job_at_its_last_attempt_is_left_to_its_holder(store, submit, claim):
    job_id = submit()
    claim([job_id], lease_token="a", lease_seconds=60, max_attempts=1)
    assert _sweep(store, max_attempts=1) == []
    assert store.jobs.get(job_id).phase is JobPhase.EXECUTING


def test_a_released_job_out_of_attempts_ends_as_crashed(store, submit, claim):
    job_id = submit()
    claim([job_id], lease_token="a", max_attempts=1)
    store.leases.release(job_id, "a")
    _sweep(store, max_attempts=1)
    assert store.jobs.get(job_id).error.slug == "worker-crashed"


def test_unknown_jobs_cannot_be_finished(store, make_result):
    assert not store.predictions.finish("j_unknown", "a", make_result())
    with pytest.raises(UsageError, match="not-found"):
        store.predictions.get("p_1")
