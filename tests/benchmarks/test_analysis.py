import json
import subprocess
import sys
from pathlib import Path

import pytest

from fiberless.testing import TOY_VERSION, write_toy_store

ROOT = Path(__file__).parents[2]


def test_the_benchmark_times_the_real_fits_and_prices_each_shortcut(tmp_path):
    write_toy_store(tmp_path)
    command = [sys.executable, "benchmarks/analysis.py", "--galaxies", "1", "--exact", "1"]
    done = subprocess.run(
        [*command, "--store", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    document = json.loads(done.stdout)
    assert document["model"] == TOY_VERSION
    assert document["machine"]["threads"] == 1
    parts = document["25 candidates core-ms"]
    assert parts["stars"] + parts["lines, indices and the rest"] == pytest.approx(parts["all"], abs=0.2)
    assert all(
        {"value", "limit", "held", "stretch"} == set(row) for row in document["beside limits"].values()
    )
    exact, *short = document["shortcuts"].values()
    # the exact fit is its own reference, a shortcut is not
    assert all(away == {"median": 0.0, "scatter": 0.0} for away in exact["away"].values())
    assert all(any(away["median"] != 0 for away in row["away"].values()) for row in short)
    lines = done.stderr.splitlines()
    assert any(line.startswith("| full fit core-ms | ") and "| 150 |" in line for line in lines)
    assert any(line.startswith("| tabulated templates") and line.count("|") == 7 for line in lines)
