"""A killed run goes on bit-identically: the process is really killed, in both stages, after a checkpoint."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from fiberless.training.train import Training

DOOMED = Path(__file__).parent / "doomed_training.py"
STAGES = ("contrastive", "denoiser")


@pytest.fixture(scope="module")
def killed_folder(data, tiny, tmp_path_factory):
    """A run killed at the sixth step of each stage, two steps after a checkpoint."""
    folder = tmp_path_factory.mktemp("killed")
    config = folder / "given.json"
    config.write_text(tiny.model_dump_json())
    arguments = [data.paths[0].parent, config, folder, "contrastive:5", "denoiser:5"]
    subprocess.run([sys.executable, DOOMED, *arguments], check=True, timeout=120)
    return folder


def logged(path):
    """Rows without the wall time, which no two runs share."""
    return [line.rsplit(",", 1)[0] for line in path.read_text().splitlines()]


def test_weights_moments_averages_and_logs_are_those_of_a_run_that_was_never_killed(
    killed_folder, trained, run_folder, data, tiny
):
    assert int(load_file(killed_folder / "denoiser.safetensors")["step"]) == 3
    assert len(logged(killed_folder / "denoiser.csv")) == 1 + 5  # two rows after the checkpoint
    resumed = Training(data, tiny, killed_folder, progress=lambda *_: None).finish()
    for name in ("image_encoder", "latent_encoder", "denoiser"):
        expected = getattr(trained.family, name).state_dict()
        for key, value in getattr(resumed.family, name).state_dict().items():
            assert torch.equal(value, expected[key]), f"{name}.{key}"
    for stage in STAGES:
        ours, theirs = (load_file(f / f"{stage}.safetensors") for f in (killed_folder, run_folder))
        assert ours.keys() == theirs.keys()
        assert {key.split(".")[0] for key in ours} == {"step", "model", "ema", "optimizer"}
        for key, value in ours.items():
            assert torch.equal(value, theirs[key]), f"{stage}: {key}"
        rows = logged(killed_folder / f"{stage}.csv")
        assert rows == logged(run_folder / f"{stage}.csv")
        assert [row.split(",")[0] for row in rows] == ["step", *"1234567"]
