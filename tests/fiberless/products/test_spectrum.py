"""One spectrum of a prediction: shown or a candidate, observed or at rest."""

import numpy as np
import pytest

from fiberless.errors import UsageError
from fiberless.products.columns import SPECTRUM_COLUMNS
from fiberless.products.spectrum import spectrum_product


def test_the_shown_spectrum_is_the_document_s(prediction):
    product = spectrum_product(prediction)
    assert list(product.columns) == [column.name for column in SPECTRUM_COLUMNS]
    assert [array.dtype.name for array in product.columns.values()] == [
        column.kind for column in SPECTRUM_COLUMNS
    ]
    assert product.columns["flux"][2:].tolist() == prediction.spectrum.flux.values[2:]
    assert np.isnan(product.columns["flux"][:2]).all()
    assert product.columns["ivar"][:3].tolist() == [0.0, 0.0, 4.0]
    assert (product.redshift, product.frame) == (0.1, "observed")


def test_a_candidate_has_its_own_redshift_and_no_spread(prediction, arrays):
    product = spectrum_product(prediction, arrays, candidate=2)
    np.testing.assert_array_equal(product.columns["flux"], arrays.candidate_flux[2])
    assert product.redshift == prediction.candidates[2].redshift
    assert all(np.isnan(product.columns[name]).all() for name in ("uncertainty", "flux_p16", "flux_p84"))
    assert not product.columns["ivar"].any()


def test_a_candidate_goes_to_rest_by_its_own_redshift(prediction, arrays):
    product = spectrum_product(prediction, arrays, candidate=2, frame="rest")
    stretch = 1 + prediction.candidates[2].redshift
    assert product.columns["wavelength"][-1] == pytest.approx(8499 / stretch)
    assert product.columns["flux"][7] == pytest.approx(arrays.candidate_flux[2, 7] * stretch)


def test_without_its_own_redshift_the_median_of_all_counts(prediction):
    older = prediction.spectrum.model_copy(update={"redshift": None})
    product = spectrum_product(prediction.model_copy(update={"spectrum": older}), frame="rest")
    assert product.redshift == prediction.properties.redshift.value


def test_without_any_redshift_there_is_no_rest_frame(prediction):
    masked = prediction.properties.redshift.model_copy(update={"value": None})
    blind = prediction.model_copy(
        update={
            "spectrum": prediction.spectrum.model_copy(update={"redshift": None}),
            "properties": prediction.properties.model_copy(update={"redshift": masked}),
        }
    )
    assert spectrum_product(blind).redshift is None
    with pytest.raises(UsageError, match="invalid-parameter"):
        spectrum_product(blind, frame="rest")


def test_every_product_says_that_it_is_predicted(prediction):
    facts = spectrum_product(prediction).facts
    assert "PREDICTED" in facts["title"]
    assert facts["kind"] == "predicted-spectrum"
    assert facts["warnings"] == "padded: noise of σ"
    assert None not in facts.values()
