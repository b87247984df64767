import numpy as np
import pytest

from fiberless.datasets.mock.detector import CALIBRATION_SIGMA, expose, resampling_matrices
from fiberless.images.apertures import sky_sigma_nmgy


def test_phase_zero_leaves_pixels_as_they_are():
    np.testing.assert_allclose(resampling_matrices()[0], np.eye(64), atol=1e-5)


def test_interpolation_keeps_a_constant_and_shifts_a_wave():
    matrices = resampling_matrices()
    np.testing.assert_allclose(matrices.sum(axis=-1), 1.0, atol=1e-5)
    x = np.arange(64)
    shifted = matrices[8] @ np.sin(2 * np.pi * 3 * x / 64)
    expected = [np.sin(2 * np.pi * 3 * (x + sign * 0.25) / 64) for sign in (1, -1)]
    assert min(np.abs(shifted - wave).max() for wave in expected) < 2e-3


def test_half_a_pixel_smooths_the_noise_most():
    variance = (resampling_matrices()[:, 0] ** 2).sum(axis=-1)
    assert variance.argmin() == 16
    assert variance[0] == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(variance[1:], variance[1:][::-1], atol=1e-4)


def test_noise_of_the_sky_is_that_of_real_stamps():
    """Medians of eight real stamps: 0.043, 0.018, 0.027, 0.037, 0.134 nmgy; frames within 25 % of it."""
    sky = expose(np.random.default_rng(1), np.zeros((150, 5, 64, 64), np.float32))
    assert np.median(sky_sigma_nmgy(sky), axis=0) == pytest.approx(
        [0.043, 0.018, 0.027, 0.037, 0.134], rel=0.15
    )


def test_neighbouring_pixels_are_correlated_as_in_real_stamps():
    """Medians of eight real stamps, sky and faint sources: 0.11 (u) to 0.32 (i); frames 0.00 to 0.04."""
    sky = expose(np.random.default_rng(2), np.zeros((150, 5, 64, 64), np.float32))
    sky -= sky.mean(axis=(-1, -2), keepdims=True)
    lag_one = (sky[..., 1:] * sky[..., :-1]).mean(axis=(-1, -2)) / (sky**2).mean(axis=(-1, -2))
    assert np.median(lag_one[:, 0]) == pytest.approx(0.14, abs=0.06)
    native = np.abs(lag_one[:, 2]) < 0.05
    assert native.mean() > 0.4
    assert np.median(np.abs(lag_one[:, 0] < 0.05)) == 0


def test_bright_light_is_noisier_and_keeps_its_flux():
    flat = np.full((100, 5, 64, 64), 4.0, np.float32)
    exposed = expose(np.random.default_rng(3), flat)
    mean = exposed.mean(axis=(-1, -2))
    assert mean.mean(axis=0) == pytest.approx(4.0, rel=0.01)
    assert mean.std(axis=0)[0] / 4 == pytest.approx(CALIBRATION_SIGMA[0], rel=0.3)
    dark = expose(np.random.default_rng(3), np.zeros_like(flat))
    assert (exposed.std(axis=(-1, -2)) > dark.std(axis=(-1, -2))).all()
