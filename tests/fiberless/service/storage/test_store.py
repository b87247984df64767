import pytest

from fiberless.errors import UsageError


def test_a_job_and_its_prediction_are_seen_by_their_owner_alone(store, submit, claim, make_result):
    job_id = submit(owner="alice")
    claim([job_id])
    assert store.predictions.finish(job_id, "a", make_result("p_1"))
    for kind, name in (("job", job_id), ("prediction", "p_1")):
        store.check_owner(kind, name, owner="alice")
        with pytest.raises(UsageError) as foreign:
            store.check_owner(kind, name, owner="bob")
        with pytest.raises(UsageError) as absent:
            store.check_owner(kind, "absent", owner="bob")
        assert str(foreign.value) == str(absent.value)


def test_a_worker_is_told_whose_job_it_is(submit, claim):
    (claimed,) = claim([submit(owner="alice")])
    assert claimed.owner == "alice"
