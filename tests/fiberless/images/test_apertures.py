"""Apertures against areas, profiles and noise known beforehand."""

import numpy as np
import pytest

from fiberless.images.apertures import (
    PHOTOMETRY_NAMES,
    RADII_ARCSEC,
    REFERENCE_SIGMA_NMGY,
    aperture_nmgy,
    asinh_magnitude,
    centres_px,
    photometry,
    sky_sigma_nmgy,
)

RADII_PX = np.array(RADII_ARCSEC) / 0.396


def gaussian(side: int, sigma: float, *, dy: float = 0.0, dx: float = 0.0, total: float = 1.0) -> np.ndarray:
    """(1, 5, side, side): a Gaussian at the middle plus (dy, dx), five equal bands."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    plane = np.exp(-((y - dy) ** 2 + (x - dx) ** 2) / (2 * sigma**2)) * total / (2 * np.pi * sigma**2)
    return np.repeat(plane[None, None], 5, axis=1)


def brute_force(plane: np.ndarray, centre: tuple[float, float], radius: float) -> float:
    """Flux in a circle with every pixel cut into 40 × 40."""
    fine = np.kron(plane, np.ones((40, 40))) / 1600
    y, x = (np.mgrid[: fine.shape[0], : fine.shape[1]] + 0.5) / 40 - 0.5
    return float(fine[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2].sum())


@pytest.mark.parametrize("side", [64, 63, 51])
def test_a_flat_image_gives_the_area_of_the_circle(side):
    flat = np.ones((2, 5, side, side))
    np.testing.assert_allclose(
        aperture_nmgy(flat), np.broadcast_to(np.pi * RADII_PX**2, (2, 5, 5)), rtol=1e-9
    )


@pytest.mark.parametrize(("dy", "dx"), [(0.0, 0.0), (0.31, -0.47), (-0.9, 0.6)])
def test_pixels_are_cut_by_the_circle(dy, dx):
    image = gaussian(41, 1.8, dy=dy, dx=dx)
    centre = centres_px(image)[0]
    expected = [brute_force(image[0, 0], centre, radius) for radius in RADII_PX]
    np.testing.assert_allclose(aperture_nmgy(image)[0, 0], expected, rtol=2e-3)


@pytest.mark.parametrize("radii", [(3.0,), (7.0, 0.8)])
def test_radii_are_the_caller_s_to_choose(radii):
    flux = aperture_nmgy(gaussian(64, 3.0), radii_arcsec=radii)
    expected = 1 - np.exp(-((np.array(radii) / 0.396) ** 2) / 18)
    assert flux.shape == (1, 5, len(radii))
    np.testing.assert_allclose(flux[0, 0], expected, rtol=0.025)


@pytest.mark.parametrize("side", [64, 51])
@pytest.mark.parametrize(("dy", "dx"), [(0.0, 0.0), (0.5, -0.5), (-1.0, 0.8)])
def test_centres_are_found(side, dy, dx):
    middle = (side - 1) / 2
    found = centres_px(gaussian(side, 1.6, dy=dy, dx=dx))[0]
    np.testing.assert_allclose(found, [middle + dy, middle + dx], atol=1e-3)


def test_centres_move_no_further_than_a_pixel_and_a_half():
    shift = centres_px(gaussian(64, 2.0, dy=3.0, dx=3.0))[0] - 31.5
    assert np.hypot(*shift) == pytest.approx(1.5)


def test_an_image_without_light_keeps_its_middle():
    np.testing.assert_array_equal(centres_px(-np.ones((1, 5, 64, 64))), [[31.5, 31.5]])


def test_the_centre_comes_from_r():
    image = gaussian(64, 2.0)
    image[:, 2] = gaussian(64, 2.0, dx=1.0)[:, 2]
    np.testing.assert_allclose(centres_px(image)[0], [31.5, 32.5], atol=0.01)


def test_results_do_not_depend_on_neighbours_in_the_batch():
    rng = np.random.default_rng(3)
    images = rng.normal(0, 0.03, (70, 5, 64, 64)) + gaussian(64, 2.5, dx=0.3, total=30.0)
    alone = np.concatenate([photometry(image[None]) for image in images])
    np.testing.assert_array_equal(photometry(images), alone)


def test_sky_noise_is_measured_beside_a_galaxy_and_a_star():
    rng = np.random.default_rng(4)
    images = rng.standard_normal((60, 5, 64, 64)) * REFERENCE_SIGMA_NMGY[:, None, None]
    images += gaussian(64, 4.0, total=100.0)
    images[:, :, 2:5, 2:5] += 40.0
    sigma = sky_sigma_nmgy(images)
    assert sigma.shape == (60, 5)
    np.testing.assert_allclose(sigma.mean(axis=0), REFERENCE_SIGMA_NMGY, rtol=0.02)


def test_asinh_magnitudes_are_pogson_magnitudes_of_bright_sources():
    assert asinh_magnitude(np.array(100.0), np.array(0.01)) == pytest.approx(17.5, abs=1e-6)
    assert np.isfinite(asinh_magnitude(np.array(-5.0), np.array(0.01)))


def test_the_vector_has_its_names():
    assert len(PHOTOMETRY_NAMES) == len(set(PHOTOMETRY_NAMES)) == 49
    fluxes = np.array([30.0, 100.0, 200.0, 280.0, 350.0])
    vector = photometry(gaussian(64, 3.0) * fluxes[:, None, None])
    assert vector.shape == (1, 49)
    assert vector.dtype == np.float32
    row = dict(zip(PHOTOMETRY_NAMES, vector[0].tolist(), strict=True))
    assert row["mag_r_7.0"] == pytest.approx(22.5 - 2.5 * np.log10(200), abs=2e-3)
    assert row["colour_g-r_2.5"] == pytest.approx(2.5 * np.log10(2), abs=2e-3)
    assert row["colour_i-z_0.8"] == pytest.approx(2.5 * np.log10(1.25), abs=2e-3)
    inside = 1 - np.exp(-(RADII_PX**2) / 18)
    assert row["growth_r_2.5-4.0"] == pytest.approx(2.5 * np.log10(inside[3] / inside[2]), abs=0.01)


@pytest.mark.parametrize(("sigma", "tolerance"), [(1.4, 0.03), (2.2, 0.02)])
def test_a_shift_of_the_galaxy_changes_magnitudes_no_more_than_its_pixels_do(sigma, tolerance):
    still = photometry(gaussian(64, sigma, total=300.0))
    moved = photometry(gaussian(64, sigma, dy=0.4, dx=-0.7, total=300.0))
    np.testing.assert_allclose(moved, still, atol=tolerance)


def test_empty_and_negative_skies_give_finite_vectors():
    rng = np.random.default_rng(5)
    assert np.isfinite(photometry(rng.normal(0, 0.02, (4, 5, 64, 64)) - 0.01)).all()
