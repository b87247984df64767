import json
import subprocess
import sys
from pathlib import Path

import pytest

from fiberless.datasets.mock.generate import generate
from fiberless.testing import TOY_CASCADE, TOY_VERSION, write_toy_cascade, write_toy_store

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    write_toy_store(folder)
    write_toy_cascade(folder)
    return folder


def run(script, *arguments):
    command = [sys.executable, f"benchmarks/{script}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=250)
    return json.loads(done.stdout)


def test_every_pipeline_is_counted_and_timed_beside_the_limits(store, tmp_path):
    text = tmp_path / "sampler.md"
    document = run("sampler.py", "--store", store, "--rounds", "1", "--batch", "2", "--markdown", text)
    rows = document["pipelines"]
    assert len(rows) == 4
    paper, few, slim, latent = rows.values()
    # 250 × (25 × 2.6 + 5 × 21.5 + two image encoders): the page that states the limits has 40,700
    assert paper["GFLOP a galaxy"] == pytest.approx(43_000, rel=0.03)
    assert few["GFLOP a galaxy"] == pytest.approx(paper["GFLOP a galaxy"] / 10, rel=0.01)
    assert latent["GFLOP a galaxy"] < 1 < slim["GFLOP a galaxy"] < few["GFLOP a galaxy"]
    assert all(row["core-ms a galaxy"] > 0 for row in rows.values())
    assert document["beside limits"]["latent GFLOP a galaxy"]["held"] is True
    assert all(name in text.read_text() for name in rows)


def test_the_reference_passes_its_own_gate_and_both_families_are_judged(store, tmp_path):
    data = tmp_path / "mock"
    list(generate(data, n=12, seed=4, workers=1))
    options = ["--store", store, "--limit", 3, "--candidates", 4, "--steps", 2, "--steps", 12]
    models = ["--model", TOY_VERSION, "--model", TOY_CASCADE]
    document = run("sampler_quality.py", data, *models, *options, "--out", tmp_path / "out")
    for version in (TOY_VERSION, TOY_CASCADE):
        few, many = document["rows"][version].values()
        assert many["passes"] == 1
        assert many["std_ratio_least"] == many["std_ratio_most"] == many["line_std_ratio"] == 1
        assert few["passes"] == 0
        assert document["smallest that passes"][version] == 12
        assert f"## {version}" in (tmp_path / "out" / "sampler_quality.md").read_text()
    assert (tmp_path / "out" / "sampler_quality.png").read_bytes().startswith(b"\x89PNG")
