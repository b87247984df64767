import numpy as np
import pytest

from fiberless.astro.bands import (
    BANDS,
    LIGHT_SPEED_AA_S,
    NMGY_FNU_CGS,
    band_density,
    covered_fraction,
    magnitude,
    nmgy_to_flambda,
    pivot_aa,
    synthetic_nmgy,
)

WAVE = np.arange(2800.0, 11500.0, 1.0)


def test_pivot_wavelengths_are_the_published_ones():
    published = {"g": 4702, "r": 6176, "i": 7490, "z": 8946}
    for band, wave in published.items():
        assert pivot_aa(band) == pytest.approx(wave, rel=0.006)


def test_a_flat_ab_spectrum_of_one_nanomaggy_gives_one_nanomaggy_with_sdss_zero_points():
    flat = NMGY_FNU_CGS * LIGHT_SPEED_AA_S / WAVE**2 * 1e17
    expected = 10 ** (0.4 * np.array([-0.04, 0, 0, 0, 0.02]))
    np.testing.assert_allclose(synthetic_nmgy(WAVE, flat), expected, rtol=2e-3)


def test_flux_density_at_the_pivot_inverts_synthetic_photometry():
    flux = nmgy_to_flambda(np.array(7.0), pivot_aa("r"))
    flat_in_wavelength = np.full(WAVE.size, flux)
    assert synthetic_nmgy(WAVE, flat_in_wavelength)[BANDS.index("r")] == pytest.approx(7.0, rel=2e-3)


def test_a_line_adds_its_density_to_the_band():
    line = 30.0 * np.exp(-0.5 * ((WAVE - 6200) / 5) ** 2) / (5 * np.sqrt(2 * np.pi))
    assert synthetic_nmgy(WAVE, line)[2] == pytest.approx(30.0 * band_density(6200.0, "r"), rel=1e-3)


def test_covered_fraction_is_one_inside_and_about_half_beyond_the_middle():
    assert covered_fraction(WAVE, "g") == pytest.approx(1.0)
    assert covered_fraction(np.array([6200.0, 9000.0]), "r") == pytest.approx(0.5, abs=0.05)


def test_magnitudes_of_what_is_not_positive_are_nan():
    np.testing.assert_allclose(magnitude(np.array([1.0, 100.0, 0.0, -3.0])), [22.5, 17.5, np.nan, np.nan])
