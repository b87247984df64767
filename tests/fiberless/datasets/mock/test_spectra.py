import numpy as np
import pytest
from numpy.polynomial import legendre

from fiberless.astro.wavelength import (
    LIGHT_SPEED_KMS,
    OBSERVED_WAVE_AA,
    PIXEL_KMS,
    TEMPLATE_WAVE_AA,
    sigma_instrument_kms,
    sigma_library_kms,
)
from fiberless.datasets.mock.nebular import LINE_NAMES, LINE_WAVE_AA
from fiberless.datasets.mock.spectra import (
    CALIBRATION_RMS,
    absorb_sodium,
    add_lines,
    broaden,
    calibration_error,
    fibre_noise,
)


def moments(flux, centre_aa):
    velocity = np.log(TEMPLATE_WAVE_AA / centre_aa) * LIGHT_SPEED_KMS
    near = np.abs(velocity) < 2500
    weight = flux[near] / flux[near].sum()
    mean = (weight * velocity[near]).sum()
    return mean, np.sqrt((weight * (velocity[near] - mean) ** 2).sum())


@pytest.mark.parametrize("sigma_star", [100.0, 200.0, 320.0])
@pytest.mark.parametrize("wave", [4500.0, 5500.0, 7000.0])
def test_a_narrow_feature_is_broadened_to_the_quadratic_sum(sigma_star, wave):
    pixel = int(np.argmin(np.abs(TEMPLATE_WAVE_AA - wave)))
    spectrum = np.zeros((1, TEMPLATE_WAVE_AA.size), np.float32)
    spectrum[0, pixel] = 1.0
    z = np.array([0.08])
    result = broaden(spectrum, z, np.array([sigma_star]))[0]
    at = TEMPLATE_WAVE_AA[pixel]
    expected = np.sqrt(sigma_star**2 + sigma_instrument_kms(at * 1.08) ** 2 - sigma_library_kms(at) ** 2)
    mean, width = moments(result, at)
    assert mean == pytest.approx(0.0, abs=1.5)
    assert width == pytest.approx(float(expected), rel=0.01)
    assert result.sum() == pytest.approx(1.0, rel=2e-3)


def test_lines_have_their_flux_and_width():
    flux = np.zeros((1, len(LINE_NAMES)))
    flux[0, LINE_NAMES.index("OIII_5008")] = 42.0
    z = np.array([0.1])
    flat = np.zeros((1, TEMPLATE_WAVE_AA.size), np.float32)
    result = add_lines(flat, flux, z, np.array([150.0]))[0]
    wave = LINE_WAVE_AA[LINE_NAMES.index("OIII_5008")]
    assert np.trapezoid(result, TEMPLATE_WAVE_AA) * 1.1 == pytest.approx(42.0, rel=1e-3)
    mean, width = moments(result, wave)
    pixel_variance = 69.03**2 / 12
    expected = np.sqrt(150.0**2 + sigma_instrument_kms(wave * 1.1) ** 2 + pixel_variance)
    assert mean == pytest.approx(0.0, abs=0.5)
    assert width == pytest.approx(float(expected), rel=5e-3)


def test_lines_are_shifted_by_their_velocity():
    flux = np.zeros((1, len(LINE_NAMES)))
    flux[0, LINE_NAMES.index("Halpha")] = 5.0
    flat = np.zeros((1, TEMPLATE_WAVE_AA.size), np.float32)
    result = add_lines(flat, flux, np.array([0.07]), np.array([120.0]), velocity_kms=np.array([-180.0]))[0]
    mean, _ = moments(result, LINE_WAVE_AA[LINE_NAMES.index("Halpha")])
    assert mean == pytest.approx(-180.0, abs=1.0)


def test_sodium_takes_its_equivalent_width():
    flat = np.full((2, TEMPLATE_WAVE_AA.size), 7.0, np.float32)
    deeper = absorb_sodium(flat, np.array([0.0, 1.5]), np.array([0.05, 0.12]), np.array([100.0, 100.0]))
    widths = np.trapezoid(1 - deeper / flat, TEMPLATE_WAVE_AA, axis=1)
    np.testing.assert_allclose(widths, [0.0, 1.5], atol=2e-3)
    assert TEMPLATE_WAVE_AA[deeper[1].argmin()] == pytest.approx(5891.6, abs=1.0)


def test_calibration_errors_have_their_size_and_are_smooth():
    factors = np.log(calibration_error(np.random.default_rng(3), 2000).astype(float))
    assert np.sqrt((factors**2).mean()) == pytest.approx(CALIBRATION_RMS, rel=0.05)
    np.testing.assert_allclose(factors.mean(), 0.0, atol=1e-3)
    smooth = legendre.legfit(np.linspace(-1, 1, 4500), factors[:5].T, 8)
    np.testing.assert_allclose(legendre.legval(np.linspace(-1, 1, 4500), smooth), factors[:5], atol=1e-5)


def test_noise_is_that_of_real_spectra_per_native_pixel():
    """Real ones of 22 and 92 flux units at 5600–6900 Å: 0.92–1.05 and 1.9–2.0 per pixel of 69 km/s."""
    flux = np.array([22.0, 92.0])[:, None] * np.ones((1, OBSERVED_WAVE_AA.size))
    native_aa = OBSERVED_WAVE_AA * PIXEL_KMS / LIGHT_SPEED_KMS
    red = (OBSERVED_WAVE_AA > 5600) & (OBSERVED_WAVE_AA < 6900)
    sigma = np.median((fibre_noise(np.random.default_rng(0), flux) / np.sqrt(native_aa))[:, red], axis=1)
    np.testing.assert_allclose(sigma, [0.98, 1.97], rtol=0.2)


def test_the_sky_s_lines_are_noisier_than_their_surroundings():
    sigma = fibre_noise(np.random.default_rng(0), np.zeros((1, OBSERVED_WAVE_AA.size)))[0]
    at, beside = (sigma[np.searchsorted(OBSERVED_WAVE_AA, wave)] for wave in (5578.5, 5540.0))
    assert at > 5 * beside
