import numpy as np
import pytest

from fiberless.datasets.mock.light import LINE_WAVE_AA
from fiberless.datasets.mock.nebular import LINE_NAMES
from fiberless.datasets.mock.spectra import add_lines, broaden
from fiberless.wavelength import (
    LIGHT_SPEED_KMS,
    TEMPLATE_WAVE_AA,
    sigma_instrument_kms,
    sigma_library_kms,
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
