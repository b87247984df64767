import numpy as np
import pytest
import scipy.fft

from fiberless.datasets.mock.profiles import GRID, elliptical, fibre_weights, psf, shift

FIBRE_PX = 1.5 / 0.396


def image_of(transform):
    return np.fft.fftshift(scipy.fft.irfft2(transform, s=(GRID, GRID)))


def radius():
    axis = np.arange(GRID) - GRID // 2
    return np.hypot(axis[:, None], axis[None, :])


@pytest.mark.parametrize("sersic", [1.0, 2.0, 4.0])
def test_half_of_the_light_lies_inside_the_half_light_radius(sersic):
    transform = elliptical(np.array([8.0]), np.array([sersic]), np.ones(1), np.zeros(1))[0]
    image = image_of(transform * psf(np.array([1.5]))[0])
    assert transform[0, 0] == pytest.approx(1.0, abs=1e-4)
    # at most 8 R50 are kept, and the PSF moves a little light outwards
    assert image[radius() < 8.0].sum() == pytest.approx(0.5, abs=0.04)


def test_an_ellipse_has_its_axis_ratio_and_angle():
    angle = 0.6
    transform = elliptical(np.array([10.0]), np.ones(1), np.array([0.5]), np.array([angle]))[0]
    image = image_of(transform * psf(np.array([2.0]))[0])
    axis = np.arange(GRID) - GRID // 2
    x, y = axis[None, :] * np.ones((GRID, 1)), axis[:, None] * np.ones((1, GRID))
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    near = radius() < 45
    ratio = np.sqrt((image * across**2)[near].sum() / (image * along**2)[near].sum())
    assert ratio == pytest.approx(0.5, abs=0.06)


def test_the_psf_has_its_width():
    image = image_of(psf(np.array([3.5]))[0].astype(complex))
    line = image[GRID // 2]
    above = np.interp(line.max() / 2, line[GRID // 2 : GRID // 2 + 6][::-1], np.arange(6)[::-1])
    # the wide component adds a little to the core's half width
    assert 2 * above == pytest.approx(3.5, rel=0.06)
    assert image.sum() == pytest.approx(1.0, abs=1e-5)


def test_a_point_is_where_it_was_put():
    image = scipy.fft.irfft2(shift(np.array([20.0]), np.array([50.0]))[0], s=(GRID, GRID))
    assert np.unravel_index(image.argmax(), image.shape) == (50, 20)


def test_the_fibre_sums_the_convolved_image_inside_its_circle():
    transform = elliptical(np.array([6.0]), np.array([2.0]), np.array([0.7]), np.array([0.3]))[0]
    seen = transform * psf(np.array([3.3]))[0]
    fraction = float((seen * fibre_weights()).sum())
    fine = scipy.fft.irfft2(_finer(seen, 8), s=(8 * GRID, 8 * GRID))
    axis = np.fft.fftfreq(8 * GRID) * GRID
    inside = np.hypot(axis[:, None], axis[None, :]) < FIBRE_PX
    assert fraction == pytest.approx(fine[inside].sum(), rel=5e-3)


def _finer(transform, factor):
    """The same image, sampled more finely: its spectrum padded with zeros."""
    padded = np.zeros((factor * GRID, factor * GRID // 2 + 1), complex)
    half = GRID // 2
    padded[:half, : half + 1] = transform[:half]
    padded[-half:, : half + 1] = transform[half:]
    return padded
