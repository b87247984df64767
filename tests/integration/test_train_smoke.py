"""The whole recipe from nothing to a predicted galaxy: what `make train-smoke` runs, smaller."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "train_smoke.sh"
ROOT = SCRIPT.parents[2]
SIZES = {
    "GALAXIES": "160",
    "HELD_OUT": "60",
    "CONTRASTIVE_STEPS": "20",
    "DENOISER_STEPS": "20",
    "MLP_STEPS": "50",
}

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    environment = os.environ | SIZES | {"BIN": str(Path(sys.executable).parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["sh", SCRIPT, folder], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_a_galaxy_is_predicted_by_the_version_just_trained(recipe):
    prediction = json.loads((recipe / "out" / "galaxy.json").read_text())
    assert prediction["provenance"]["model"]["version"] == "smoke"
    assert 0.029 < prediction["properties"]["redshift"]["value"] < 0.171
    assert {path.suffix for path in (recipe / "out").iterdir()} == {".fits", ".json", ".png"}


def test_the_version_says_how_it_was_made(recipe):
    manifest = json.loads((recipe / "store" / "smoke" / "manifest.json").read_text())
    assert manifest["training"]["config"]["denoiser"]["steps"] == int(SIZES["DENOISER_STEPS"])
    assert manifest["training"]["data"]["n"] == int(SIZES["GALAXIES"])
    assert manifest["training"]["command"].startswith("fiberless train ")


def test_make_runs_the_same_script():
    assert f"sh {SCRIPT.relative_to(ROOT)}" in (ROOT / "Makefile").read_text()
