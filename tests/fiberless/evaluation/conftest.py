import pytest

from fiberless.contract.manifest import read_manifest
from fiberless.datasets.mock.generate import generate
from fiberless.datasets.shards import ShardSet
from fiberless.evaluation.evaluate import EvaluationOptions, evaluate
from fiberless.testing import toy_family, write_toy_store
from tests.training_records import TRAINING


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
