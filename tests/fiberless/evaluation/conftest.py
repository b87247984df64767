import pytest

from fiberless.datasets.mock.generate import generate
from fiberless.datasets.shards import ShardSet
from fiberless.evaluation.evaluate import EvaluationOptions, evaluate
from fiberless.manifest import read_manifest
from fiberless.testing import toy_family, write_toy_store

TRAINING = {
    "config": {
        "seed": 3,
        "contrastive": {"steps": 1, "batch_size": 2, "learning_rate": 1e-3},
        "denoiser": {"steps": 1, "batch_size": 2, "learning_rate": 1e-3},
    },
    "data_command": "fiberless data mock",
    "command": "fiberless train",
    "wall_seconds": 60.0,
    "threads": 1,
    "torch": "2.13",
}


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mock")
    list(generate(folder, n=60, seed=8, workers=1))
    return ShardSet(folder)


@pytest.fixture(scope="session")
def evaluation(data):
    """An untrained model, all figures."""
    options = EvaluationOptions(n_candidates=12, n_measured=6, baseline_rows=60, mlp_steps=60, cnn_steps=1)
    return evaluate(toy_family(), data, data, steps=4, options=options, progress=lambda *_: None)


@pytest.fixture
def store(tmp_path):
    version = write_toy_store(tmp_path)
    manifest = read_manifest(tmp_path, version).model_copy(update={"training": TRAINING})
    (tmp_path / version / "manifest.json").write_text(manifest.model_dump_json())
    return tmp_path
