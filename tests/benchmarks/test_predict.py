import json
import subprocess
import sys
from pathlib import Path

import pytest

from fiberless.testing import TOY_VERSION, write_toy_store

ROOT = Path(__file__).parents[2]


def test_the_benchmark_counts_and_times_the_real_predictor(tmp_path):
    write_toy_store(tmp_path)
    command = [
        sys.executable,
        "benchmarks/predict.py",
        "--store",
        str(tmp_path),
        "--batch",
        "2",
        "--rounds",
        "1",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    assert document["model"] == TOY_VERSION
    assert document["machine"]["threads"] == 1
    # the toy's sampler takes 5 steps
    assert document["counted"]["evaluations a candidate"] == 5
    assert document["counted"]["image encodings a galaxy"] == 1
    (timed,) = document["timed"].values()
    assert sum(timed["share"].values()) == pytest.approx(1, abs=0.01)
    assert all(share > 0 for share in timed["share"].values())
    assert all({"value", "limit", "held"} == set(row) for row in document["beside limits"].values())
