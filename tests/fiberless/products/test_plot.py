"""The plot and the table of a prediction of the toy model."""

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from fiberless.cli.property_table import property_table
from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.inference.predictor import load_predictor
from fiberless.products.plot import lupton_rgb, plot_prediction
from fiberless.testing import synthetic_cutout, write_toy_store


@pytest.fixture(scope="module")
def prediction(tmp_path_factory):
    store = tmp_path_factory.mktemp("models")
    version = write_toy_store(store)
    options = PredictionOptions(n_candidates=4, object_id="test:1")
    (result,) = load_predictor(store, version, device="cpu").predict(
        [PredictionRequest(synthetic_cutout(1), options)]
    )
    return result.prediction


def test_the_plot_is_a_png(prediction, tmp_path):
    plot_prediction(prediction, synthetic_cutout(1), tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_a_prediction_without_redshift_is_plotted_too(prediction, tmp_path):
    masked = prediction.properties.redshift.model_copy(update={"value": None, "lower": None, "upper": None})
    properties = prediction.properties.model_copy(update={"redshift": masked})
    spectrum = prediction.spectrum.model_copy(update={"redshift": None})
    without = prediction.model_copy(update={"properties": properties, "spectrum": spectrum})
    plot_prediction(without, synthetic_cutout(1), tmp_path / "p.png")
    assert (tmp_path / "p.png").stat().st_size > 0


def test_a_redder_galaxy_is_redder_in_the_colour_image():
    cutout = synthetic_cutout(1)
    flux = cutout.flux_nmgy.copy()
    flux[3] *= 3  # the i band, shown as red
    centre = (32, 32)
    before, after = (
        lupton_rgb(each)[centre].astype(int) for each in (cutout, replace(cutout, flux_nmgy=flux))
    )
    assert after[0] / after.sum() > before[0] / before.sum()
    assert lupton_rgb(cutout).dtype == np.uint8


def test_the_table_shows_each_property_and_that_it_is_predicted(prediction):
    console = Console(width=140, record=True, file=StringIO())
    console.print(property_table(prediction))
    text = console.export_text()
    assert "PREDICTED, NOT OBSERVED" in text
    assert all(
        name in text
        for name in ("redshift", "dn4000", "bpt_class", "H alpha EW", "[O III] 5007 flux", "toy-1")
    )
    assert f"{prediction.properties.redshift.value:.4g}" in text
