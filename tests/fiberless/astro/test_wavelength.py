import numpy as np
import pytest

from fiberless.astro.wavelength import (
    OBSERVED_WAVE_AA,
    PIXEL_KMS,
    REST_WAVE_AA,
    TEMPLATE_MARGIN,
    TEMPLATE_WAVE_AA,
    air_to_vacuum,
    normalisation_weights,
    resample_log_flux,
    sigma_instrument_kms,
    vacuum_to_air,
)


def test_hydrogen_and_oxygen_lines_have_their_published_air_wavelengths():
    vacuum = np.array([6564.614, 5008.240, 4862.683])
    np.testing.assert_allclose(vacuum_to_air(vacuum), [6562.80, 5006.84, 4861.33], atol=0.01)


def test_air_and_vacuum_are_inverse_and_monotonic_from_the_far_ultraviolet_on():
    air = np.linspace(100.0, 12000.0, 5001)
    vacuum = air_to_vacuum(air)
    assert np.all(np.diff(vacuum) > 0)
    np.testing.assert_allclose(vacuum_to_air(vacuum), air, atol=1e-6)


def test_grids_are_those_of_the_survey():
    assert OBSERVED_WAVE_AA.size == 4500
    assert (OBSERVED_WAVE_AA[0], OBSERVED_WAVE_AA[-1]) == (4000.0, 8499.0)
    assert pytest.approx(69.03, abs=0.01) == PIXEL_KMS
    np.testing.assert_allclose(TEMPLATE_WAVE_AA[TEMPLATE_MARGIN:-TEMPLATE_MARGIN], REST_WAVE_AA)


@pytest.mark.parametrize("z", [0.02, 0.05, 0.10, 0.15, 0.17])
def test_the_rest_grid_covers_the_observed_one_over_the_drawn_redshifts(z):
    assert np.isfinite(resample_log_flux(np.zeros(REST_WAVE_AA.size), np.array(z), OBSERVED_WAVE_AA)).all()


def test_a_power_law_is_shifted_exactly():
    z = np.array([0.03, 0.1])
    ln_flux = np.tile(-1.7 * np.log(REST_WAVE_AA), (2, 1))
    shifted = resample_log_flux(ln_flux, z, OBSERVED_WAVE_AA)
    np.testing.assert_allclose(shifted, -1.7 * np.log(OBSERVED_WAVE_AA / (1 + z[:, None])), atol=3e-7)


def test_outside_the_rest_grid_is_nan():
    shifted = resample_log_flux(np.zeros(REST_WAVE_AA.size), np.array(0.20), OBSERVED_WAVE_AA)
    assert np.isnan(shifted[0])
    assert np.isfinite(shifted[-1])


def test_the_normalisation_is_a_mean_over_wavelength():
    inside = (REST_WAVE_AA >= 3900) & (REST_WAVE_AA <= 7300)
    weights = normalisation_weights()
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ REST_WAVE_AA == pytest.approx(5600.0, abs=0.5)
    assert (weights[~inside] == 0).all()


def test_the_instrument_has_the_survey_s_resolution():
    resolution = 299792.458 / (2.3548 * sigma_instrument_kms(np.array([3800.0, 5000.0, 7000.0, 9000.0])))
    np.testing.assert_allclose(resolution, [1652, 1923, 2026, 2099], rtol=0.02)


@pytest.mark.parametrize("sigma_kms", [80.0, 150.0])
@pytest.mark.parametrize("z", [0.031, 0.0573, 0.12])
def test_a_narrow_line_keeps_its_flux_when_shifted(sigma_kms, z):
    pixel = np.log(REST_WAVE_AA / 5008.24) * 299792.458 / sigma_kms
    spectrum = 1.0 + 20.0 * np.exp(-0.5 * pixel**2)
    shifted = np.exp(resample_log_flux(np.log(spectrum), np.array(z), OBSERVED_WAVE_AA)) - 1.0
    expected = 20.0 * np.sqrt(2 * np.pi) * sigma_kms / 299792.458 * 5008.24 * (1 + z)
    assert shifted.sum() == pytest.approx(expected, rel=0.003)
