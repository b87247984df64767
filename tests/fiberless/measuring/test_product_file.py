"""Our own products, as the service writes them, measured again: as predicted, whatever the format."""

from pathlib import Path

import pytest

from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.contract.manifest import resolve_version
from fiberless.errors import UsageError
from fiberless.inference.predictor import load_predictor
from fiberless.measuring.files import measure_file
from fiberless.products.fits import prediction_fits
from fiberless.products.spectrum import spectrum_product
from fiberless.products.tables import spectrum_csv, spectrum_ecsv, spectrum_parquet
from fiberless.products.votable import spectrum_votable
from fiberless.testing import synthetic_cutout, write_toy_store

STORE = Path(__file__).parents[3] / "model_store"
WRITERS = {"csv": spectrum_csv, "ecsv": spectrum_ecsv, "parquet": spectrum_parquet, "vot": spectrum_votable}


@pytest.fixture(scope="module")
def predicted(tmp_path_factory):
    store = tmp_path_factory.mktemp("store") / "models"
    version = write_toy_store(store)
    cutout = synthetic_cutout(1)
    request = PredictionRequest(cutout, PredictionOptions(n_candidates=6))
    (result,) = load_predictor(store, version, device="cpu").predict([request])
    return result, cutout


def test_measured_again_the_product_says_what_the_prediction_said(predicted, tmp_path):
    result, cutout = predicted
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


@pytest.mark.parametrize("frame", ["observed", "rest"])
@pytest.mark.parametrize("ending", WRITERS)
def test_a_table_of_a_prediction_is_predicted(predicted, tmp_path, ending, frame):
    """One spectrum at its own redshift, in the rest frame too, unless nothing gives the redshift."""
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    result, _ = predicted
    product = spectrum_product(result.prediction, result.arrays, candidate=2, frame=frame)
    path = tmp_path / f"product.{ending}"
    path.write_bytes(WRITERS[ending](product))
    if (ending, frame) == ("csv", "rest"):
        with pytest.raises(UsageError, match="rest frame"):
            measure_file(path)
        return
    given = product.redshift if ending == "csv" else None
    document = measure_file(path, redshift=given).document
    assert document.kind == "predicted"
    assert document.redshift.value == pytest.approx(product.redshift, rel=1e-4)
    assert document.redshift.lower is None
    assert any("no intervals" in note for note in document.notes)
    alone = spectrum_product(result.prediction, result.arrays, candidate=2)
    path.write_bytes(spectrum_ecsv(alone))
    expected = measure_file(path.rename(tmp_path / "alone.ecsv")).document
    assert document.quantities["dn4000"].value == pytest.approx(expected.quantities["dn4000"].value, rel=1e-3)


def test_samples_stay_on_their_wavelengths_in_a_product_at_rest(predicted, tmp_path):
    result, cutout = predicted
    observed, rest = tmp_path / "observed.fits", tmp_path / "rest.fits"
    observed.write_bytes(prediction_fits(result.prediction, result.arrays, cutout))
    rest.write_bytes(prediction_fits(result.prediction, result.arrays, cutout, frame="rest"))
    first, second = (measure_file(path).document for path in (observed, rest))
    assert first.quantities["dn4000"] == second.quantities["dn4000"]


def test_a_redshift_that_is_not_used_is_named(predicted, tmp_path):
    result, cutout = predicted
    path = tmp_path / "product.fits"
    path.write_bytes(prediction_fits(result.prediction, result.arrays, cutout))
    document = measure_file(path, redshift=0.5, ebv=0.1).document
    assert document.redshift.value < 0.4
    assert sum("not used" in note for note in document.notes) == 2


def test_indices_of_the_lick_system_agree_with_the_prediction(tmp_path):
    """The stars' dispersion is in the file: its motions are taken out of the indices as in the prediction."""
    cutout = synthetic_cutout(1)
    request = PredictionRequest(cutout, PredictionOptions(n_candidates=8))
    (result,) = load_predictor(STORE, resolve_version(STORE, None), device="cpu").predict([request])
    path = tmp_path / "galaxy.fits"
    path.write_bytes(prediction_fits(result.prediction, result.arrays, cutout))
    found = measure_file(path).document.lick_system
    for name, expected in result.prediction.properties.lick_system.items():
        half = (expected.upper - expected.lower) / 2
        assert found[name].value == pytest.approx(expected.value, abs=0.15 * half), name
        assert found[name].method == expected.method
