import pytest

from worker.lease_renewer import LeaseRenewer


@pytest.fixture
def renewer(store):
    return LeaseRenewer(store, worker_kind="predict", worker_id="w-1", lease_seconds=60)


def _claim(store, job_id, lease_token):
    return store.leases.claim(
        [job_id], lease_token=lease_token, queue="predict", lease_seconds=10, max_attempts=9
    )


def test_what_is_held_stays_held(store, submit, renewer, let_pass):
    job_id, token = submit(), renewer.hold()
    assert _claim(store, job_id, token)
    let_pass(seconds=9)
    renewer._renew()
    let_pass(seconds=50)
    assert _claim(store, job_id, "other") == []


def test_what_is_dropped_runs_out(store, submit, renewer, let_pass):
    job_id, token = submit(), renewer.hold()
    assert _claim(store, job_id, token)
    renewer.drop(token)
    renewer._renew()
    let_pass(seconds=11)
    assert _claim(store, job_id, "other")


def test_tokens_never_repeat(renewer):
    assert len({renewer.hold() for _ in range(100)}) == 100


def test_the_first_heartbeat_comes_with_the_start(store, renewer):
    renewer.start()
    renewer.close()
    (beat,) = store.heartbeats.recent()
    assert (beat.worker_kind, beat.worker_id) == ("predict", "w-1")
