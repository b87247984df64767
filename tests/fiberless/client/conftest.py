import pytest

from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.contract.manifest import Manifest
from fiberless.inference.predictor import Predictor
from fiberless.testing import synthetic_cutout, toy_family


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("FIBERLESS_URL", "FIBERLESS_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def document() -> bytes:
    """A prediction as the service stores it."""
    manifest = Manifest.model_validate(
        {
            "name": "toy",
            "version": "toy-1",
            "family": "latent",
            "created": "2026-01-01T00:00:00Z",
            "rest_range_aa": [3400, 8348],
            "redshift_range": [0.03, 0.17],
            "r_magnitude_limit": 17.77,
            "sampler_steps": 4,
            "n_candidates": 25,
            "training": {},
            "training_data": "none",
            "files": {},
            "weights_sha256": "0",
        }
    )
    request = PredictionRequest(synthetic_cutout(1), PredictionOptions(n_candidates=2))
    (result,) = Predictor(toy_family(), manifest).predict([request])
    return result.prediction.model_dump_json(by_alias=True).encode()


@pytest.fixture
def no_pause(monkeypatch) -> list[float]:
    pauses: list[float] = []
    monkeypatch.setattr("fiberless.client.blocking.time.sleep", pauses.append)
    return pauses
