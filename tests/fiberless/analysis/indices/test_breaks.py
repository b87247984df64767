import numpy as np
import pytest

from fiberless.analysis.indices.breaks import break_bands, break_error, break_strength, dn4000, dn4000_error
from fiberless.analysis.rebinning import PixelFlux
from fiberless.astro.wavelength import OBSERVED_WAVE_AA


def stepped(redshift: float, height: float, wave_aa=OBSERVED_WAVE_AA):
    """F_λ of a galaxy with F_ν = 1 below and `height` above 3975 Å in its rest frame."""
    f_nu = np.where(wave_aa < 3975 * (1 + redshift), 1.0, height)
    return 1e8 * f_nu / wave_aa**2


def test_bands_are_those_of_balogh_in_vacuum():
    bands = break_bands()
    np.testing.assert_allclose(bands.blue_aa, [3851.09, 3951.12], atol=0.01)
    np.testing.assert_allclose(bands.red_aa, [4001.13, 4101.16], atol=0.01)


@pytest.mark.parametrize("redshift", [0.04, 0.0853, 0.1234, 0.17])
@pytest.mark.parametrize("height", [1.0, 1.37, 2.1])
def test_step_in_f_nu_is_its_height(redshift, height):
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, stepped(redshift, height)[None])
    np.testing.assert_allclose(dn4000(pixels, np.array([redshift])), height, rtol=1e-4)


def test_pixels_on_a_border_count_by_their_share():
    wave = np.arange(3600.0, 4400.0, 20.0)
    flux = np.where(wave < 4100, 1e8 / wave**2, 0.0)
    blue, red = break_bands()
    share = (4090 - red[0]) / (red[1] - red[0])
    pixels = PixelFlux.of(wave, flux[None])
    np.testing.assert_allclose(dn4000(pixels, np.zeros(1)), share, rtol=1e-12)
    assert blue[1] < 4090 < red[1]


@pytest.mark.parametrize("redshift", [0.02, 0.035, 1.2])
def test_out_of_band_is_nan(redshift):
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, np.ones((1, OBSERVED_WAVE_AA.size)))
    assert np.isnan(dn4000(pixels, np.array([redshift]))).all()


def test_one_bad_pixel_is_bridged_and_a_gap_is_not():
    flux = np.stack([stepped(0.08, 1.6)] * 2)
    inside = np.searchsorted(OBSERVED_WAVE_AA, 3900 * 1.08)
    flux[0, inside] = np.nan
    flux[1, inside : inside + 20] = np.nan
    values = dn4000(PixelFlux.of(OBSERVED_WAVE_AA, flux), np.full(2, 0.08))
    np.testing.assert_allclose(values[0], 1.6, rtol=1e-3)
    assert np.isnan(values[1])


def test_negative_flux_has_no_break():
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, -stepped(0.08, 1.6)[None])
    assert np.isnan(dn4000(pixels, np.array([0.08]))).all()


def test_error_is_the_scatter_of_noisy_copies():
    rng = np.random.default_rng(3)
    clean, z = stepped(0.08, 1.6), np.full(2000, 0.08)
    sigma = 0.1 * clean
    noisy = clean + sigma * rng.normal(size=(2000, clean.size))
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, noisy, np.broadcast_to(sigma**-2, noisy.shape))
    errors = dn4000_error(pixels, z)
    np.testing.assert_allclose(np.std(dn4000(pixels, z)), np.median(errors), rtol=0.06)


def test_no_error_without_inverse_variance():
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, stepped(0.08, 1.6)[None])
    assert np.isnan(dn4000_error(pixels, np.array([0.08]))).all()


def test_the_wide_break_has_the_bands_of_bruzual():
    bands = break_bands("D4000")
    np.testing.assert_allclose(bands.blue_aa, [3751.07, 3951.12], atol=0.01)
    np.testing.assert_allclose(bands.red_aa, [4051.15, 4251.20], atol=0.01)


@pytest.mark.parametrize("redshift", [0.08, 0.12])
def test_the_wide_break_of_a_step_is_its_height(redshift):
    """The step lies at 3975 Å, between the bands; the spectrum must reach below 3750 Å."""
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, stepped(redshift, 1.6)[None])
    found = break_strength(pixels, np.array([redshift]), name="D4000")
    np.testing.assert_allclose(found, 1.6, rtol=1e-4)
    out_of_band = break_strength(pixels, np.array([0.05]), name="D4000")
    assert np.isnan(out_of_band).all()


def test_errors_of_the_wide_break_are_its_scatter():
    rng = np.random.default_rng(3)
    spectra = stepped(0.1, 1.5) * (1 + 0.1 * rng.standard_normal((400, OBSERVED_WAVE_AA.size)))
    ivar = np.broadcast_to((0.1 * stepped(0.1, 1.5)) ** -2.0, spectra.shape)
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, spectra, ivar)
    z = np.full(400, 0.1)
    ratio = break_strength(pixels, z, name="D4000").std() / break_error(pixels, z, name="D4000").mean()
    assert ratio == pytest.approx(1.0, abs=0.1)
