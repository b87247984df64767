import json

import pytest

from fiberless.datasets.mock.generate import generate
from fiberless.datasets.shards import ShardSet
from fiberless.training.config import StageConfig, TrainingConfig
from fiberless.training.train import Training

_STAGE = {"learning_rate": 1e-3, "ema_decay": 0.9, "warmup_steps": 1, "checkpoint_steps": 3, "log_steps": 1}


@pytest.fixture(scope="session")
def tiny():
    """A whole training in a second: real networks of tiny width."""
    return TrainingConfig(
        seed=3,
        n_components=6,
        basis_rows=40,
        encoder_width=16,
        encoder_depth=1,
        embedding_size=16,
        denoiser_width=32,
        denoiser_depth=2,
        contrastive=StageConfig(steps=7, batch_size=16, **_STAGE),
        denoiser=StageConfig(steps=7, batch_size=32, **_STAGE),
    )


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mock")
    list(generate(folder, n=40, seed=8, workers=1))
    return ShardSet(folder)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="session")
def trained(data, tiny, run_folder):
    return Training(data, tiny, run_folder, progress=lambda *_: None).finish()


@pytest.fixture
def config_file(tiny, tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(tiny.model_dump(mode="json")))
    return path
