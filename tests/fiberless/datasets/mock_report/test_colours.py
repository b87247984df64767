"""The comparison on samples whose answer is known, and the simulated colours against the real ones."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from fiberless.datasets.mock_report.colour_text import colours_markdown
from fiberless.datasets.mock_report.colours import FIXED_TOLERANCE_MAG, compare_colours
from fiberless.datasets.mock_report.photometry import (
    COLOURS,
    TABLE_MINUS_SURVEY_MAG,
    Photometry,
    as_in_table,
    draw_photometry,
    read_photometry,
    with_catalogue_errors,
)
from fiberless.errors import UsageError

TABLE = Path(__file__).parents[5] / "shared" / "data" / "tables" / "sdss_ugriz_z.fits"

REAL = {
    (0.05, 0.08): {
        "u-g": (1.393, 0.374),
        "g-r": (0.733, 0.210),
        "r-i": (0.379, 0.067),
        "i-z": (0.263, 0.091),
    },
    (0.08, 0.11): {
        "u-g": (1.528, 0.372),
        "g-r": (0.835, 0.196),
        "r-i": (0.399, 0.051),
        "i-z": (0.294, 0.077),
    },
    (0.11, 0.15): {
        "u-g": (1.642, 0.366),
        "g-r": (0.968, 0.184),
        "r-i": (0.425, 0.046),
        "i-z": (0.324, 0.064),
    },
}
"""Median and half the central 68 % of 5,548 galaxies of SDSS, 0.05 < z < 0.15 and 14 < r < 17.77, from the
table `sdss_ugriz_z.fits` of the kcorrect project (its AB system, corrected for Galactic extinction)."""
REAL_FIXED = {
    (0.4, 0.5): {"u-g": 1.019, "r-i": 0.300, "i-z": 0.141},
    (0.5, 0.6): {"u-g": 1.112, "r-i": 0.336, "i-z": 0.188},
    (0.6, 0.7): {"u-g": 1.214, "r-i": 0.372, "i-z": 0.234},
    (0.7, 0.8): {"u-g": 1.383, "r-i": 0.393, "i-z": 0.272},
    (0.8, 0.9): {"u-g": 1.653, "r-i": 0.406, "i-z": 0.303},
    (0.9, 1.0): {"u-g": 1.779, "r-i": 0.422, "i-z": 0.333},
}
"""Medians of the same galaxies at fixed g−r."""
MEDIAN = {"u-g": 0.06, "g-r": 0.03, "r-i": 0.03, "i-z": 0.03}
WIDTH = {"u-g": 0.25, "g-r": 0.15, "r-i": 0.15, "i-z": 0.15}


@pytest.fixture(scope="module")
def mock():
    return as_in_table(with_catalogue_errors(7, draw_photometry(1, 80_000))).main_sample()


@pytest.fixture(scope="module")
def compared(mock):
    return compare_colours(mock, mock)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("redshifts", REAL)
def test_colours_have_the_real_medians_and_widths(compared, redshifts, colour):
    row = next(row for row in compared.binned if (row.redshifts, row.name) == (redshifts, colour))
    median, width = REAL[redshifts][colour]
    assert row.mock_median == pytest.approx(median, abs=MEDIAN[colour])
    assert row.mock_width == pytest.approx(width, rel=WIDTH[colour])


@pytest.mark.parametrize("colour", FIXED_TOLERANCE_MAG)
@pytest.mark.parametrize("g_r", REAL_FIXED)
def test_colours_at_fixed_g_r_are_the_real_ones(compared, g_r, colour):
    row = next(row for row in compared.fixed if row.g_r == g_r and row.name == colour)
    assert row.mock_median == pytest.approx(REAL_FIXED[g_r][colour], abs=FIXED_TOLERANCE_MAG[colour])


def test_redshifts_and_magnitudes_are_distributed_as_the_real_ones(mock):
    """Real: median z 0.092, r 17.116; half widths of the central 68 % 0.033 and 0.636."""
    assert np.median(mock.redshift) == pytest.approx(0.092, abs=0.01)
    assert np.median(mock.r_mag) == pytest.approx(17.116, abs=0.08)
    assert np.diff(np.quantile(mock.r_mag, [0.16, 0.84]))[0] / 2 == pytest.approx(0.636, rel=0.1)


@pytest.mark.skipif(not TABLE.exists(), reason="the real table lies beside the repository, not in it")
def test_the_committed_numbers_are_those_of_the_real_table():
    real = read_photometry(TABLE).main_sample()
    assert len(real) == 5548
    comparison = compare_colours(real, real)
    for row in (row for row in comparison.binned if row.name in COLOURS):
        assert (row.real_median, row.real_width) == pytest.approx(REAL[row.redshifts][row.name], abs=6e-4)
    for row in comparison.fixed:
        assert row.real_median == pytest.approx(REAL_FIXED[row.g_r][row.name], abs=6e-4)


def sample(n=4000, *, redder=0.0, seed=0):
    """Galaxies along one line of colours, g−r 0.4–1.0 at any redshift of the cut."""
    rng = np.random.default_rng(seed)
    g_r = rng.uniform(0.4, 1.0, n)
    r = rng.uniform(15, 17.7, n)
    magnitudes = np.stack([r + g_r + 2 * g_r + redder, r + g_r, r, r - 0.4, r - 0.7], axis=1)
    return Photometry(rng.uniform(0.05, 0.15, n), magnitudes)


def test_a_sample_agrees_with_itself():
    comparison = compare_colours(sample(), sample())
    assert comparison.passes
    assert all(row.difference == 0 and row.ks == 0 and row.wasserstein == 0 for row in comparison.binned)
    assert "FAIL" not in colours_markdown(comparison)


def test_a_shift_is_found_in_its_colour_alone():
    comparison = compare_colours(sample(redder=0.1), sample())
    failing = {row.name for row in comparison.binned if not row.median_passes}
    assert failing == {"u-g"}
    shifted = [row for row in comparison.binned if row.name == "u-g"]
    assert all(
        row.difference == pytest.approx(0.1) and row.wasserstein == pytest.approx(0.1) for row in shifted
    )
    assert all(row.width_passes for row in comparison.binned)
    assert {row.name for row in comparison.fixed if not row.passes} == {"u-g"}
    assert not comparison.passes
    assert "FAIL" in colours_markdown(comparison)


def test_a_wider_distribution_fails_by_its_width():
    real = sample()
    wide = Photometry(real.redshift, real.magnitudes + np.random.default_rng(1).normal(0, 0.3, (4000, 5)))
    failing = {row.name for row in compare_colours(wide, real).binned if not row.width_passes}
    assert {"r-i", "i-z"} <= failing


def test_empty_bins_are_left_out():
    near = sample().take(np.flatnonzero(sample().redshift < 0.08))
    assert {row.redshifts for row in compare_colours(near, sample()).binned} == {(0.05, 0.08), (0.05, 0.15)}


def test_the_cut_is_that_of_the_real_sample():
    magnitudes = np.tile([18.0, 17.0, 16.5, 16.2, 16.0], (5, 1))
    magnitudes[1, 2], magnitudes[2, 2], magnitudes[3, 0] = 17.8, 13.9, np.nan
    kept = Photometry(np.array([0.1, 0.1, 0.1, 0.1, 0.16]), magnitudes).main_sample()
    assert len(kept) == 1


def test_catalogue_errors_are_those_of_the_real_table():
    """At u = 19.75 the table's median error is 0.0509 without its floor; 0.02 of the zero point beside it."""
    n = 20_000
    magnitudes = np.tile([19.75, 18.25, 17.25, 16.75, 16.25], (n, 1))
    noisy = with_catalogue_errors(3, Photometry(np.full(n, 0.1), magnitudes)).magnitudes - magnitudes
    spread = 1.4826 * np.median(np.abs(noisy - np.median(noisy, axis=0)), axis=0)
    assert spread == pytest.approx([0.0547, 0.0117, 0.0108, 0.0108, 0.0131], rel=0.06)
    assert np.median(noisy, axis=0) == pytest.approx(0.0, abs=0.002)


def test_faint_errors_go_on_growing():
    n = 5000
    faint = Photometry(np.full(n, 0.1), np.tile([22.75, 22.0, 21.0, 21.0, 21.0], (n, 1)))
    noisy = with_catalogue_errors(3, faint).magnitudes[:, 0] - 22.75
    assert np.nanstd(noisy) > 0.4


def test_the_table_s_system_is_bluer_in_u_g():
    moved = as_in_table(sample())
    np.testing.assert_allclose(
        moved.magnitudes - sample().magnitudes, np.tile(TABLE_MINUS_SURVEY_MAG, (4000, 1))
    )
    assert -np.diff(TABLE_MINUS_SURVEY_MAG) == pytest.approx([-0.065, 0.002, 0.001, 0.009], abs=0.005)


def test_the_same_seed_draws_the_same_galaxies():
    first, second = draw_photometry(4, 300), draw_photometry(4, 300)
    np.testing.assert_array_equal(first.magnitudes, second.magnitudes)
    assert len(first) == 300


def test_a_table_is_read_and_a_missing_one_refused(tmp_path):
    Table({"REDSHIFT": [0.1], "MAGGIES": [[1.0, 10.0, 100.0, 0.0, 1.0, 0, 0, 0]]}).write(tmp_path / "t.fits")
    read = read_photometry(tmp_path / "t.fits")
    assert read.magnitudes[0, :3] == pytest.approx([22.5, 20.0, 17.5])
    assert np.isnan(read.magnitudes[0, 3])
    with pytest.raises(UsageError, match="no real photometry"):
        read_photometry(tmp_path / "none.fits")
