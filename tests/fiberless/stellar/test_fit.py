"""Fits of simulated spectra, whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from fiberless.analysis.rebinning import PixelFlux, bin_edges
from fiberless.astro.wavelength import (
    OBSERVED_WAVE_AA,
    PREDICTED_RESAMPLING_KMS,
    TEMPLATE_WAVE_AA,
    sigma_instrument_kms,
)
from fiberless.errors import UsageError
from fiberless.stellar import (
    GAS_LINES,
    REBINNED_CHI2,
    REBINNED_RESAMPLING_KMS,
    FitOptions,
    FitQuality,
    fit_stars,
)

PREDICTED = FitOptions(resampling_kms=PREDICTED_RESAMPLING_KMS)
QUICK = FitOptions(draws=2)
STRONG = ("Halpha", "Hbeta", "OIII_5008", "NII_6585", "SII_6718", "SII_6733")


def fit_noiseless(galaxy):
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, galaxy.per_aa()[None])
    return fit_stars(pixels, np.array([galaxy.redshift]), options=PREDICTED)


def fit_native(galaxy, pixels, options=QUICK):
    return fit_stars(pixels, np.full(len(pixels.flux), galaxy.redshift), options=options)


def test_noiseless_predictions_give_their_input_back(galaxies):
    for galaxy in galaxies:
        fit = fit_noiseless(galaxy)
        assert fit.quality[0] == FitQuality.GOOD
        assert fit.velocity_kms.value[0] == pytest.approx(0, abs=0.5)
        assert fit.sigma_kms.value[0] == pytest.approx(galaxy.sigma_kms, abs=1)
        assert fit.log_age_light_gyr.value[0] == pytest.approx(galaxy.log_age_gyr, abs=0.03)
        assert fit.metallicity_light.value[0] == pytest.approx(galaxy.metallicity, abs=0.03)
        assert fit.a_v.value[0] == pytest.approx(galaxy.a_v, abs=0.02)
        assert fit.ebv.value[0] == pytest.approx(galaxy.a_v / 4.05, abs=0.005)
        assert fit.gas_velocity_kms.value[0] == pytest.approx(galaxy.gas_velocity_kms, abs=0.5)
        assert fit.gas_sigma_kms.value[0] == pytest.approx(galaxy.gas_sigma_kms, abs=1)
        for name in STRONG:
            found = fit.line_flux.value[0, GAS_LINES.index(name)]
            assert found == pytest.approx(galaxy.line_flux(name), rel=0.005)


def test_native_pixels_need_no_resampling_term(typical):
    pixels = PixelFlux.of(typical.native_wave_aa(), typical.native()[None])
    fit = fit_native(typical, pixels)
    assert fit.sigma_kms.value[0] == pytest.approx(typical.sigma_kms, abs=1)


def test_the_spectrum_may_bring_its_own_instrument(typical):
    """The survey's dispersion handed in is the survey's; a finer instrument leaves more to the stars."""
    wave = typical.native_wave_aa()
    pixels, redshift = PixelFlux.of(wave, typical.native()[None]), np.array([typical.redshift])
    own = sigma_instrument_kms(wave)[None]
    fits = [
        fit_stars(pixels, redshift, options=QUICK, instrument_kms=instrument)
        for instrument in (None, own, np.sqrt(own**2 - 40**2))
    ]
    usual, same, finer = (fit.sigma_kms.value[0] for fit in fits)
    assert same == pytest.approx(usual, abs=0.2)
    assert finer**2 - usual**2 == pytest.approx(40**2, rel=0.03)


def test_stars_and_gas_move_apart(typical):
    """Redshift wrong by 150 km/s: the stars are at +150, the gas at +150 and its own velocity."""
    moving = replace(typical, gas_velocity_kms=-60.0)
    pixels = PixelFlux.of(moving.native_wave_aa(), moving.native()[None])
    wrong = (1 + moving.redshift) * np.exp(-150 / 299792.458) - 1
    fit = fit_stars(pixels, np.array([wrong]), options=QUICK)
    assert fit.velocity_kms.value[0] == pytest.approx(150, abs=1)
    assert fit.gas_velocity_kms.value[0] == pytest.approx(90, abs=1)


def test_errors_scale_with_the_noise(typical, noisy):
    wave, flux = typical.native_wave_aa(), typical.native()
    good, bad = (fit_native(typical, noisy(wave, flux, ratio=ratio)) for ratio in (60.0, 15.0))
    for name in ("velocity_kms", "sigma_kms", "a_v"):
        ratio = getattr(bad, name).error[0] / getattr(good, name).error[0]
        assert ratio == pytest.approx(4, rel=0.35)


def test_errors_are_those_of_repeated_spectra(typical, noisy):
    """48 realisations: an rms of pulls of 1 is known to 10 %."""
    pixels = noisy(typical.native_wave_aa(), typical.native(), ratio=15.0, n=48)
    fit = fit_native(typical, pixels, FitOptions(draws=12))
    truth = {
        "velocity_kms": 0.0,
        "sigma_kms": typical.sigma_kms,
        "gas_velocity_kms": 0.0,
        "gas_sigma_kms": typical.gas_sigma_kms,
        "a_v": typical.a_v,
        "log_age_light_gyr": typical.log_age_gyr,
        "metallicity_light": typical.metallicity,
    }
    for name, value in truth.items():
        estimate = getattr(fit, name)
        pull = (estimate.value - value) / estimate.error
        assert 0.7 < np.sqrt(np.mean(pull**2)) < 1.35, name
        assert abs(np.median(pull)) < 0.6, name
    halpha = GAS_LINES.index("Halpha")
    pull = (fit.line_flux.value - typical.line_flux("Halpha"))[:, halpha] / fit.line_flux.error[:, halpha]
    assert 0.7 < np.sqrt(np.mean(pull**2)) < 1.35
    assert fit.chi2_per_pixel == pytest.approx(np.ones(48), abs=0.1)


def test_a_spectrum_is_the_same_alone_and_in_a_batch(galaxies):
    flux = np.stack([galaxy.per_aa() for galaxy in galaxies])
    redshift = np.array([galaxy.redshift for galaxy in galaxies])
    together = fit_stars(PixelFlux.of(OBSERVED_WAVE_AA, flux), redshift, options=QUICK)
    alone = fit_stars(PixelFlux.of(OBSERVED_WAVE_AA, flux[3:4]), redshift[3:4], options=QUICK)
    assert together.sigma_kms.value[3] == alone.sigma_kms.value[0]
    assert together.log_age_light_gyr.error[3] == alone.log_age_light_gyr.error[0]
    np.testing.assert_array_equal(together.weights[3], alone.weights[0])
    np.testing.assert_array_equal(together.continuum[3], alone.continuum[0])


def test_masked_pixels_do_not_matter(typical, noisy):
    pixels = noisy(typical.native_wave_aa(), typical.native(), ratio=30.0)
    ivar = pixels.ivar.copy()
    ivar[:, 1500:1560] = 0
    spoilt = pixels.flux.copy()
    spoilt[:, 1500:1560] = 1e6
    wave = typical.native_wave_aa()
    clean, dirty = (fit_native(typical, PixelFlux.of(wave, flux, ivar)) for flux in (pixels.flux, spoilt))
    assert dirty.sigma_kms.value[0] == clean.sigma_kms.value[0]
    assert not dirty.used[:, 1500:1560].any()


def test_outliers_are_clipped(typical, noisy):
    pixels = noisy(typical.native_wave_aa(), typical.native(), ratio=30.0)
    struck = pixels.flux.copy()
    hits = np.array([900, 1400, 1401, 1900, 2400])
    struck[:, hits] *= 2
    fit = fit_native(typical, PixelFlux.of(typical.native_wave_aa(), struck, pixels.ivar))
    clean = fit_native(typical, pixels)
    assert not fit.used[0, hits].any()
    assert fit.sigma_kms.value[0] == pytest.approx(clean.sigma_kms.value[0], abs=3)


def test_multiplicative_polynomials_take_up_wrong_calibration(typical):
    wave = typical.native_wave_aa()
    bent = typical.native() * (1 + 0.08 * np.sin((wave - wave[0]) / np.ptp(wave) * 9))
    pixels = PixelFlux.of(wave, bent[None])
    plain, bending = (
        fit_native(typical, pixels, FitOptions(draws=0, multiplicative_degree=d)) for d in (0, 10)
    )
    misfit = [np.nanstd((fit.continuum + fit.lines)[0] / bent - 1) for fit in (plain, bending)]
    assert misfit[0] > 0.02
    assert misfit[1] < 0.005
    assert bending.log_age_light_gyr.value[0] == pytest.approx(typical.log_age_gyr, abs=0.05)
    assert bending.sigma_kms.value[0] == pytest.approx(typical.sigma_kms, abs=2)


def test_additive_polynomials_take_up_a_featureless_continuum(typical):
    pixels = PixelFlux.of(typical.native_wave_aa(), (typical.native() + 12.0)[None])
    fit = fit_native(typical, pixels, FitOptions(draws=0, additive_degree=1))
    assert fit.log_age_light_gyr.value[0] == pytest.approx(typical.log_age_gyr, abs=0.05)
    assert fit.sigma_kms.value[0] == pytest.approx(typical.sigma_kms, abs=1)


def test_regularisation_spreads_the_weights(typical, noisy):
    pixels = noisy(typical.native_wave_aa(), typical.native(), ratio=20.0)
    rough, smooth = (fit_native(typical, pixels, FitOptions(draws=0, regularisation=r)) for r in (0.0, 30.0))
    assert (smooth.weights > 0).sum() > 3 * (rough.weights > 0).sum()
    assert smooth.chi2_per_pixel[0] == pytest.approx(rough.chi2_per_pixel[0], abs=0.02)


def test_expected_chi2_scales_what_is_reported(typical, noisy):
    pixels = noisy(typical.native_wave_aa(), typical.native(), ratio=20.0)
    independent = fit_native(typical, pixels)
    correlated = fit_native(typical, pixels, FitOptions(draws=2, expected_chi2=0.5))
    ratio = correlated.chi2_per_pixel[0] / independent.chi2_per_pixel[0]
    assert ratio == pytest.approx(2, rel=0.05)


def rebinned(pixels):
    """Spectra on 1-Å pixels, flux and inverse variance shared out by overlap."""
    edges = np.broadcast_to(bin_edges(OBSERVED_WAVE_AA), (len(pixels.flux), OBSERVED_WAVE_AA.size + 1))
    binned = pixels.rebin(edges)
    return PixelFlux.of(OBSERVED_WAVE_AA, binned.flux, binned.ivar)


def test_rebinning_is_taken_out(typical, noisy):
    """A noiseless spectrum keeps its dispersion, a noisy one its errors and a χ² of one."""
    wave, flux = typical.native_wave_aa(), typical.native()
    options = FitOptions(draws=2, resampling_kms=REBINNED_RESAMPLING_KMS, expected_chi2=REBINNED_CHI2)
    clean = fit_native(typical, rebinned(noisy(wave, flux, ratio=1e4)), options)
    assert clean.sigma_kms.value[0] == pytest.approx(typical.sigma_kms, abs=1)
    pixels = noisy(wave, flux, ratio=15.0, n=7)
    native, coarse = fit_native(typical, pixels), fit_native(typical, rebinned(pixels), options)
    assert coarse.chi2_per_pixel == pytest.approx(np.ones(7), abs=0.1)
    for name in ("velocity_kms", "sigma_kms", "a_v"):
        ratio = getattr(coarse, name).error / getattr(native, name).error
        assert np.median(ratio) == pytest.approx(1, abs=0.15)


def test_fewer_basis_vectors_move_answers_by_less_than_their_errors(typical, noisy):
    pixels = noisy(typical.native_wave_aa(), typical.native(), ratio=15.0)
    full, coarse = (fit_native(typical, pixels, FitOptions(rank=rank)) for rank in (64, 24))
    for name in ("sigma_kms", "a_v", "log_age_light_gyr"):
        one, two = getattr(full, name), getattr(coarse, name)
        assert abs(one.value[0] - two.value[0]) < one.error[0]


def test_dispersion_below_the_library_is_flagged(typical):
    cold = replace(typical, sigma_kms=60.0)
    fit = fit_noiseless(cold)
    assert fit.has(FitQuality.LOW_DISPERSION)[0]
    assert fit.sigma_kms.value[0] < 75


def test_noise_and_short_range_are_flagged(typical, noisy):
    wave, flux = typical.native_wave_aa(), typical.native()
    assert fit_native(typical, noisy(wave, flux, ratio=2.0)).has(FitQuality.LOW_SIGNAL)[0]
    few = slice(1500, 2300)
    assert fit_native(typical, noisy(wave[few], flux[few], ratio=20.0)).has(FitQuality.SHORT_RANGE)[0]


def test_a_spectrum_that_no_stars_make_is_flagged(typical, noisy):
    wave = typical.native_wave_aa()
    comb = typical.native() * (1 + 0.5 * np.sign(np.sin(wave / 15)))
    assert fit_native(typical, noisy(wave, comb, ratio=30.0)).has(FitQuality.BAD_CHI2)[0]


def test_without_redshift_or_light_nothing_is_reported(typical):
    flux = np.stack([typical.native(), np.zeros(4022), np.full(4022, np.nan)])
    redshift = np.array([np.nan, typical.redshift, typical.redshift])
    fit = fit_stars(PixelFlux.of(typical.native_wave_aa(), flux), redshift)
    assert list(fit.quality) == [FitQuality.NO_FIT] * 3
    assert np.isnan(fit.sigma_kms.value).all()
    assert np.isnan(fit.line_flux.value).all()


def test_lines_out_of_range_are_not_reported(typical):
    blue = PixelFlux.of(typical.native_wave_aa()[:2700], typical.native()[None, :2700])
    fit = fit_native(typical, blue)
    assert np.isnan(fit.line_flux.value[0, GAS_LINES.index("Halpha")])
    assert fit.line_flux.value[0, GAS_LINES.index("Hbeta")] == pytest.approx(60.0, rel=0.01)


def test_gas_that_is_not_there_is_tied_to_the_stars(typical):
    """Templates of another dispersion leave residuals that wide lines would fit."""
    bare = replace(typical, line_scale=0.0)
    wave = bare.native_wave_aa()
    bump = 0.8 * np.exp(-0.5 * ((wave - 4990 * (1 + bare.redshift)) / 25) ** 2)
    fit = fit_native(bare, PixelFlux.of(wave, (bare.native() + bump)[None]))
    assert fit.has(FitQuality.GAS_TIED)[0]
    assert fit.gas_velocity_kms.value[0] == pytest.approx(fit.velocity_kms.value[0], abs=60)


def test_no_spectra_give_no_fits():
    fit = fit_stars(PixelFlux.of(OBSERVED_WAVE_AA, np.zeros((0, 4500))), np.zeros(0))
    assert fit.quality.shape == (0,)
    assert fit.continuum.shape == (0, 4500)


def test_wrong_shapes_and_ranges_are_refused(typical):
    pixels = PixelFlux.of(typical.native_wave_aa(), typical.native()[None])
    with pytest.raises(UsageError, match=r"redshift must be \(1,\)"):
        fit_stars(pixels, np.zeros(2))
    with pytest.raises(UsageError, match="instrument_kms must be"):
        fit_stars(pixels, np.zeros(1), instrument_kms=np.ones(4022))
    with pytest.raises(UsageError, match="templates do not reach"):
        fit_stars(pixels, np.zeros(1), options=FitOptions(fit_range_aa=(3000.0, 7000.0)))


HOSTILE = {
    "noise": np.random.default_rng(0).standard_normal(4022),
    "negative": -np.ones(4022),
    "spike": np.where(np.arange(4022) == 2000, 1e12, 1.0),
    "step": np.where(np.arange(4022) < 2000, 1e-30, 1e30),
    "half missing": np.where(np.arange(4022) % 2, np.nan, 1.0),
    "tiny": np.full(4022, 1e-300),
    "line alone": np.exp(-0.5 * ((np.arange(4022) - 2857) / 2.0) ** 2),
}


@pytest.mark.parametrize("with_noise", [True, False])
@pytest.mark.parametrize("kind", HOSTILE)
def test_anything_is_answered_without_a_warning(kind, with_noise):
    flux = HOSTILE[kind][None]
    ivar = np.ones_like(flux) if with_noise else None
    fit = fit_stars(PixelFlux.of(TEMPLATE_WAVE_AA * 1.1, flux, ivar), np.array([0.1]), options=QUICK)
    assert fit.quality[0] != FitQuality.GOOD
    assert fit.has(FitQuality.NO_FIT)[0] == np.isnan(fit.sigma_kms.value[0])
