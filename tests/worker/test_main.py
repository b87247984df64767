import subprocess
import sys

import pytest


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
