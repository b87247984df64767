"""One observed spectrum measured: what was put in comes out, within the errors that are reported."""

import numpy as np
import pytest

from fiberless.analysis.lines.reported import REPORTED_LINES
from fiberless.analysis.observed import measure_observed, measure_predicted
from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.synthetic_photometry import magnitudes
from fiberless.astro.bands import LIGHT_SPEED_AA_S, NMGY_FNU_CGS, magnitude
from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.contract.properties import Flag
from fiberless.datasets.mock.spectra import calibration_error
from fiberless.sources.sdss.spec_file import read_sdss

SNR = 25.0


@pytest.fixture(scope="module")
def galaxies(synthetic):
    return synthetic(
        redshift=np.linspace(0.08, 0.12, 12),
        sigma_kms=np.full(12, 130.0),
        ew_hbeta_aa=np.full(12, 8.0),
        seed=31,
    )


@pytest.fixture(scope="module")
def measured(galaxies):
    rng = np.random.default_rng(32)
    found = []
    seen = galaxies.flux * calibration_error(rng, len(galaxies.flux))
    for flux, z in zip(seen, galaxies.redshift, strict=True):
        sigma = flux.mean() / SNR
        drawn = flux + sigma * rng.standard_normal(flux.size)
        found.append(measure_observed(OBSERVED_WAVE_AA, drawn, np.full(flux.size, sigma**-2), float(z)))
    return found


def sigmas(measurement, true):
    """Distance from the truth in reported standard deviations."""
    return (measurement.value - true) / ((measurement.upper - measurement.lower) / 2)


def test_line_fluxes_scatter_as_their_errors_say(measured, galaxies):
    names = ("OII_3727", "Hbeta", "OIII_5007", "OI_6300", "Halpha", "NII_6583", "SII_6716", "SII_6731")
    pulls = []
    for name in names:
        true = galaxies.line_flux[REPORTED_LINES[name].at] * (1 + 1 / 1.3 if name == "OII_3727" else 1)
        found = [m.lines[name].flux for m in measured]
        pulls += [sigmas(f, t) for f, t in zip(found, true, strict=True) if f.value is not None]
    assert len(pulls) > 80
    assert 0.75 < np.sqrt(np.mean(np.square(pulls))) < 1.3
    assert abs(np.median(pulls)) < 0.3


def test_the_sum_of_the_oxygen_doublet_is_reported(measured, galaxies):
    true = galaxies.line_flux["OII_3727"] + galaxies.line_flux["OII_3730"]
    ratios = [m.lines["OII_3727"].flux.value / t for m, t in zip(measured, true, strict=True)]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.06)


def test_gas_is_as_wide_as_it_was_made(measured):
    widths = [m.quantities["gas_sigma"] for m in measured]
    assert np.median([width.value for width in widths]) == pytest.approx(130.0, abs=6.0)
    assert all(width.lower < width.upper for width in widths)


def test_decrement_and_reddening_follow_from_what_was_put_in(measured):
    """Hα/Hβ = 3.5 in all mocks: E(B−V) = 2.5 / 1.074 lg(3.5 / 2.86) = 0.204."""
    decrements = [m.quantities["balmer_decrement"].value for m in measured]
    assert np.median(decrements) == pytest.approx(3.5, rel=0.05)
    assert np.median([m.quantities["ebv_gas"].value for m in measured]) == pytest.approx(0.204, abs=0.06)


def test_abundance_follows_from_the_ratio_put_in(measured, galaxies):
    n2 = np.log10(galaxies.line_flux["NII_6585"] / galaxies.line_flux["Halpha"])
    for m, ratio in zip(measured, n2, strict=True):
        found = m.abundances["n2_pp04"]
        assert found.value == pytest.approx(8.90 + 0.57 * ratio, abs=0.04)
        is_star_forming = m.bpt_class.value == "star_forming" and -2.5 <= ratio <= -0.3
        if found.flag is Flag.OK:
            assert m.bpt_class.value == "star_forming"
        elif abs(ratio + 0.3) > 0.05:
            assert not is_star_forming


def test_classes_have_shares_that_add_up(measured):
    for m in measured:
        assert set(m.diagrams) == {"bpt_nii_s07", "bpt_sii", "bpt_oi", "whan"}
        for found in (m.bpt_class, *m.diagrams.values()):
            assert sum(found.probabilities.values()) == pytest.approx(1.0)


def test_lines_that_are_not_there_have_limits_and_no_values(synthetic):
    passive = synthetic(
        redshift=np.array([0.09]), sigma_kms=np.array([120.0]), ew_hbeta_aa=np.zeros(1), seed=3
    )
    sigma = passive.flux[0].mean() / SNR
    flux = passive.flux[0] + sigma * np.random.default_rng(4).standard_normal(OBSERVED_WAVE_AA.size)
    found = measure_observed(OBSERVED_WAVE_AA, flux, np.full(flux.size, sigma**-2), 0.09)
    oiii = found.lines["OIII_5007"].flux
    assert (oiii.value, oiii.lower, oiii.flag) == (None, 0.0, Flag.NOT_DETECTED)
    assert oiii.upper > 0
    assert "limit" in oiii.method
    names = ("balmer_decrement", "ebv_gas", "log_sfr_halpha")
    for missing in (*(found.quantities[name] for name in names), found.abundances["o3n2_pp04"]):
        assert (missing.value, missing.flag) == (None, Flag.NOT_DETECTED)
    assert found.diagrams["whan"].value in {"passive", "retired"}


def test_lines_out_of_band_are_said_to_be(galaxies):
    flux = np.where(OBSERVED_WAVE_AA / 1.08 > 6000, np.nan, galaxies.flux[0])
    found = measure_observed(OBSERVED_WAVE_AA, flux, np.full(flux.size, 9.0), 0.08)
    assert found.lines["Halpha"].flux.flag is Flag.OUT_OF_BAND
    assert found.quantities["log_sfr_halpha"].flag is Flag.OUT_OF_BAND
    assert found.quantities["log_sfr_halpha"].value is None


def test_one_seed_gives_one_answer(galaxies):
    given = (OBSERVED_WAVE_AA, galaxies.flux[0], np.full(OBSERVED_WAVE_AA.size, 9.0), 0.08)
    first, second = (measure_observed(*given) for _ in range(2))
    assert first.quantities == second.quantities
    assert first.lick == second.lick


def test_candidates_give_the_intervals_of_a_prediction(galaxies):
    found = measure_predicted(OBSERVED_WAVE_AA, galaxies.flux, galaxies.redshift)
    halpha = found.lines["Halpha"].flux
    assert halpha.value == pytest.approx(np.median(galaxies.line_flux["Halpha"]), rel=0.03)
    assert halpha.lower < np.median(galaxies.line_flux["Halpha"]) < halpha.upper
    assert found.quantities["balmer_decrement"].value == pytest.approx(3.5, rel=0.03)


def test_a_source_flat_in_frequency_has_its_ab_magnitude():
    """3631 Jy times 1e-6: m_AB = 15; SDSS g, r, i are AB, u = u_AB + 0.04, z = z_AB − 0.02."""
    wave_aa = np.arange(2900.0, 11300.0, 2.0)
    flux = 1e9 * 1e-6 * NMGY_FNU_CGS * LIGHT_SPEED_AA_S / wave_aa**2 * 1e17
    found = magnitudes(PixelFlux.of(wave_aa, flux[None], np.full((1, wave_aa.size), 1e8)))
    values = [found[band].value for band in "ugriz"]
    np.testing.assert_allclose(values, [15.04, 15.0, 15.0, 15.0, 14.98], atol=3e-3)


def test_bands_that_the_spectrum_does_not_reach_have_no_magnitude(galaxies):
    found = magnitudes(PixelFlux.of(OBSERVED_WAVE_AA, galaxies.flux[:1], np.ones((1, OBSERVED_WAVE_AA.size))))
    assert {name for name, value in found.items() if value.flag is Flag.OUT_OF_BAND} == {
        "u",
        "z",
    }


@pytest.mark.parametrize("name", ["0266-51602-0107", "2515-54180-0377"])
def test_magnitudes_of_real_spectra_are_the_pipeline_s(real_spectrum, name):
    spectrum = read_sdss(real_spectrum(name))
    found = magnitudes(PixelFlux.of(spectrum.wave_aa, spectrum.flux[None], spectrum.ivar[None]))
    theirs = magnitude(np.array(spectrum.pipeline.synthetic_nmgy))
    for band, expected in zip("gri", theirs[1:4], strict=True):
        assert found[band].value == pytest.approx(expected, abs=0.01)


def test_a_galaxy_observed_twice_has_the_same_indices_and_abundances(real_spectrum):
    first, second = (
        measure_observed(s.wave_aa, s.flux, s.ivar, s.pipeline.redshift)
        for s in (read_sdss(real_spectrum(name)) for name in ("0412-51871-0308", "0412-52258-0302"))
    )
    pulls = [
        (a.value - b.value) / np.hypot(a.upper - a.value, b.upper - b.value)
        for a, b in ((first.lick[name], second.lick[name]) for name in first.lick)
        if a.value is not None and b.value is not None
    ]
    assert len(pulls) > 20
    assert np.sqrt(np.mean(np.square(pulls))) < 1.4
    for name in ("n2_pp04", "o3n2_m13"):
        assert first.abundances[name].value == pytest.approx(second.abundances[name].value, abs=0.03)
    assert first.bpt_class.value == second.bpt_class.value
    assert {key: value.value for key, value in first.diagrams.items() if key != "whan"} == {
        key: value.value for key, value in second.diagrams.items() if key != "whan"
    }
