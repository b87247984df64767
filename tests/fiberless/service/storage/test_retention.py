import os
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from fiberless.contract import JobPhase
from fiberless.errors import UsageError
from fiberless.service.storage.blobs import BlobStore
from fiberless.service.storage.encoding import encode_cutout
from fiberless.service.storage.engine import NOW
from fiberless.service.storage.retention import Purged, RetentionPolicy
from fiberless.service.storage.schema import BATCH, IDEMPOTENCY, JOB, JOB_EVENT, PREDICTION

DAY = 86_400
FOR_EVER = RetentionPolicy(jobs_seconds=None, predictions_seconds=None, blob_grace_seconds=DAY)
A_WEEK = RetentionPolicy(jobs_seconds=7 * DAY, predictions_seconds=7 * DAY, blob_grace_seconds=DAY)


@pytest.fixture
def age(store, tmp_path):
    """Make everything that is stored older by some days."""

    def make_older(days):
        with store.database.write() as connection:
            for column in (JOB.c.created, JOB.c.ended, BATCH.c.created):
                connection.execute(update(column.table).values({column: column - days * DAY}))
            connection.execute(update(PREDICTION).values(created=NOW - days * DAY))  # made in 2030, they say
        for blob in (tmp_path / "blobs").rglob("??/*"):
            then = blob.stat().st_mtime - days * DAY
            os.utime(blob, (then, then))

    return make_older


@pytest.fixture
def predicted(submit, store, claim, make_result):
    """Complete a job with a prediction."""

    def predict(prediction_id, **options):
        job_id = submit(**options)
        claim([job_id])
        assert store.predictions.finish(
            job_id, "a", make_result(prediction_id, object_id=f"test:{prediction_id}")
        )
        return job_id

    return predict


def rows_of(store, table):
    with store.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_what_is_old_goes_with_all_that_belongs_to_it(store, predicted, age, tmp_path):
    predicted("p_old", key="k", owner="alice")
    age(8)
    dry = store.retention.purge(A_WEEK, dry_run=True)
    assert rows_of(store, JOB) == 1
    assert store.retention.purge(A_WEEK) == dry
    assert (dry.jobs, dry.predictions, dry.objects, dry.blobs) == (1, 1, 1, 3)
    assert [rows_of(store, table) for table in (JOB, PREDICTION, IDEMPOTENCY, JOB_EVENT)] == [0, 0, 0, 0]
    assert not list((tmp_path / "blobs").rglob("??/*"))
    assert store.retention.purge(A_WEEK) == Purged()


def test_what_is_young_stays(store, predicted, age):
    job_id = predicted("p_young")
    age(6)
    assert store.retention.purge(A_WEEK) == Purged()
    assert store.jobs.get(job_id).prediction_id == store.predictions.get("p_young").id


def test_without_a_limit_nothing_that_a_row_names_is_forgotten(store, predicted, submit, age):
    predicted("p_1")
    submit()
    age(4000)
    assert store.retention.purge(FOR_EVER) == Purged()
    assert store.predictions.get("p_1").id


def test_a_job_that_has_not_ended_keeps_its_image_however_old_it_is(store, submit, claim, age):
    waiting, held = submit(), submit()
    claim([held])
    age(4000)
    assert store.retention.purge(A_WEEK) == Purged()
    (claimed,) = claim([waiting])
    assert store.leases.load_cutout(claimed).flux_nmgy.shape == (5, 8, 8)


def test_a_prediction_lasts_as_long_as_it_is_asked_for(store, predicted, make_request, age):
    predicted("p_1")
    age(8)
    again = replace(make_request(), prediction_id="p_1")
    job, _ = store.jobs.submit(again)
    assert job.phase is JobPhase.COMPLETED
    purged = store.retention.purge(A_WEEK)
    assert (purged.jobs, purged.predictions, purged.blobs) == (1, 0, 0)
    assert store.predictions.get("p_1").id


def test_jobs_alone_can_be_forgotten(store, predicted, age):
    predicted("p_1")
    age(8)
    purged = store.retention.purge(replace(A_WEEK, predictions_seconds=None))
    assert (purged.jobs, purged.predictions, purged.objects, purged.blobs) == (1, 0, 0, 0)
    assert store.predictions.arrays("p_1").candidate_flux.shape[0] == 2
    assert store.predictions.cutout("p_1").flux_nmgy.shape == (5, 8, 8)


def test_a_blob_of_nobody_has_its_grace(store, tmp_path):
    key = store.blobs.put(b"a submission that died before its row")
    path = tmp_path / "blobs" / key[:2] / key
    assert store.retention.purge(FOR_EVER) == Purged()
    os.utime(path, (1, 1))
    assert store.retention.purge(FOR_EVER) == Purged(blobs=1, blob_bytes=37)
    assert not path.exists()


def test_what_a_killed_writer_left_behind_goes_too(store, tmp_path):
    folder = tmp_path / "blobs" / "ab"
    folder.mkdir(parents=True)
    (folder / ".tmp123").write_bytes(b"half")
    os.utime(folder / ".tmp123", (1, 1))
    assert store.retention.purge(FOR_EVER).blobs == 1


def test_a_submission_under_way_keeps_an_old_blob(store, cutout, make_request):
    """It finds the blob there, then `purge` runs, then it writes its row."""
    key = store.blobs.put(encode_cutout(cutout))
    path = Path(store.blobs._path(key))
    os.utime(path, (1, 1))
    assert store.blobs.put(encode_cutout(cutout)) == key
    assert store.retention.purge(FOR_EVER) == Purged()
    job, _ = store.jobs.submit(make_request())
    assert path.exists()
    assert job.phase is JobPhase.QUEUED


def test_a_blob_asked_for_while_it_is_discarded_survives(store, monkeypatch):
    """The submission comes between the listing of the blob and its deletion."""
    key = store.blobs.put(b"wanted again")
    path = Path(store.blobs._path(key))
    os.utime(path, (1, 1))
    (listed,) = store.blobs.stored()
    store.blobs.put(b"wanted again")
    assert not store.blobs.discard(listed, before=1000.0)
    assert store.blobs.get(key) == b"wanted again"
    os.utime(path, (1, 1))
    real = Path.rename

    def touched_first(self, target):
        os.utime(self)
        return real(self, target)

    monkeypatch.setattr(Path, "rename", touched_first)
    assert not store.blobs.discard(listed, before=1000.0)
    assert store.blobs.get(key) == b"wanted again"


def test_a_prediction_purged_while_it_is_asked_for_is_made_again(store, predicted, make_request, age):
    """The front end found it stored, then `purge` ran, then it wrote the job down."""
    predicted("p_1")
    age(8)
    store.retention.purge(A_WEEK)
    job, created = store.jobs.submit(replace(make_request(), prediction_id="p_1"))
    assert (job.phase, job.prediction_id, created) == (JobPhase.QUEUED, None, True)
    with pytest.raises(UsageError, match="not-found"):
        store.predictions.get("p_1")


def test_other_file_systems_are_purged_as_well():
    blobs = BlobStore("memory://purged")
    key = blobs.put(b"kept in memory")
    (stored,) = blobs.stored()
    assert stored.key == key
    assert not blobs.discard(stored, before=stored.modified)
    assert blobs.discard(stored, before=stored.modified + 1)
    assert not list(blobs.stored())
