import subprocess
import sys

import pytest

from fiberless.service.settings import Settings
from fiberless.service.storage import open_store
from worker.identity import new_worker_id


def _run(arguments, tmp_path, **environment):
    return subprocess.run(
        [sys.executable, "-m", "worker", *arguments],
        env={"FIBERLESS_DATA_DIR": str(tmp_path), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", ["predict", "fetch"])
def test_a_worker_without_a_broker_says_what_is_missing(kind, tmp_path):
    ended = _run([kind], tmp_path)
    assert ended.returncode == 2
    assert "FIBERLESS_REDIS_URL" in ended.stderr


def test_a_worker_without_a_model_does_not_start(tmp_path):
    ended = _run(
        ["predict"],
        tmp_path,
        FIBERLESS_REDIS_URL="redis://127.0.0.1:1/0",
        FIBERLESS_MODEL_STORE=str(tmp_path),
    )
    assert ended.returncode == 2
    assert "model-unavailable" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_check_passes_only_with_a_young_heartbeat_of_that_kind_on_this_host(tmp_path):
    assert _run(["check", "fetch"], tmp_path).returncode == 1
    store = open_store(Settings(data_dir=tmp_path))
    store.heartbeats.beat("predict", new_worker_id("predict"))
    store.heartbeats.beat("fetch", "fetch-1-abc@another-host")
    store.close()
    assert _run(["check", "predict"], tmp_path).returncode == 0
    assert _run(["check", "fetch"], tmp_path).returncode == 1
    assert _run(["check", "predict"], tmp_path, FIBERLESS_LEASE_SECONDS="0.000001").returncode == 1
