import shutil

import numpy as np
import pytest

from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.errors import FatalError, UsageError
from fiberless.testing import synthetic_cutout
from worker.model_cache import ModelCache


@pytest.fixture
def own_store(toy_store, tmp_path):
    return shutil.copytree(toy_store, tmp_path / "models")


def _request(seed, model=None):
    return PredictionRequest(
        synthetic_cutout(seed), PredictionOptions(n_candidates=2, steps=2, model=model, label=str(seed))
    )


def test_results_come_in_the_order_of_the_requests(toy_store):
    model_cache = ModelCache(toy_store, default_version=None, device="cpu")
    results = model_cache.predict([_request(1), _request(2, "toy-1"), _request(3)])
    assert [result.prediction.label for result in results] == ["1", "2", "3"]
    assert model_cache.default_version == "toy-1"


def test_equal_requests_give_equal_numbers(toy_store):
    model_cache = ModelCache(toy_store, default_version="toy-1", device="cpu")
    first, second = (model_cache.predict([_request(4)])[0].arrays for _ in range(2))
    np.testing.assert_array_equal(first.candidate_flux, second.candidate_flux)


def test_an_unknown_version_is_the_callers_fault(toy_store):
    model_cache = ModelCache(toy_store, default_version=None, device="cpu")
    with pytest.raises(UsageError, match="unknown-model"):
        model_cache.predict([_request(1, "none-such")])


def _weights(store):
    return min((store / "toy-1").rglob("*.safetensors"))


def test_changed_weights_are_refused_by_name(own_store):
    path = _weights(own_store)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(FatalError, match=path.name):
        ModelCache(own_store, default_version=None, device="cpu")


def test_missing_weights_are_refused_by_name(own_store):
    path = _weights(own_store)
    path.unlink()
    with pytest.raises(FatalError, match=path.name):
        ModelCache(own_store, default_version=None, device="cpu")


def test_an_empty_store_is_refused(tmp_path):
    with pytest.raises(FatalError, match="model-unavailable"):
        ModelCache(tmp_path, default_version=None, device="cpu")
