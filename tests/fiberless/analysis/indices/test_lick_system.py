"""Lick indices at the Lick resolution: broadening is exact, and the stars' motions are taken out."""

from dataclasses import replace

import numpy as np
import pytest

from fiberless.analysis.indices.lick import index_bands, lick_indices
from fiberless.analysis.indices.lick_system import (
    broaden_variably,
    dispersion_corrections,
    lick_sigma_kms,
    lick_system_scatter,
    lick_system_values,
)
from fiberless.analysis.lines.fit import fit_spectra
from fiberless.analysis.rebinning import PixelFlux
from fiberless.astro.ssp import load_ssp
from fiberless.astro.wavelength import (
    LIGHT_SPEED_KMS,
    OBSERVED_WAVE_AA,
    PIXEL_KMS,
    REST_WAVE_AA,
    air_to_vacuum,
    resample_log_flux,
    sigma_library_kms,
)
from fiberless.datasets.mock.spectra import broaden, rest_window

REDSHIFT = 0.08
OLD, SOLAR = 24, 4


def galaxy(sigma_kms: float) -> tuple[PixelFlux, np.ndarray]:
    """An old population of the library, moving and seen by the instrument."""
    flux = load_ssp().flux[SOLAR, OLD][None] / load_ssp().flux[SOLAR, OLD].mean()
    z = np.array([REDSHIFT])
    seen = np.log(rest_window(broaden(flux, z, np.array([sigma_kms]))))
    return PixelFlux.of(OBSERVED_WAVE_AA, 20 * np.exp(resample_log_flux(seen, z, OBSERVED_WAVE_AA))), z


def at_rest() -> dict[str, float]:
    """Indices of the same population at the Lick resolution, from the library's own spectrum."""
    flux = rest_window(load_ssp().flux[SOLAR, OLD][None].astype(float))
    missing = np.sqrt(lick_sigma_kms(REST_WAVE_AA) ** 2 - sigma_library_kms(REST_WAVE_AA) ** 2)
    found = lick_indices(PixelFlux.of(REST_WAVE_AA, broaden_variably(flux, missing[None])), np.zeros(1))
    return dict(zip(found.names, found.value[0].tolist(), strict=True))


def test_the_resolution_is_that_of_worthey_and_ottaviani():
    """FWHM of 11.5 Å at 4000 Å, 8.4 Å at 5150 Å (air), 9.8 Å beyond 6000 Å."""
    wave = air_to_vacuum(np.array([4000.0, 5150.0, 6300.0]))
    fwhm = lick_sigma_kms(wave) / LIGHT_SPEED_KMS * wave * 2.354820045
    np.testing.assert_allclose(fwhm, [11.5, 8.4, 9.8], atol=0.01)


def test_a_line_of_known_width_is_broadened_in_quadrature():
    """A Gaussian of 3 pixels and a kernel of 4 make one of 5, of the same area."""
    pixel = np.arange(400.0) - 200
    line = np.exp(-0.5 * (pixel / 3) ** 2)[None]
    found = broaden_variably(line, np.full((1, 400), 4 * PIXEL_KMS))
    np.testing.assert_allclose(found[0], 0.6 * np.exp(-0.5 * (pixel / 5) ** 2), atol=1e-6)


def test_the_width_may_change_along_the_spectrum():
    pixel = np.arange(800.0)
    lines = sum(np.exp(-0.5 * ((pixel - at) / 3) ** 2) for at in (200, 600))[None]
    width = np.where(pixel < 400, 0.0, 4.0)[None] * PIXEL_KMS
    found = broaden_variably(lines, width)[0]
    assert found[200] == pytest.approx(1.0, abs=1e-4)
    assert found[600] == pytest.approx(0.6, abs=1e-4)


@pytest.mark.parametrize("sigma_kms", [100.0, 170.0, 300.0])
def test_stars_are_taken_back_to_rest(sigma_kms):
    """Whatever σ* was, indices come out as those of the library at the Lick resolution."""
    pixels, z = galaxy(sigma_kms)
    fit = fit_spectra(pixels, z)
    fit = replace(fit, lines=np.zeros_like(fit.lines))
    found = lick_system_values(
        pixels, z, fit, sigma_star_kms=np.array([sigma_kms]), resampling_kms=PIXEL_KMS / 2
    )
    for name, expected in at_rest().items():
        tolerance = 0.003 if index_bands()[name].unit == "mag" else 0.02 + 0.02 * abs(expected)
        assert found.of(name)[0] == pytest.approx(expected, abs=tolerance), name


def test_without_sigma_the_motions_stay_in():
    pixels, z = galaxy(300.0)
    fit = fit_spectra(pixels, z)
    plain = lick_system_values(pixels, z, fit).of("Fe5335")[0]
    corrected = lick_system_values(pixels, z, fit, sigma_star_kms=np.array([300.0])).of("Fe5335")[0]
    assert plain < 0.8 * corrected


def test_nothing_is_corrected_at_the_lick_resolution_itself():
    for name, change in dispersion_corrections().items():
        is_factor = index_bands()[name].unit == "Angstrom" and not name.startswith(("Hdelta", "Hgamma"))
        assert change[0] == pytest.approx(1.0 if is_factor else 0.0)
        assert not is_factor or np.all(np.diff(change) > 0), name


def test_what_is_not_covered_has_no_index():
    pixels, z = galaxy(150.0)
    hole = (OBSERVED_WAVE_AA > 5100 * (1 + REDSHIFT)) & (OBSERVED_WAVE_AA < 5230 * (1 + REDSHIFT))
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, np.where(hole, np.nan, pixels.flux))
    found = lick_system_values(pixels, z, fit_spectra(pixels, z))
    assert np.isnan(found.of("Mgb")[0])
    assert np.isnan(found.of("MgFe_prime")[0])
    assert np.isfinite(found.of("Fe5335")[0])


def test_noise_scatters_less_at_the_lower_resolution():
    pixels, z = galaxy(120.0)
    ivar = np.ones_like(pixels.flux)
    noisy = PixelFlux.of(OBSERVED_WAVE_AA, pixels.flux, ivar)
    fit = fit_spectra(noisy, z)
    drawn = lick_system_scatter(noisy, z, fit, rng=np.random.default_rng(2), draws=60)
    own = lick_indices(noisy, z)
    for name, error in zip(own.names, own.error[0], strict=True):
        ratio = drawn.of(name).std() / error
        assert 0.5 < ratio < 1.15, name
