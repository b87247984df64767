import numpy as np
import pytest
from scipy.special import ndtr

from fiberless.analysis.lines import fit as line_fit
from fiberless.analysis.lines.continuum import FIT_EDGES_AA, FIT_WAVE_AA, emission_mask
from fiberless.analysis.lines.emission import FITTED_LINES
from fiberless.analysis.lines.fit import fit_spectra
from fiberless.analysis.rebinning import PixelFlux, bin_edges
from fiberless.astro.lines import line, lines
from fiberless.astro.wavelength import OBSERVED_WAVE_AA

REPORTED = ("Halpha", "Hbeta", "OIII_5008", "NII_6585")
REDSHIFT = np.array([0.03, 0.05, 0.08, 0.11, 0.14, 0.17])


def fitted(spectra, name):
    fit = fit_spectra(PixelFlux.of(OBSERVED_WAVE_AA, spectra.flux), spectra.redshift)
    j = FITTED_LINES.index(name)
    return fit.flux[:, j], fit.ew_aa[:, j]


def test_grid_borders_enclose_their_pixels():
    assert FIT_EDGES_AA.size == FIT_WAVE_AA.size + 1
    assert np.all(np.diff(np.stack([FIT_EDGES_AA[:-1], FIT_WAVE_AA, FIT_EDGES_AA[1:]]), axis=0) > 0)


def test_mask_covers_every_line_and_leaves_most_of_the_continuum():
    for known in lines().values():
        if FIT_WAVE_AA[0] < known.wave_aa < FIT_WAVE_AA[-1]:
            assert emission_mask()[np.argmin(np.abs(FIT_WAVE_AA - known.wave_aa))]
    assert emission_mask().mean() < 0.2


def test_all_lines_of_the_fitted_range_are_fitted():
    tied = {"OIII_4960", "NII_6550", "OII_3727"}
    inside = {known.name for known in lines().values() if known.wave_aa < FIT_WAVE_AA[-1]}
    assert set(FITTED_LINES) | tied == inside | {"SIII_6314", "HeII_4687", "NI_5201"}


@pytest.mark.parametrize("sigma_kms", [60.0, 120.0, 220.0, 350.0])
@pytest.mark.parametrize("name", REPORTED)
def test_strong_lines_come_back(synthetic, name, sigma_kms):
    n = REDSHIFT.size
    spectra = synthetic(redshift=REDSHIFT, sigma_kms=np.full(n, sigma_kms), ew_hbeta_aa=np.full(n, 30.0))
    flux, ew = fitted(spectra, name)
    np.testing.assert_allclose(flux, spectra.line_flux[name], rtol=0.015)
    np.testing.assert_allclose(np.median(flux / spectra.line_flux[name]), 1.0, atol=0.01)
    np.testing.assert_allclose(ew, spectra.ew(name), rtol=0.05)
    np.testing.assert_allclose(np.median(ew / spectra.ew(name)), 1.0, atol=0.01)


@pytest.mark.parametrize("ew_hbeta_aa", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", REPORTED)
def test_weak_lines_are_unbiased_over_stellar_absorption(synthetic, name, ew_hbeta_aa):
    n = 48
    spectra = synthetic(
        redshift=np.linspace(0.03, 0.17, n),
        sigma_kms=np.full(n, 130.0),
        ew_hbeta_aa=np.full(n, ew_hbeta_aa),
        seed=1,
    )
    difference = fitted(spectra, name)[1] - spectra.ew(name)
    assert abs(np.median(difference)) < 0.05
    assert np.std(difference) < 0.12


@pytest.mark.parametrize("name", ["Halpha", "Hbeta"])
def test_smooth_errors_of_the_calibration_do_not_become_lines(synthetic, name):
    n = 30
    spectra = synthetic(
        redshift=np.linspace(0.04, 0.16, n), sigma_kms=np.full(n, 130.0), ew_hbeta_aa=np.zeros(n), seed=3
    )
    tilt = 1 + 0.08 * np.sin(OBSERVED_WAVE_AA / 900)
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, spectra.flux * tilt)
    ew = fit_spectra(pixels, spectra.redshift).ew_aa[:, FITTED_LINES.index(name)]
    assert abs(np.median(ew)) < 0.1
    assert np.std(ew) < 0.2


def test_hbeta_of_a_young_population_is_filled_absorption(synthetic):
    """Without a stellar continuum the same line would be missed by more than half."""
    spectra = synthetic(redshift=REDSHIFT, sigma_kms=np.full(6, 100.0), ew_hbeta_aa=np.full(6, 2.0), seed=4)
    centre = line("Hbeta").wave_aa * (1 + REDSHIFT)
    naive = []
    for flux, at in zip(spectra.flux, centre, strict=True):
        offset = np.abs(OBSERVED_WAVE_AA / at - 1) * 3e5
        level = np.median(flux[(offset > 2500) & (offset < 4000)])
        naive.append(np.sum((flux - level)[offset < 600]))
    measured = fitted(spectra, "Hbeta")[0] / spectra.line_flux["Hbeta"]
    np.testing.assert_allclose(measured, 1.0, atol=0.12)
    assert np.all(np.array(naive) / spectra.line_flux["Hbeta"] < 0.5)


def test_gas_dispersion_comes_back_without_the_instrument(synthetic):
    sigma = np.array([70.0, 100.0, 150.0, 200.0, 280.0, 350.0])
    spectra = synthetic(redshift=REDSHIFT, sigma_kms=sigma, ew_hbeta_aa=np.full(6, 20.0))
    fit = fit_spectra(PixelFlux.of(OBSERVED_WAVE_AA, spectra.flux), spectra.redshift)
    np.testing.assert_allclose(fit.gas_sigma_kms, sigma, rtol=0.04)


def test_velocity_search_finds_a_shift_of_the_gas(synthetic):
    shifted = synthetic(
        redshift=np.full(3, 0.08), sigma_kms=np.full(3, 110.0), ew_hbeta_aa=np.full(3, 40.0), seed=2
    )
    wrong_by_kms = 60.0
    z = (1 + shifted.redshift) / (1 + wrong_by_kms / 299792.458) - 1
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, shifted.flux)
    fit = fit_spectra(pixels, z, velocities_kms=(-60.0, -30.0, 0.0, 30.0, 60.0))
    np.testing.assert_array_equal(fit.velocity_kms, wrong_by_kms)
    np.testing.assert_allclose(
        fit.flux[:, FITTED_LINES.index("Halpha")], shifted.line_flux["Halpha"], rtol=0.02
    )


def test_errors_are_the_scatter_of_noisy_copies(synthetic):
    """Of one galaxy: how the continuum errs from galaxy to galaxy is in the errors, not in this scatter."""
    spectra = synthetic(redshift=np.array([0.09]), sigma_kms=np.array([120.0]), ew_hbeta_aa=np.array([3.0]))
    rng = np.random.default_rng(8)
    sigma = 0.08 * np.median(spectra.flux)
    noisy = spectra.flux + sigma * rng.normal(size=(150, OBSERVED_WAVE_AA.size))
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, noisy, np.full(noisy.shape, sigma**-2))
    fit = fit_spectra(pixels, np.full(150, 0.09))
    for name in REPORTED:
        j = FITTED_LINES.index(name)
        pull = (fit.flux[:, j] - spectra.line_flux[name]) / fit.flux_error[:, j]
        assert abs(np.mean(pull)) < 0.5
        assert 0.6 < np.std(pull) < 1.25


def test_pixels_without_weight_do_no_harm(synthetic):
    spectra = synthetic(redshift=np.array([0.1]), sigma_kms=np.array([120.0]), ew_hbeta_aa=np.array([10.0]))
    flux, ivar = spectra.flux.copy(), np.full(spectra.flux.shape, 25.0)
    sky = np.abs(OBSERVED_WAVE_AA - 5577) < 8
    flux[:, sky], ivar[:, sky] = 1e4, 0.0
    fit = fit_spectra(PixelFlux.of(OBSERVED_WAVE_AA, flux, ivar), spectra.redshift)
    for name in REPORTED:
        np.testing.assert_allclose(fit.flux[:, FITTED_LINES.index(name)], spectra.line_flux[name], rtol=0.03)


@pytest.fixture
def winged(synthetic):
    """Fits of lines with a third of their light in a component so many times as broad, and without it.

    Returns [O III] 5007 of 20 galaxies over what it is, and its error; S/N 20 a pixel.
    """
    n, j = 20, FITTED_LINES.index("OIII_5008")
    z = np.full(n, 0.09)

    def relative(flux, truth):
        error = np.median(flux, axis=1)[:, None] / 20
        noise = error * np.random.default_rng(4).standard_normal(flux.shape)
        ivar = np.broadcast_to(error**-2.0, flux.shape)
        fit = fit_spectra(PixelFlux.of(OBSERVED_WAVE_AA, flux + noise, ivar), z)
        return fit.flux[:, j] / truth, fit.flux_error[:, j] / truth

    def make(times: float):
        narrow, broad, none = (
            synthetic(redshift=z, sigma_kms=np.full(n, sigma), ew_hbeta_aa=np.full(n, ew), seed=6)
            for sigma, ew in ((110.0, 20.0), (110.0 * times, 10.0), (110.0 * times, 0.0))
        )
        core, wing = narrow.line_flux["OIII_5008"], broad.line_flux["OIII_5008"]
        return relative(narrow.flux + broad.flux - none.flux, core + wing), relative(narrow.flux, core)

    return make


@pytest.mark.parametrize(("times", "missed"), [(2.0, 0.01), (2.5, 0.025), (3.0, 0.04)])
def test_wings_are_found(winged, times, missed):
    """And what is missed of them even so is in the error."""
    (flux, error), (plain, plain_error) = winged(times)
    assert np.median(flux) == pytest.approx(1, abs=missed)
    assert np.median(np.abs(flux - 1) / error) < 2.5
    assert np.median(plain) == pytest.approx(1, abs=0.002)
    assert np.median(plain_error) < 0.005


def test_one_gaussian_loses_wings(winged, monkeypatch):
    monkeypatch.setattr(line_fit, "with_wings", lambda lines, *_, **__: lines)
    (flux, error), _ = winged(2.5)
    assert np.median(flux) < 0.95
    assert np.median(np.abs(flux - 1) / error) < 2.5


def test_helium_goes_with_its_strongest_line(synthetic):
    """Case B: He I 4473 and 6680 have 0.36 and 0.29 of He I 5877, and are taken off with it."""
    spectra = synthetic(redshift=np.array([0.08]), sigma_kms=np.array([100.0]), ew_hbeta_aa=np.array([30.0]))
    fit = fit_spectra(PixelFlux.of(OBSERVED_WAVE_AA, spectra.flux), spectra.redshift)
    helium = fit.flux[0, FITTED_LINES.index("HeI_5877")] / 1.08
    for name, share in (("HeI_4473", 0.36), ("HeI_6680", 0.29)):
        near = np.abs(FIT_WAVE_AA / line(name).wave_aa - 1) < 0.003
        flux = (fit.lines[0] * np.diff(FIT_EDGES_AA))[near].sum()
        assert flux == pytest.approx(share * helium, rel=0.01)


def test_helium_beside_sulphur_does_not_weaken_it(synthetic):
    spectra = synthetic(redshift=REDSHIFT, sigma_kms=np.full(6, 110.0), ew_hbeta_aa=np.full(6, 20.0))
    edges = bin_edges(OBSERVED_WAVE_AA)
    centre = line("HeI_6680").wave_aa * (1 + REDSHIFT[:, None])
    profile = np.diff(ndtr((edges - centre) / (0.0004 * centre)), axis=1)
    helium = 0.1 * spectra.line_flux["SII_6718"][:, None] * profile
    plain, filled = (
        fit_spectra(PixelFlux.of(OBSERVED_WAVE_AA, flux), REDSHIFT).flux[:, FITTED_LINES.index("SII_6718")]
        for flux in (spectra.flux, spectra.flux + helium)
    )
    np.testing.assert_allclose(filled, plain, rtol=2e-4)


def test_pure_noise_measures_nothing_significant():
    rng = np.random.default_rng(5)
    flux = rng.normal(size=(40, OBSERVED_WAVE_AA.size))
    fit = fit_spectra(PixelFlux.of(OBSERVED_WAVE_AA, flux, np.ones_like(flux)), np.full(40, 0.1))
    j = FITTED_LINES.index("Halpha")
    assert np.mean(np.abs(fit.flux[:, j]) < 3 * fit.flux_error[:, j]) > 0.9
