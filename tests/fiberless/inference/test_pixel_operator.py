import numpy as np
import pytest

from fiberless.astro.wavelength import OBSERVED_WAVE_AA, REST_WAVE_AA, resample_log_flux
from fiberless.inference.pixel_operator import seen_through


@pytest.mark.parametrize("redshift", [0.03, 0.0871, 0.17])
def test_averaging_is_the_model_s_own_resampling(redshift):
    ln_flux = np.random.default_rng(1).normal(0, 0.5, REST_WAVE_AA.size)
    seen = seen_through(OBSERVED_WAVE_AA, redshift, "average") @ np.exp(ln_flux)
    expected = np.exp(resample_log_flux(ln_flux, np.array(redshift), OBSERVED_WAVE_AA))
    np.testing.assert_allclose(seen, expected, rtol=1e-9)


def test_interpolation_returns_the_grid_s_values_on_the_grid_and_polynomials_between():
    pixels = np.arange(100, 3000)
    x = (np.arange(REST_WAVE_AA.size) - 1500) / 1000
    quintic = 1 + x - x**3 + 0.3 * x**5
    on = seen_through(REST_WAVE_AA[pixels] * 1.1, 0.1, "interpolate")
    np.testing.assert_allclose(on @ quintic, quintic[pixels], rtol=1e-9, atol=1e-9)
    between = np.sqrt(REST_WAVE_AA[pixels] * REST_WAVE_AA[pixels + 1]) * 1.1
    at = x[pixels] + 0.0005
    np.testing.assert_allclose(
        seen_through(between, 0.1, "interpolate") @ quintic, 1 + at - at**3 + 0.3 * at**5, atol=1e-9
    )
