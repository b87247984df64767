import importlib.util
import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, text, update

from fiberless.contract import (
    PredictionOptions,
    PredictionRequest,
    PredictionResult,
    Target,
)
from fiberless.images.cutout import Cutout
from fiberless.inference.predictor import load_predictor
from fiberless.service.settings import Settings
from fiberless.service.storage import SubmitJob, open_store
from fiberless.service.storage.engine import Database
from fiberless.service.storage.schema import HEARTBEAT, JOB
from fiberless.testing import synthetic_cutout, write_toy_store


def _postgresql_binaries():
    """Folder of initdb and pg_ctl: on PATH, Debian's, or those in the wheel of `pgserver`."""
    on_path = shutil.which("initdb")
    wheel = importlib.util.find_spec("pgserver")
    candidates = [
        *([Path(on_path).resolve().parent] if on_path else []),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
        *([Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []),
    ]
    return next((folder for folder in candidates if (folder / "pg_ctl").exists()), None)


def _do_without(reason):
    """Skip, unless the environment promises a server."""
    if os.environ.get("REQUIRE_POSTGRESQL"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgresql_server():
    """URL of a private server on a unix socket; PostgreSQL refuses to run as root, so root hands it down."""
    binaries = _postgresql_binaries()
    if binaries is None:
        _do_without("PostgreSQL is not installed, and neither is the wheel pgserver")
    folder = Path(tempfile.mkdtemp(prefix="fl-pg-", dir="/tmp"))
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)

    def run(program, *arguments):
        command = [str(binaries / program), "-D", str(folder / "data"), *arguments]
        subprocess.run(
            command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    try:
        run("initdb", "-U", "fiberless", "-A", "trust", "-E", "UTF8", "--no-sync")
    except (OSError, subprocess.CalledProcessError) as error:
        shutil.rmtree(folder)
        _do_without(f"PostgreSQL cannot run here: {error}")
    # The test's own server: nothing on TCP, and no fsync.
    run("pg_ctl", "-w", "-o", f"-k {folder} -h '' -F", "-l", str(folder / "log"), "start")
    yield f"postgresql+psycopg://fiberless@/postgres?host={folder}"
    run("pg_ctl", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'db' / 'fiberless.sqlite'}"
    url = request.getfixturevalue("postgresql_server")
    engine = create_engine(url)
    with engine.begin() as connection:
        # Quicker than a database for each test, whose hundreds of files must be deleted again.
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return url


@pytest.fixture
def settings(database_url, tmp_path):
    return Settings(
        data_dir=tmp_path, database_url=database_url, model_store=tmp_path, database_timeout_seconds=20
    )


@pytest.fixture
def store(settings):
    with_close = open_store(settings)
    yield with_close
    with_close.close()


@pytest.fixture
def second_store(settings, store):  # noqa: ARG001  opened after the first
    """The same database as another process sees it."""
    with_close = open_store(settings)
    yield with_close
    with_close.close()


@pytest.fixture
def database(database_url):
    with_close = Database(database_url, timeout_seconds=20)
    yield with_close
    with_close.close()


@pytest.fixture(scope="session")
def real_result(tmp_path_factory):
    """What the toy model predicts for one synthetic galaxy."""
    folder = tmp_path_factory.mktemp("toy_store")
    predictor = load_predictor(folder, write_toy_store(folder), device="cpu")
    options = PredictionOptions(object_id="sdss:1", n_candidates=2, steps=2)
    return predictor.predict([PredictionRequest(synthetic_cutout(1), options)])[0]


@pytest.fixture
def make_result(real_result):
    """Results that differ from the real one in name, object and time."""

    def make(prediction_id="p_1", *, object_id="sdss:1", ra=180.0, dec=1.5, created_minute=0):
        named = real_result.prediction.object.model_copy(
            update={"object_id": object_id, "ra": ra, "dec": dec}
        )
        prediction = real_result.prediction.model_copy(
            update={
                "id": prediction_id,
                "object": named,
                "created": datetime(2030, 1, 1, 0, created_minute, tzinfo=UTC),
            }
        )
        return PredictionResult(prediction, real_result.arrays)

    return make


@pytest.fixture
def cutout():
    rng = np.random.default_rng(1)
    mask = np.zeros((5, 8, 8), dtype=bool)
    mask[2, 3, 4] = True
    return Cutout(
        rng.normal(size=(5, 8, 8)), ra=180.25, dec=-1.5, source="sdss", notes=("padded",), mask=mask
    )


@pytest.fixture
def make_request(cutout):
    def make(*, image=True, key=None, body="b" * 64, owner="", **options):
        return SubmitJob(
            cutout=cutout if image else None,
            target=None if image else Target(ra=10.0, dec=-5.0),
            options=PredictionOptions(model="toy-1", **options),
            idempotency_key=key,
            body_sha256=body,
            owner=owner,
        )

    return make


@pytest.fixture
def submit(store, make_request):
    """Submit a job and return its id."""

    def submit_one(**options):
        return store.jobs.submit(make_request(**options))[0].id

    return submit_one


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
            connection.execute(update(HEARTBEAT).values(seen=HEARTBEAT.c.seen - seconds))

    return shift


@pytest.fixture
def claim(store):
    """Claim with this project's usual figures; `lease_seconds` below zero makes a lease that has run out."""

    def claim_some(job_ids, *, lease_token="a", queue="predict", lease_seconds=60, max_attempts=3, by=None):
        return (by or store).leases.claim(
            job_ids,
            lease_token=lease_token,
            queue=queue,
            lease_seconds=lease_seconds,
            max_attempts=max_attempts,
        )

    return claim_some
