import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from fiberless.errors import UsageError
from fiberless.evaluation.ablation import LATENT_CRPS, ablate, read_caches
from fiberless.evaluation.report import write_ablation
from fiberless.inference.physical import PHYSICAL_NAMES
from fiberless.training.config import StageConfig, StageName, TrainingConfig
from fiberless.training.diffusion import DenoiserData
from fiberless.training.train import Training

STAGE = {"learning_rate": 1e-2, "ema_decay": 0.95, "warmup_steps": 5, "checkpoint_steps": 500}
TINY = TrainingConfig(
    seed=3,
    n_components=6,
    basis_rows=40,
    encoder_width=16,
    encoder_depth=1,
    embedding_size=16,
    denoiser_width=32,
    denoiser_depth=2,
    contrastive=StageConfig(steps=2, batch_size=16, **STAGE),
    denoiser=StageConfig(steps=5, batch_size=256, **STAGE),
)


def silent(*_):
    pass


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    training = Training(data, TINY, folder, progress=silent)
    training.run(StageName.CONTRASTIVE)
    assert training.features.shape == (2, len(data), 16)
    return folder


@pytest.fixture(scope="module")
def caches(run):
    """The tables of a real run, four times over, with features that hold what photometry cannot know."""
    found = read_caches(run)
    rng = np.random.default_rng(0)
    latent = found.data.latent.repeat(20, 1)
    latent[:, 0] = torch.from_numpy(rng.normal(size=len(latent)).astype(np.float32))
    features = torch.zeros(2, len(latent), 16, dtype=torch.float16)
    features[...] = latent[:, :1].half()
    photometry = found.data.photometry.repeat(20, 1)
    return replace(found, data=DenoiserData(latent, features, photometry, torch.zeros(len(latent), 0, 0)))


def test_a_run_without_features_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no config\.json"):
        read_caches(tmp_path)


def test_caches_are_what_the_denoiser_is_trained_on(run, data):
    caches = read_caches(run)
    assert caches.first_held_out == TINY.training_rows(len(data))
    assert caches.data.features.dtype == torch.float16
    spread = caches.data.features[0, : caches.first_held_out].float()
    np.testing.assert_allclose(spread.mean(dim=0), 0, atol=0.01)
    np.testing.assert_allclose(spread.std(dim=0), 1, atol=0.05)


def test_what_only_the_features_know_is_found_by_the_arm_that_has_them(caches, tmp_path):
    """The redshift of these galaxies stands in a feature and nowhere in the photometry."""
    result = ablate(caches, steps=200, seeds=2, n_candidates=8, n_measured=2, progress=silent)
    redshift = result["rows"]["redshift"]
    assert redshift["both"]["mean"] > 0.5
    assert redshift["apertures"]["mean"] < 0.2
    difference = redshift["difference"]
    gain = redshift["both"]["mean"] - redshift["apertures"]["mean"]
    assert difference["mean"] == pytest.approx(gain, abs=1e-4)
    assert len(difference["seeds"]) == 2
    assert result["rows"][LATENT_CRPS]["difference"]["mean"] < 0
    assert set(PHYSICAL_NAMES) | {"dn4000", "log_ew_Halpha"} <= set(result["rows"])
    write_ablation(result | {"command": "fiberless ablate"}, tmp_path)
    assert json.loads((tmp_path / "ablation.json").read_text())["seeds"] == 2
    assert "| R² of z |" in (tmp_path / "ablation.md").read_text()
