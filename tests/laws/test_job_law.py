import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select, update

from fiberless.contract import (
    JobPhase,
    PredictionOptions,
    PredictionRequest,
    PredictionResult,
)
from fiberless.inference.predictor import load_predictor
from fiberless.service.settings import Settings
from fiberless.service.storage import SubmitJob, open_store
from fiberless.service.storage.schema import JOB, PREDICTION
from fiberless.testing import synthetic_cutout, write_toy_store

MAX_ATTEMPTS = 3
LEASE_SECONDS = 20
CUTOUT = synthetic_cutout(1)


@pytest.fixture(scope="module")
def real_result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy_store")
    predictor = load_predictor(folder, write_toy_store(folder), device="cpu")
    return predictor.predict([PredictionRequest(CUTOUT, PredictionOptions(n_candidates=1, steps=2))])[0]


class JobLife(RuleBasedStateMachine):
    """Workers that claim, finish, release, stall and crash in any order; a model says who holds what."""

    result = None
    claims = Bundle("claims")

    @initialize()
    def open(self):
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_store(Settings(data_dir=Path(self.folder.name)))
        self.holder = {}
        self.ended = {}
        self.tokens = 0
        request = SubmitJob(CUTOUT, None, PredictionOptions(), idempotency_key=None, body_sha256="")
        self.jobs = [self.store.jobs.submit(request)[0].id for _ in range(3)]

    @rule(target=claims, places=st.one_of(st.just([0]), st.lists(st.integers(0, 2), min_size=1, max_size=3)))
    def claim(self, places):
        return self._claim([self.jobs[place] for place in places])

    @rule(target=claims, place=st.integers(0, 2))
    def take_over(self, place):
        """The holder of a job stalls or dies, and another worker comes."""
        self.all_leases_run_out()
        return self._claim([self.jobs[place]])

    def _claim(self, ids):
        self.tokens += 1
        token = f"worker-{self.tokens}"
        claimed = self.store.leases.claim(
            ids, lease_token=token, queue="predict", lease_seconds=LEASE_SECONDS, max_attempts=MAX_ATTEMPTS
        )
        for job in claimed:
            assert job.id not in self.holder, "a held job was given away"
            assert job.id not in self.ended
            assert job.attempt == 1 or len(ids) == 1
            self.holder[job.id] = token
        return multiple(*((job.id, token) for job in claimed))

    @rule(claim=consumes(claims))
    def finish(self, claim):
        job_id, token = claim
        prediction = type(self).result.prediction.model_copy(update={"id": f"p_{job_id[2:]}"})
        is_stored = self.store.predictions.finish(
            job_id, token, PredictionResult(prediction, type(self).result.arrays)
        )
        self._expect(is_stored, claim)
        if is_stored:
            self.ended[job_id] = JobPhase.COMPLETED

    @rule(claim=consumes(claims))
    def release(self, claim):
        self._expect(self.store.leases.release(*claim), claim)

    @rule()
    def all_leases_run_out(self):
        """Every worker stalls; those that come back do so late, with claims that others may have by then."""
        with self.store.database.write() as connection:
            connection.execute(
                update(JOB).values(published=JOB.c.published - 99, lease_until=JOB.c.lease_until - 99)
            )
        self.holder.clear()

    @rule()
    def sweep(self):
        sent = self.store.leases.sweep(max_attempts=MAX_ATTEMPTS, resend_after_seconds=5)
        assert not {job_id for job_id, _ in sent} & set(self.holder)
        for job_id in self.jobs:
            if self.store.jobs.get(job_id).phase is JobPhase.ERROR:
                self.ended.setdefault(job_id, JobPhase.ERROR)

    @invariant()
    def what_has_ended_stays_so(self):
        for job_id, phase in getattr(self, "ended", {}).items():
            assert self.store.jobs.get(job_id).phase is phase

    @invariant()
    def no_job_is_tried_too_often_and_each_completed_one_is_stored_once(self):
        if not hasattr(self, "store"):
            return
        jobs = [self.store.jobs.get(job_id) for job_id in self.jobs]
        assert all(job.attempts <= MAX_ATTEMPTS for job in jobs)
        with self.store.database.read() as connection:
            stored = connection.execute(select(func.count()).select_from(PREDICTION)).scalar_one()
        assert stored == sum(job.phase is JobPhase.COMPLETED for job in jobs)

    def teardown(self):
        """Whatever happened: with sweeps and one patient worker, every job comes to an end."""
        if not hasattr(self, "store"):
            return
        for _ in range(MAX_ATTEMPTS + 1):
            self.all_leases_run_out()
            for job_id, _ in self.store.leases.sweep(max_attempts=MAX_ATTEMPTS, resend_after_seconds=5):
                self.tokens += 1
                claimed = self.store.leases.claim(
                    [job_id],
                    lease_token=f"last-{self.tokens}",
                    queue="predict",
                    lease_seconds=LEASE_SECONDS,
                    max_attempts=MAX_ATTEMPTS,
                )
                for job in claimed:
                    self.finish((job.id, f"last-{self.tokens}"))
        assert all(self.store.jobs.get(job_id).phase.is_final for job_id in self.jobs)
        self.store.close()
        self.folder.cleanup()

    def _expect(self, is_done, claim):
        """Only the holder may write; one that stalled may, as long as nobody took over."""
        job_id, token = claim
        holder = self.holder.get(job_id)
        assert is_done or holder != token
        if holder is not None and holder != token:
            assert not is_done
        if is_done:
            self.holder.pop(job_id, None)


def test_whatever_workers_do_each_job_ends_once_and_well_stored(real_result):
    JobLife.result = real_result
    run_state_machine_as_test(
        JobLife,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
