"""Noise that is added to a spectrum again."""

import numpy as np

from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.redshift.noise import seen_again


def test_copies_scatter_by_the_inverse_variance_about_the_spectrum():
    """400 copies of 200 pixels: standard deviations of all to 1 %, means of all to 2 % of a deviation."""
    wave = np.arange(5000.0, 5200.0)
    sigma = np.linspace(0.5, 2.0, wave.size)
    pixels = PixelFlux.of(wave, np.full((1, wave.size), 7.0), sigma[None] ** -2)
    again = seen_again(pixels, np.random.default_rng(1), count=400)
    deviates = (again.flux - 7.0) / sigma
    assert abs(deviates.std() - 1) < 0.01
    assert abs(deviates.mean()) < 0.02
    np.testing.assert_allclose(again.ivar, np.repeat(pixels.ivar, 400, axis=0))


def test_pixels_without_weight_stay_as_they_are():
    wave = np.arange(5000.0, 5010.0)
    ivar = np.where(np.arange(10) == 4, 0.0, 1.0)[None]
    again = seen_again(PixelFlux.of(wave, np.ones((1, 10)), ivar), np.random.default_rng(1), count=3)
    assert not again.valid[:, 4].any()
    np.testing.assert_array_equal(again.flux[:, 4], 0.0)


def test_without_an_inverse_variance_nothing_is_added():
    pixels = PixelFlux.of(np.arange(5000.0, 5010.0), np.ones((1, 10)))
    np.testing.assert_array_equal(seen_again(pixels, np.random.default_rng(1), count=2).flux, 1.0)
