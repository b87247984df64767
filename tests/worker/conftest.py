import pytest
from sqlalchemy import update

from fiberless.contract import PredictionOptions, PredictionRequest, PredictionResult, Target
from fiberless.inference.predictor import load_predictor
from fiberless.service.settings import Settings
from fiberless.service.storage import SubmitJob, open_store
from fiberless.service.storage.schema import JOB
from fiberless.testing import synthetic_cutout, write_toy_store


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path, model_store=tmp_path / "models", database_timeout_seconds=20)


@pytest.fixture
def store(settings):
    with_close = open_store(settings)
    yield with_close
    with_close.close()


@pytest.fixture
def submit(store):
    """Submit a job and return its id; `label` names it for the scripted model."""

    def submit_one(label="", *, target=None, owner=""):
        request = SubmitJob(
            cutout=synthetic_cutout(1) if target is None else None,
            target=target,
            options=PredictionOptions(label=label, model="toy-1", n_candidates=2, steps=2),
            idempotency_key=None,
            body_sha256="",
            owner=owner,
        )
        return store.jobs.submit(request)[0].id

    return submit_one


@pytest.fixture
def submit_position(submit):
    return lambda ra=10.0, dec=-5.0: submit(target=Target(ra=ra, dec=dec))


@pytest.fixture
def let_pass(store):
    """Let some seconds pass, by moving all that is written down into the past."""

    def shift(seconds):
        with store.database.write() as connection:
            connection.execute(
                update(JOB).values(
                    published=JOB.c.published - seconds, lease_until=JOB.c.lease_until - seconds
                )
            )

    return shift


@pytest.fixture(scope="session")
def toy_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy_store")
    write_toy_store(folder)
    return folder


@pytest.fixture(scope="session")
def real_result(toy_store):
    """What the toy model predicts for one synthetic galaxy."""
    options = PredictionOptions(n_candidates=2, steps=2)
    predictor = load_predictor(toy_store, "toy-1", device="cpu")
    return predictor.predict([PredictionRequest(synthetic_cutout(1), options)])[0]


@pytest.fixture
def result_for(real_result):
    """The real result under the name of a request's label."""

    def rename(request):
        name = f"p_{request.options.label}"
        return PredictionResult(real_result.prediction.model_copy(update={"id": name}), real_result.arrays)

    return rename
