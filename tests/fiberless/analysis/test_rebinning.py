import numpy as np
import pytest

from fiberless.analysis.rebinning import PixelFlux, bin_edges
from fiberless.errors import UsageError

WAVE_AA = np.array([1.0, 2.0, 3.0, 4.0])


def test_borders_lie_half_way():
    np.testing.assert_allclose(bin_edges(WAVE_AA), [0.5, 1.5, 2.5, 3.5, 4.5])


def test_a_bin_across_pixels_averages_them_by_overlap():
    pixels = PixelFlux.of(WAVE_AA, np.array([[1.0, 2.0, 4.0, 8.0]]))
    binned = pixels.rebin(np.array([[1.0, 2.0, 4.5]]))
    np.testing.assert_allclose(binned.flux, [[1.5, (0.5 * 2 + 4 + 8) / 2.5]])
    np.testing.assert_allclose(binned.coverage, 1.0)


def test_invalid_pixels_are_left_out_of_mean_and_coverage():
    pixels = PixelFlux.of(WAVE_AA, np.array([[1.0, np.nan, 4.0, 8.0]]))
    binned = pixels.rebin(np.array([[0.5, 2.5, 3.5]]))
    np.testing.assert_allclose(binned.flux, [[1.0, 4.0]])
    np.testing.assert_allclose(binned.coverage, [[0.5, 1.0]])


def test_bins_outside_the_spectrum_are_not_covered():
    binned = PixelFlux.of(WAVE_AA, np.ones((1, 4))).rebin(np.array([[-5.0, -4.0, 10.0, 11.0]]))
    np.testing.assert_allclose(binned.coverage[0, [0, 2]], 0.0)
    np.testing.assert_allclose(binned.flux[0, [0, 2]], 0.0)


def test_no_inverse_variance_is_lost_or_made():
    ivar = np.array([[4.0, 1.0, 0.0, 2.0]])
    pixels = PixelFlux.of(WAVE_AA, np.ones((1, 4)), ivar)
    binned = pixels.rebin(np.array([[0.5, 1.2, 2.9, 4.5]]))
    assert binned.ivar is not None
    np.testing.assert_allclose(binned.ivar.sum(), ivar.sum())
    np.testing.assert_allclose(binned.ivar[0, 0], 4.0 * 0.7)


def test_pixels_without_weight_are_not_valid():
    pixels = PixelFlux.of(WAVE_AA, np.ones((1, 4)), np.array([[1.0, 0.0, np.nan, -1.0]]))
    np.testing.assert_array_equal(pixels.valid, [[True, False, False, False]])


@pytest.mark.parametrize(
    ("wave", "flux", "ivar"),
    [
        (WAVE_AA[::-1], np.ones((1, 4)), None),
        (WAVE_AA, np.ones(4), None),
        (WAVE_AA, np.ones((1, 5)), None),
        (WAVE_AA, np.ones((1, 4)), np.ones((2, 4))),
        (np.array([1.0]), np.ones((1, 1)), None),
    ],
)
def test_shapes_that_do_not_fit_are_refused(wave, flux, ivar):
    with pytest.raises(UsageError) as caught:
        PixelFlux.of(wave, flux, ivar)
    assert caught.value.slug == "invalid-parameter"
