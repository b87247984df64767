import numpy as np
import pytest

from fiberless.analysis.indices.lick import index_bands
from fiberless.analysis.lines.reported import COLUMN_OF_LINE, REPORTED_LINES
from fiberless.analysis.measure import SpectrumValues, measure_candidates, sample_values
from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.contract.measurements import summarise
from fiberless.contract.properties import Flag, Properties
from fiberless.errors import UsageError


def columns(found: SpectrumValues) -> dict[str, np.ndarray]:
    """All columns of a table that has them, by path."""
    parts = {"": found, "breaks.": found.breaks, "lines.": found.lines}
    return {
        f"{path}{name}": column
        for path, part in parts.items()
        for name, column in vars(part).items()
        if isinstance(column, np.ndarray)
    }


@pytest.fixture(scope="module")
def galaxies(synthetic):
    rng = np.random.default_rng(11)
    n = 40
    return synthetic(
        redshift=rng.uniform(0.03, 0.17, n),
        sigma_kms=rng.uniform(60, 300, n),
        ew_hbeta_aa=10 ** rng.uniform(-1, 1.7, n),
        seed=12,
    )


@pytest.fixture(scope="module")
def values(galaxies):
    return sample_values(OBSERVED_WAVE_AA, galaxies.flux, galaxies.redshift)


def test_lines_of_results_follow_from_the_table():
    assert {name: item.conventional for name, item in REPORTED_LINES.items()} == {
        "OII_3727": "[O II] 3727",
        "Hgamma": "H gamma",
        "Hbeta": "H beta",
        "OIII_4959": "[O III] 4959",
        "OIII_5007": "[O III] 5007",
        "OI_6300": "[O I] 6300",
        "NII_6548": "[N II] 6548",
        "Halpha": "H alpha",
        "NII_6583": "[N II] 6583",
        "SII_6716": "[S II] 6716",
        "SII_6731": "[S II] 6731",
    }
    assert REPORTED_LINES["OII_3727"][1:] == ("OII_3730", "OII_3730", 1 + 1 / 1.3)  # the sum of its doublet
    assert REPORTED_LINES["OIII_4959"][1:] == ("OIII_5008", "OIII_4960", 1 / 2.98)  # atomic physics
    assert REPORTED_LINES["NII_6548"][1:] == ("NII_6585", "NII_6550", 1 / 2.96)
    assert REPORTED_LINES["SII_6731"][1:] == ("SII_6733", "SII_6733", 1)


def test_keys_and_shapes(values, galaxies):
    n = len(galaxies.redshift)
    assert {column.shape for name, column in columns(values).items() if "lines" not in name} == {(n,)}
    assert values.lines.flux.shape == values.lines.ew.shape == (n, len(REPORTED_LINES))
    assert values.lines.flux_error is values.breaks.dn4000_error is None


def test_values_are_near_the_truth(values, galaxies):
    for name, reported in REPORTED_LINES.items():
        true = galaxies.ew(reported.at) * (1 + 1 / 1.3 if name == "OII_3727" else 1)
        measured = values.lines.ew_of(name)
        in_band = np.isfinite(measured)
        assert in_band.sum() >= (20 if name == "OII_3727" else 40)
        assert np.all(np.abs(measured - true)[in_band] < 0.3 + 0.05 * true[in_band]), name
    np.testing.assert_array_equal(values.redshift, galaxies.redshift)


def test_batch_mates_do_not_matter(values, galaxies):
    for rows in (slice(0, 1), slice(1, 8), slice(8, None)):
        part = sample_values(OBSERVED_WAVE_AA, galaxies.flux[rows], galaxies.redshift[rows])
        for key, column in columns(part).items():
            np.testing.assert_allclose(
                column, columns(values)[key][rows], rtol=1e-10, atol=1e-10, err_msg=key
            )


def test_brightness_scales_fluxes_only(values, galaxies):
    bright = sample_values(OBSERVED_WAVE_AA, 1000 * galaxies.flux, galaxies.redshift)
    np.testing.assert_allclose(
        bright.lines.flux_of("Halpha"), 1000 * values.lines.flux_of("Halpha"), rtol=1e-9
    )
    for key in ("lines.ew", "breaks.dn4000", "gas_sigma", "bpt_class"):
        np.testing.assert_allclose(columns(bright)[key], columns(values)[key], rtol=1e-9, atol=1e-9)


def test_single_precision_is_enough(values, galaxies):
    single = sample_values(
        OBSERVED_WAVE_AA.astype(np.float32), galaxies.flux.astype(np.float32), galaxies.redshift
    )
    np.testing.assert_allclose(single.lines.ew_of("Hbeta"), values.lines.ew_of("Hbeta"), rtol=1e-3, atol=1e-3)


def test_more_than_a_chunk_of_spectra(values, galaxies):
    many = sample_values(OBSERVED_WAVE_AA, np.tile(galaxies.flux, (7, 1)), np.tile(galaxies.redshift, 7))
    np.testing.assert_allclose(
        many.lines.ew_of("Halpha"), np.tile(values.lines.ew_of("Halpha"), 7), rtol=1e-9
    )


def test_missing_pixels_hide_their_own_line_only(values, galaxies):
    flux = galaxies.flux.copy()
    for row, z in zip(flux, galaxies.redshift, strict=True):
        row[np.abs(OBSERVED_WAVE_AA / (5008.24 * (1 + z)) - 1) * 3e5 < 300] = np.nan
    found = sample_values(OBSERVED_WAVE_AA, flux, galaxies.redshift)
    assert np.isnan(found.lines.flux_of("OIII_5007")).all()
    assert np.isnan(found.lines.ew_of("OIII_5007")).all()
    np.testing.assert_allclose(found.lines.ew_of("Halpha"), values.lines.ew_of("Halpha"), atol=0.1, rtol=0.02)
    needs_ratio = values.lines.ew_of("Halpha") >= 3
    np.testing.assert_array_equal(np.isnan(found.bpt_class), needs_ratio)


def test_model_that_ends_early_is_measured_where_it_reaches(values, galaxies):
    rest_aa = OBSERVED_WAVE_AA / (1 + galaxies.redshift[:, None])
    flux = np.where(rest_aa > 6200, np.nan, galaxies.flux)
    found = sample_values(OBSERVED_WAVE_AA, flux, galaxies.redshift)
    assert np.isnan(found.lines.flux_of("Halpha")).all()
    assert np.isnan(found.bpt_class).all()
    np.testing.assert_allclose(
        found.lines.ew_of("OIII_5007"), values.lines.ew_of("OIII_5007"), atol=0.1, rtol=0.03
    )


@pytest.mark.parametrize("fill", [np.nan, 0.0, -1.0, np.inf])
def test_spectra_without_light_measure_nothing(fill):
    found = sample_values(OBSERVED_WAVE_AA, np.full((2, OBSERVED_WAVE_AA.size), fill), np.full(2, 0.1))
    assert np.isnan(found.breaks.dn4000).all()
    assert np.isnan(found.lines.ew_of("Halpha")).all()
    assert np.isnan(found.bpt_class).all()


def test_unknown_redshift_measures_nothing(galaxies):
    found = sample_values(OBSERVED_WAVE_AA, galaxies.flux[:1], np.array([np.nan]))
    assert all(np.isnan(column).all() for column in columns(found).values())


def test_no_spectra_is_no_values():
    found = sample_values(OBSERVED_WAVE_AA, np.empty((0, OBSERVED_WAVE_AA.size)), np.empty(0))
    assert len(columns(found)) == 8
    assert {column.shape[0] for column in columns(found).values()} == {0}


def test_inverse_variance_adds_errors(galaxies):
    ivar = np.full(galaxies.flux.shape, 4.0)
    found = sample_values(OBSERVED_WAVE_AA, galaxies.flux, galaxies.redshift, ivar=ivar)
    errors = {name for name in columns(found) if name.endswith("_error")}
    assert errors == {"breaks.dn4000_error", "breaks.d4000_error", "lines.flux_error", "lines.ew_error"}
    assert np.all(found.lines.flux_error[:, COLUMN_OF_LINE["Hbeta"]] > 0)


def test_redshifts_must_match_spectra(galaxies):
    with pytest.raises(UsageError, match="redshift"):
        sample_values(OBSERVED_WAVE_AA, galaxies.flux, galaxies.redshift[:-1])


def test_candidates_become_medians_with_intervals(synthetic):
    k = 25
    rng = np.random.default_rng(21)
    spectra = synthetic(
        redshift=rng.normal(0.09, 0.01, k),
        sigma_kms=np.full(k, 120.0),
        ew_hbeta_aa=rng.uniform(8, 16, k),
        seed=22,
    )
    properties = measure_candidates(OBSERVED_WAVE_AA, spectra.flux, spectra.redshift, level=0.9)
    assert isinstance(properties, Properties)
    assert properties.redshift.value == pytest.approx(np.median(spectra.redshift), rel=1e-5)
    assert set(properties.lines) == set(REPORTED_LINES)
    assert set(properties.lick) == {*index_bands(), "MgFe_prime", "mean_Fe"}
    assert set(properties.lick_system) == set(properties.lick)
    assert set(properties.abundances) == {"n2_pp04", "o3n2_pp04", "n2_m13", "o3n2_m13"}
    assert set(properties.diagrams) == {"bpt_nii_s07", "bpt_sii", "bpt_oi", "whan"}
    assert {band for band, found in properties.magnitudes.items() if found.flag is Flag.OK} == {"g", "r", "i"}
    assert properties.balmer_decrement.value == pytest.approx(3.5, rel=0.03)
    assert properties.gas_sigma.value == pytest.approx(120.0, abs=6.0)
    assert properties.lick["Mgb"].lower < properties.lick["Mgb"].value < properties.lick["Mgb"].upper
    assert (properties.lick["Mgb"].unit, properties.lick["Mg2"].unit) == ("Angstrom", "mag")
    halpha = properties.lines["Halpha"].ew
    true = summarise(spectra.ew("Halpha"), unit="Angstrom", method="truth", level=0.9)
    np.testing.assert_allclose(
        [halpha.lower, halpha.value, halpha.upper], [true.lower, true.value, true.upper], rtol=0.03
    )
    assert (halpha.level, halpha.unit, halpha.flag) == (0.9, "Angstrom", Flag.OK)
    assert properties.lines["Halpha"].flux.unit == "1e-17 erg / (s cm2)"
    assert sum(properties.bpt_class.probabilities.values()) == pytest.approx(1)
    agn = sum(properties.bpt_class.probabilities[name] for name in ("seyfert", "liner"))
    assert properties.agn_probability.value == pytest.approx(agn)


def test_candidates_out_of_band_are_flagged(synthetic):
    spectra = synthetic(redshift=np.full(5, 0.02), sigma_kms=np.full(5, 120.0), ew_hbeta_aa=np.full(5, 10.0))
    properties = measure_candidates(OBSERVED_WAVE_AA, spectra.flux, spectra.redshift)
    assert properties.dn4000.flag is Flag.OUT_OF_BAND
    assert properties.dn4000.value is None
    assert properties.lines["Halpha"].flux.flag is Flag.OK


def test_lines_lost_in_the_scatter_are_not_detected(synthetic):
    spectra = synthetic(redshift=np.full(15, 0.1), sigma_kms=np.full(15, 120.0), ew_hbeta_aa=np.zeros(15))
    properties = measure_candidates(OBSERVED_WAVE_AA, spectra.flux, spectra.redshift)
    assert properties.lines["OIII_5007"].ew.flag is Flag.NOT_DETECTED
    assert properties.bpt_class.value == "retired_or_passive"
    assert properties.agn_probability.value == 0.0


def test_doublets_keep_the_ratios_of_atomic_physics(values):
    np.testing.assert_allclose(values.lines.flux_of("OIII_5007") / values.lines.flux_of("OIII_4959"), 2.98)
    np.testing.assert_allclose(values.lines.flux_of("NII_6583") / values.lines.flux_of("NII_6548"), 2.96)


def test_indices_are_those_of_the_stars_alone(synthetic):
    """Emission fills Hβ in by its equivalent width unless it is taken off."""
    given = {"redshift": np.full(6, 0.08), "sigma_kms": np.full(6, 120.0), "seed": 3}
    bright = synthetic(ew_hbeta_aa=np.full(6, 15.0), **given)
    dark = synthetic(ew_hbeta_aa=np.zeros(6), **given)
    found, true = (
        measure_candidates(OBSERVED_WAVE_AA, item.flux, item.redshift).lick for item in (bright, dark)
    )
    for name in ("Hbeta", "HgammaA", "HdeltaA", "Fe5015", "NaD", "Mgb"):
        assert found[name].value == pytest.approx(true[name].value, abs=0.35), name


def test_what_rests_on_lines_that_are_not_there_has_no_number(synthetic):
    spectra = synthetic(redshift=np.full(15, 0.1), sigma_kms=np.full(15, 120.0), ew_hbeta_aa=np.zeros(15))
    found = measure_candidates(OBSERVED_WAVE_AA, spectra.flux, spectra.redshift)
    rest_on_lines = [
        found.gas_sigma,
        found.balmer_decrement,
        found.ebv_gas,
        found.log_sfr_halpha,
        *found.abundances.values(),
    ]
    assert {(item.value, item.flag) for item in rest_on_lines} == {(None, Flag.NOT_DETECTED)}


def test_stars_at_rest_are_asked_for_by_their_dispersion(synthetic):
    spectra = synthetic(redshift=np.full(3, 0.1), sigma_kms=np.full(3, 120.0), ew_hbeta_aa=np.full(3, 5.0))
    given = (OBSERVED_WAVE_AA, spectra.flux, spectra.redshift)
    moving = measure_candidates(*given).lick_system["Fe5335"]
    at_rest = measure_candidates(*given, sigma_star_kms=np.full(3, 280.0)).lick_system["Fe5335"]
    assert "not corrected" in moving.method
    assert "not corrected" not in at_rest.method
    assert at_rest.value > 1.1 * moving.value
