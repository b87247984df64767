"""Our own FITS product, as the service writes it, measured again."""

import pytest

from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.inference.predictor import load_predictor
from fiberless.measuring.files import measure_file
from fiberless.products.fits import prediction_fits
from fiberless.testing import synthetic_cutout, write_toy_store


def test_measured_again_the_product_says_what_the_prediction_said(tmp_path):
    version = write_toy_store(tmp_path / "models")
    cutout = synthetic_cutout(1)
    request = PredictionRequest(cutout, PredictionOptions(n_candidates=6))
    (result,) = load_predictor(tmp_path / "models", version, device="cpu").predict([request])
    path = tmp_path / "product.fits"
    path.write_bytes(prediction_fits(result.prediction, result.arrays, cutout))
    document, properties = measure_file(path).document, result.prediction.properties
    assert document.kind == "predicted"
    assert document.redshift.value == pytest.approx(properties.redshift.value, rel=1e-5)
    assert document.quantities["dn4000"].value == pytest.approx(properties.dn4000.value, rel=1e-3)
    for name, line in properties.lines.items():
        if line.ew.value is not None:
            assert document.lines[name].ew.value == pytest.approx(line.ew.value, rel=2e-2, abs=0.05)
    assert set(document.lick) == set(properties.lick)
