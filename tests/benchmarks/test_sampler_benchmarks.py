import json
import subprocess
import sys
from pathlib import Path

import pytest

from fiberless.contract.manifest import read_manifest
from fiberless.datasets.mock.generate import generate
from fiberless.testing import TOY_CASCADE, TOY_VERSION, write_toy_cascade, write_toy_store
from tests.training_records import CASCADE_TRAINING, TRAINING

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


@pytest.fixture(scope="module")
def mock(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "mock"
    list(generate(folder, n=24, seed=4, workers=1))
    return folder


def recordable(store):
    """Give the toy versions what their cards tell of their making."""
    for version, training in ((TOY_VERSION, TRAINING), (TOY_CASCADE, CASCADE_TRAINING)):
        manifest = read_manifest(store, version).model_copy(update={"training": training})
        (store / version / "manifest.json").write_text(manifest.model_dump_json())


def test_both_families_are_judged_and_the_choice_goes_into_their_manifests(store, mock, tmp_path):
    recordable(store)
    options = ["--store", store, "--limit", 3, "--candidates", 4, "--steps", 2, "--steps", 12]
    options += ["--cache", tmp_path / "drawn", "--galaxies", f"{TOY_CASCADE}=2", "--record"]
    models = ["--model", TOY_VERSION, "--model", TOY_CASCADE]
    document = run("sampler_quality.py", mock, *models, *options, "--out", tmp_path / "out")
    text = (tmp_path / "out" / "sampler_quality.md").read_text()
    for version, galaxies in ((TOY_VERSION, 3), (TOY_CASCADE, 2)):
        found = document["models"][version]
        assert (found["galaxies"], found["reference"], found["precision"]) == (galaxies, 12, "bf16")
        few, many = found["rows"].values()
        assert many["passes"] is True
        assert all(told["loss"] == told["error"] == 0 for told in many["figures"].values())
        assert few["passes"] is False
        assert found["smallest that passes"] == 12
        assert found["bf16 against fp32"]["figures"]["std_on_average"]["loss"] < 0.02
        assert f"## {version}" in text
        manifest = read_manifest(store, version)
        assert manifest.sampler_steps == 12
        recorded = manifest.metrics["sampler_quality"]
        assert recorded["rows"] == found["rows"]
        assert recorded["command"].startswith("python benchmarks/sampler_quality.py mock --model")
    assert "12 evaluations a stage" in (store / TOY_CASCADE / "card.md").read_text()
    assert "DPM++ 2M, 12 evaluations" in (store / TOY_VERSION / "card.md").read_text()
    assert (tmp_path / "out" / "sampler_quality.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_goes_on_from_what_was_drawn(store, mock, tmp_path):
    options = ["--store", store, "--limit", 3, "--candidates", 4, "--steps", 2, "--steps", 6, "--fp32"]
    options += ["--model", TOY_VERSION, "--cache", tmp_path]
    first = run("sampler_quality.py", mock, *options)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert len(written) == 2
    assert run("sampler_quality.py", mock, *options) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == written
    assert "bf16 against fp32" not in first["models"][TOY_VERSION]
