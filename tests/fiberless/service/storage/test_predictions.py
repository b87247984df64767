import json
from pathlib import Path

import numpy as np
import pytest

from fiberless.contract import JobPhase
from fiberless.errors import UsageError


def test_a_finished_job_leads_to_its_prediction(store, submit, claim, make_result, cutout):
    job_id, result = submit(), make_result("p_1")
    claim([job_id], lease_token="a")
    assert store.predictions.finish(job_id, "a", result)
    job = store.jobs.get(job_id)
    assert (job.phase, job.prediction_id) == (JobPhase.COMPLETED, "p_1")
    assert (job.progress.stage, job.progress.done) == ("done", job.progress.total)
    assert store.predictions.exists("p_1")
    assert store.predictions.get("p_1") == result.prediction
    assert store.predictions.cutout("p_1").sha256 == cutout.sha256
    arrays = store.predictions.arrays("p_1")
    np.testing.assert_array_equal(arrays.candidate_flux, result.arrays.candidate_flux)
    np.testing.assert_array_equal(arrays.candidate_redshift, result.arrays.candidate_redshift)


def test_the_document_is_the_contract_as_json(store, submit, claim, make_result):
    job_id, result = submit(), make_result("p_1")
    claim([job_id], lease_token="a")
    store.predictions.finish(job_id, "a", result)
    document = json.loads(store.predictions.document("p_1"))
    assert document == result.prediction.model_dump(mode="json", by_alias=True)
    assert document["schema"] == "2.0"


def test_a_finished_job_is_over(store, submit, claim, make_result):
    job_id = submit()
    claim([job_id], lease_token="a")
    store.predictions.finish(job_id, "a", make_result("p_1"))
    assert not store.predictions.finish(job_id, "a", make_result("p_2"))
    assert not store.predictions.exists("p_2")
    assert claim([job_id]) == []


def test_a_prediction_made_twice_is_stored_once(store, submit, claim, make_result):
    first, second = submit(), submit()
    claim([first], lease_token="a")
    claim([second], lease_token="b")
    assert store.predictions.finish(first, "a", make_result("p_1", created_minute=1))
    kept = store.predictions.document("p_1")
    assert store.predictions.finish(second, "b", make_result("p_1", created_minute=2))
    assert store.predictions.document("p_1") == kept
    assert store.jobs.get(second).prediction_id == "p_1"
    assert len(store.objects.predictions_of("sdss:1")) == 1


def test_a_batch_finishes_the_jobs_that_are_still_held(store, submit, claim, make_result):
    kept, lost = submit(), submit()
    claim([kept, lost], lease_token="a")
    store.leases.release(lost, "a")
    assert store.predictions.finish_batch("a", {kept: make_result("p_1"), lost: make_result("p_2")}) == {kept}
    assert store.predictions.exists("p_1")
    assert not store.predictions.exists("p_2")
    assert store.jobs.get(lost).phase is JobPhase.QUEUED


def test_predictions_of_an_object_come_newest_first(store, submit, claim, make_result):
    for name, minute in {"p_old": 1, "p_newest": 9, "p_new": 5}.items():
        job_id = submit()
        claim([job_id], lease_token=name)
        store.predictions.finish(
            job_id, name, make_result(name, object_id="sdss:42", ra=10.5, created_minute=minute)
        )
    summaries = store.objects.predictions_of("sdss:42")
    assert [summary.id for summary in summaries] == ["p_newest", "p_new", "p_old"]
    newest = store.predictions.get("p_newest")
    assert summaries[0].created == newest.created
    assert (summaries[0].object_id, summaries[0].ra, summaries[0].dec) == ("sdss:42", 10.5, 1.5)
    assert summaries[0].redshift == newest.properties.redshift.value
    assert summaries[0].model_version == newest.provenance.model.version
    assert store.objects.predictions_of("sdss:43") == []


def test_a_prediction_without_an_object_is_stored_all_the_same(store, submit, claim, make_result):
    job_id = submit()
    claim([job_id], lease_token="a")
    assert store.predictions.finish(job_id, "a", make_result("p_1", object_id=None, ra=None, dec=None))
    assert store.predictions.get("p_1").object.object_id is None


@pytest.mark.parametrize("read", ["get", "document", "arrays", "cutout"])
def test_an_unknown_prediction_is_not_found(store, read):
    with pytest.raises(UsageError, match="not-found"):
        getattr(store.predictions, read)("p_0")
    assert not store.predictions.exists("p_0")


DAMAGE = {"lost": lambda path: path.unlink(), "damaged": lambda path: path.write_bytes(b"rotten")}


def _file_of(store, prediction_id, column):
    key = getattr(store.predictions._find(prediction_id), column)
    return Path(store.blobs._path(key))


@pytest.mark.parametrize("column", ["document_key", "arrays_key", "cutout_key"])
@pytest.mark.parametrize("how", DAMAGE)
def test_what_is_damaged_counts_as_not_stored_and_is_made_again(
    store, submit, claim, make_result, column, how
):
    first = submit()
    claim([first], lease_token="a")
    store.predictions.finish(first, "a", make_result("p_1", created_minute=1))
    DAMAGE[how](_file_of(store, "p_1", column))
    assert not store.predictions.exists("p_1")
    assert store.predictions.damaged(newest=10) == ["p_1"]
    reader = {"document_key": "document", "arrays_key": "arrays", "cutout_key": "cutout"}[column]
    with pytest.raises(UsageError, match=r"^not-found: .* is made again$"):
        getattr(store.predictions, reader)("p_1")
    again = submit()
    claim([again], lease_token="b")
    assert store.predictions.finish(again, "b", make_result("p_1", created_minute=2))
    assert store.predictions.exists("p_1")
    assert store.predictions.get("p_1").created.minute == (2 if column == "document_key" else 1)
    assert (
        store.predictions.arrays("p_1").candidate_flux.ndim
        == store.predictions.cutout("p_1").flux_nmgy.ndim - 1
    )
    assert store.predictions.damaged(newest=10) == []
