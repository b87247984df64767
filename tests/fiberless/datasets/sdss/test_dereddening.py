"""The Milky Way's extinction curve: its own anchors, and the coefficients of the bands."""

import numpy as np
import pytest

from fiberless.astro.bands import BANDS, response
from fiberless.astro.extinction import EXTINCTION_PER_EBV
from fiberless.datasets.sdss.dereddening import galactic_curve, spectrum_correction


def test_the_curve_goes_through_its_anchors():
    waves = np.array([4110.0, 4670.0, 5470.0, 6000.0, 12200.0])
    np.testing.assert_allclose(galactic_curve(waves), [4.315, 3.806, 3.055, 2.688, 0.829], rtol=1e-9)


@pytest.mark.parametrize("band", "ugriz")
def test_spectra_and_images_are_corrected_alike(band):
    wave, throughput = response(band)
    photons = throughput * wave
    share = np.sum(photons / spectrum_correction(wave, 0.1)) / np.sum(photons)
    assert -2.5 * np.log10(share) / 0.1 == pytest.approx(EXTINCTION_PER_EBV[BANDS.index(band)], rel=0.006)


def test_without_dust_nothing_changes():
    np.testing.assert_array_equal(spectrum_correction(np.array([4000.0, 8000.0]), 0.0), [1.0, 1.0])
