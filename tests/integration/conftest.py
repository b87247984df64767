import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from fiberless.contract import PredictionOptions
from fiberless.service.launcher.broker import find_redis_server
from fiberless.service.settings import Settings
from fiberless.service.storage import SubmitJob, open_store
from fiberless.testing import synthetic_cutout, write_toy_store

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 90.0


def _wait_until(is_done, what):
    """Poll; real processes have no better handle."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


@pytest.fixture
def wait_until():
    return _wait_until


class RedisServer:
    """A private Redis on a unix socket."""

    def __init__(self):
        self._folder = Path(tempfile.mkdtemp(prefix="fl-redis-", dir="/tmp"))
        self.url = f"unix://{self._folder / 's'}"
        self.client = redis.Redis(unix_socket_path=str(self._folder / "s"))
        self.start()

    def start(self):
        binary = str(find_redis_server())
        options = [
            "--port",
            "0",
            "--unixsocket",
            str(self._folder / "s"),
            "--save",
            "",
            "--dir",
            str(self._folder),
        ]
        self.process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
        _wait_until(self._answers, "Redis")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.client.close()
        self.process.send_signal(signal.SIGCONT)
        self.kill()
        shutil.rmtree(self._folder)

    def _answers(self):
        try:
            return self.client.ping()
        except redis.ConnectionError:
            return False


@pytest.fixture
def broker():
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def toy_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy_store")
    write_toy_store(folder)
    return folder


@pytest.fixture
def settings(tmp_path, toy_store, broker):
    return Settings(
        data_dir=tmp_path,
        model_store=toy_store,
        redis_url=broker.url,
        batch_size=4,
        lease_seconds=1.5,
        sweep_seconds=0.3,
        resend_seconds=0.5,
        device="cpu",
        cutout_sources="none",
    )


@pytest.fixture
def store(settings):
    with_close = open_store(settings)
    yield with_close
    with_close.close()


@pytest.fixture
def submit(store):
    """Write a job down and return its id; sends no message."""

    def submit_one(label="", seed=1):
        options = PredictionOptions(
            label=label, object_id=f"test:{seed}", n_candidates=2, steps=2, model="toy-1"
        )
        request = SubmitJob(synthetic_cutout(seed), None, options, idempotency_key=None, body_sha256="")
        return store.jobs.submit(request)[0].id

    return submit_one


@pytest.fixture
def start_worker(settings, tmp_path):
    """Start a worker process; all of them end with the test, and their log is shown if it fails."""
    processes = []
    log = (tmp_path / "worker.log").open("wb")

    def start(*command):
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            **{
                f"FIBERLESS_{name.upper()}": str(value)
                for name, value in settings.model_dump(exclude_none=True).items()
            },
        }
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with what it forked
        process.wait()
    log.close()
    sys.stdout.write((tmp_path / "worker.log").read_text())
