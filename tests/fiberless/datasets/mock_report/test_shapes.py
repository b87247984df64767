import numpy as np
import pytest

from fiberless.datasets.mock_report.shapes import adaptive_fwhm_px, axis_ratio, light_radii_arcsec


def gaussian(sigma_x, sigma_y, *, angle=0.0):
    y, x = np.mgrid[:64, :64] - 31.7
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    image = np.exp(-0.5 * ((along / sigma_x) ** 2 + (across / sigma_y) ** 2))
    return image / image.sum()


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.5])
def test_a_round_gaussian_has_its_width(sigma):
    assert adaptive_fwhm_px(gaussian(sigma, sigma)[None])[0] == pytest.approx(2.3548 * sigma, rel=0.01)


def test_wings_raise_the_adaptive_width_little():
    image = 0.9 * gaussian(1.4, 1.4) + 0.1 * gaussian(5.0, 5.0)
    assert 1.0 < adaptive_fwhm_px(image[None])[0] / (2.3548 * 1.4) < 1.1


def test_a_round_weight_sees_an_ellipse_rounder_than_it_is_at_every_angle():
    ratios = [axis_ratio(gaussian(3.0, 1.5, angle=angle)[None])[0] for angle in (0.0, 0.7, 2.0)]
    assert ratios == pytest.approx([ratios[0]] * 3, abs=0.02)
    assert 0.5 < ratios[0] < 0.8
    assert axis_ratio(gaussian(2.0, 2.0)[None])[0] == pytest.approx(1.0, abs=0.01)


def test_radii_of_a_gaussian():
    """Half of a round Gaussian lies within 1.177 σ, 90 % within 2.146 σ."""
    images = np.repeat(gaussian(5.0, 5.0)[None, None], 5, axis=1)
    half, most = light_radii_arcsec(images)[0]
    assert half == pytest.approx(1.177 * 5 * 0.396, rel=0.02)
    assert most == pytest.approx(2.146 * 5 * 0.396, rel=0.02)
