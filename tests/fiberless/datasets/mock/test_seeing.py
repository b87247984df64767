import numpy as np
import pytest
import scipy.fft

from fiberless.datasets.mock.field import Neighbours, add_neighbours
from fiberless.datasets.mock.profiles import GRID, shift
from fiberless.datasets.mock.seeing import PSF_FWHM_ARCSEC, draw_seeing
from fiberless.datasets.mock_report.shapes import adaptive_fwhm_px


def test_transform_and_gaussians_are_the_same_psf():
    seeing = draw_seeing(np.random.default_rng(5), 3)
    stars = np.zeros((3, 5, 64, 64), np.float32)
    point = Neighbours(np.arange(3), np.zeros((3, 2)), np.ones((3, 5)) * 1e3, np.zeros((3, 3)))
    add_neighbours(stars, point, seeing)
    centre = shift(np.full(3, (GRID - 1) / 2), np.full(3, (GRID - 1) / 2))
    drawn = scipy.fft.irfft2(centre[:, None] * seeing.transforms(), s=(GRID, GRID))[..., 32:96, 32:96]
    np.testing.assert_allclose(1e3 * drawn, stars, atol=0.5)


def test_widths_are_the_survey_s():
    """SDSS DR8: medians 1.53, 1.44, 1.32, 1.26, 1.29 arcsec, adaptive; r of the main sample 1.1 to 1.6."""
    seeing = draw_seeing(np.random.default_rng(6), 400)
    stars = np.zeros((400, 5, 64, 64), np.float32)
    point = Neighbours(np.arange(400), np.zeros((400, 2)), np.ones((400, 5)) * 1e3, np.zeros((400, 3)))
    add_neighbours(stars, point, seeing)
    widths = np.stack([adaptive_fwhm_px(stars[:, band]) for band in range(5)], axis=1) * 0.396
    assert np.median(widths, axis=0) == pytest.approx([1.53, 1.44, 1.32, 1.26, 1.29], rel=0.04)
    assert np.quantile(widths[:, 2], [0.16, 0.84]) == pytest.approx([1.1, 1.6], rel=0.05)
    assert np.corrcoef(widths[:, 0], widths[:, 4])[0, 1] > 0.7


def test_shares_sum_to_one_and_widths_follow_the_bands():
    seeing = draw_seeing(np.random.default_rng(7), 500)
    np.testing.assert_allclose(seeing.shares.sum(axis=1), 1.0)
    assert (seeing.shares > 0).all()
    ratio = np.median(seeing.fwhm_pixels * 0.396 / PSF_FWHM_ARCSEC, axis=0)
    assert ratio == pytest.approx(1.0, abs=0.03)
