"""The benchmark of objects runs at toy size, and its limits are those that are promised."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "objects.py"


def test_the_benchmark_prints_each_figure_beside_its_limit():
    command = [sys.executable, SCRIPT, "--predictions", "200", "--requests", "10"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    limits = {name: row["limit ms"] for name, row in document["beside limits"].items()}
    assert (limits["object"], limits["cone"]) == (50, 20)
    assert document["predictions"] == 200
    assert all(row["p99"] > 0 for row in document["process ms"].values())
