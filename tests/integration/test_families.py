"""One running service, models of both families: whatever draws the candidates, HTTP is the same."""

import httpx
import numpy as np
import pytest

from fiberless.client import Client
from fiberless.contract import LinkedPrediction, PredictionOptions, PredictionRequest
from fiberless.images.fits.read import read_cutout, write_cutout
from fiberless.inference.predictor import load_predictor
from fiberless.testing import TOY_CASCADE, TOY_VERSION, synthetic_cutout, write_toy_cascade, write_toy_store
from tests.running_service import PATIENCE_SECONDS, serving

pytestmark = [pytest.mark.stack, pytest.mark.timeout(400)]

FAMILY_OF = {TOY_VERSION: "latent", TOY_CASCADE: "cascade"}
IMAGE = write_cutout(synthetic_cutout(1))


@pytest.fixture(scope="module")
def model_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_toy_store(folder)
    write_toy_cascade(folder)
    return folder


@pytest.fixture(scope="module")
def url(tmp_path_factory, model_store):
    with serving(tmp_path_factory.mktemp("data"), model_store, "--port", "0") as service:
        yield service.url


@pytest.fixture
def client(url):
    with Client(url, timeout_seconds=PATIENCE_SECONDS) as client:
        yield client


@pytest.mark.parametrize("version", FAMILY_OF)
def test_an_image_goes_in_and_the_named_models_document_comes_out(url, client, model_store, version):
    options = {"model": version, "n_candidates": 3, "seed": 7, "object_id": f"t:{version}"}
    served = client.predict(IMAGE, **options)
    assert served.provenance.model.version == version
    assert served.provenance.model.family == FAMILY_OF[version]

    request = PredictionRequest(read_cutout(IMAGE), PredictionOptions.model_validate(options))
    (expected,) = load_predictor(model_store, version, device="cpu").predict([request])
    assert served.id == expected.prediction.id
    assert _flux(served) == pytest.approx(_flux(expected.prediction), rel=1e-3)
    redshifts = [candidate.redshift for candidate in served.candidates]
    assert redshifts == pytest.approx(expected.arrays.candidate_redshift, rel=1e-3)

    document = httpx.get(f"{url}{served.links.self}", trust_env=False)
    assert document.headers["Content-Type"] == "application/json"
    assert LinkedPrediction.model_validate_json(document.content).id == served.id
    assert client.get(f"t:{version}").id == served.id
    for form in ("fits", "votable", "ecsv", "csv"):
        address = f"{url}{served.links.self}/spectrum"
        assert httpx.get(address, params={"format": form}, trust_env=False).status_code == 200
    assert client.spectrum_fits(served.id, candidate=2).startswith(b"SIMPLE  =")
    assert client.cutout_fits(served.id) == IMAGE
    assert client.preview_png(served.id).startswith(b"\x89PNG")


def test_the_service_names_its_models_and_the_default_is_asked_by_silence(client):
    told = client.models()
    assert {
        model["manifest"]["version"]: model["manifest"]["family"] for model in told["models"]
    } == FAMILY_OF
    assert told["default"] == TOY_VERSION
    assert client.predict(IMAGE, n_candidates=2).provenance.model.version == TOY_VERSION


def _flux(prediction):
    return np.array(prediction.spectrum.flux.values, dtype=float)
