import pytest

from fiberless.contract import JobPhase, Target
from fiberless.errors import TransientError, UsageError
from fiberless.testing import synthetic_cutout
from worker.fetch import Fetcher
from worker.lease_renewer import LeaseRenewer


class ScriptedSky:
    """A source that answers with an image, or raises what it is told to."""

    def __init__(self):
        self.asked = []
        self.fault = None

    def fetch(self, target):
        self.asked.append(target)
        if self.fault:
            raise self.fault
        return synthetic_cutout(5)


@pytest.fixture
def sky():
    return ScriptedSky()


@pytest.fixture
def published():
    return []


@pytest.fixture
def fetcher(store, sky, published):
    renewer = LeaseRenewer(store, worker_kind="fetch", worker_id="w", lease_seconds=60)

    def publish(job_id, queue, *, is_batch):
        published.append((job_id, queue, *(["batch"] if is_batch else [])))

    return Fetcher(store, sky, renewer=renewer, publish=publish, max_attempts=3)


def test_a_position_becomes_an_image_that_waits_for_prediction(
    store, submit_position, sky, published, fetcher
):
    job_id = submit_position(ra=38.35, dec=-0.15)
    fetcher.run(job_id)
    assert sky.asked == [Target(ra=38.35, dec=-0.15)]
    assert published == [(job_id, "predict")]
    (claimed,) = store.leases.claim(
        [job_id], lease_token="x", queue="predict", lease_seconds=60, max_attempts=3
    )
    assert store.leases.load_cutout(claimed).sha256 == synthetic_cutout(5).sha256


def test_owners_take_turns_whatever_the_fetcher_was_told_of(submit, sky, fetcher):
    ids = [submit(target=Target(ra=n, dec=0), owner="alice") for n in range(5)]
    submit(target=Target(ra=99, dec=0), owner="bob")
    fetcher.run(ids[0])
    assert sky.asked == [Target(ra=99, dec=0)]
    fetcher.run(ids[3])
    assert sky.asked[1:] == [Target(ra=3, dec=0)]


def test_the_name_of_an_object_is_left_to_the_source(submit, sky, published, fetcher):
    job_id = submit(target=Target(object_id="sdss:1237648720693755918"))
    fetcher.run(job_id)
    assert sky.asked == [Target(object_id="sdss:1237648720693755918")]
    assert published == [(job_id, "predict")]


def test_a_position_without_an_image_ends_its_job(store, submit_position, sky, published, fetcher):
    sky.fault = UsageError("outside-footprint", "SDSS does not show this position")
    job_id = submit_position()
    fetcher.run(job_id)
    job = store.jobs.get(job_id)
    assert (job.phase, job.error.slug) == (JobPhase.ERROR, "outside-footprint")
    assert published == []


def test_a_passing_fault_is_tried_again_until_attempts_run_out(store, submit_position, sky, fetcher):
    sky.fault = TransientError("source-unavailable", "the archive is slow")
    job_id = submit_position()
    phases = []
    for _ in range(4):
        fetcher.run(job_id)
        phases.append(store.jobs.get(job_id).phase)
    assert phases == [JobPhase.QUEUED, JobPhase.QUEUED, JobPhase.ERROR, JobPhase.ERROR]
    assert len(sky.asked) == 3
    assert store.jobs.get(job_id).error.slug == "source-unavailable"


def test_a_bug_of_a_source_ends_its_job_without_details(store, submit_position, sky, fetcher):
    sky.fault = KeyError("secret")
    job_id = submit_position()
    fetcher.run(job_id)
    job = store.jobs.get(job_id)
    assert (job.phase, job.error.slug) == (JobPhase.ERROR, "internal-error")
    assert "secret" not in job.error.detail


def test_a_job_that_is_not_free_is_left_alone(submit, submit_position, sky, fetcher):
    fetched = submit_position()
    fetcher.run(fetched)
    for job_id in (fetched, submit(), "j_unknown"):
        fetcher.run(job_id)
    assert len(sky.asked) == 1
