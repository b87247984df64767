import json
import subprocess
import sys
from pathlib import Path

from fiberless.testing import write_toy_store

ROOT = Path(__file__).parents[2]


def test_the_benchmark_takes_a_real_batch_in(tmp_path):
    write_toy_store(tmp_path)
    command = [sys.executable, "-m", "benchmarks.batches", "--rows", "1500", "--form", "votable"]
    done = subprocess.run(
        [*command, "--model-store", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    document = json.loads(done.stdout)
    assert document["rows"] == 1500
    assert set(document["measured"]["votable"]) == set(document["limits"])
    assert all(value >= 0 for value in document["measured"]["votable"].values())
