import numpy as np
import pytest

from fiberless.datasets.mock_report.photometry import COLOURS, Photometry
from fiberless.evaluation.sky.loci import colour_loci, conditional_scatter, fixed_colours


def galaxies(seed, n, *, u_g_shift=0.0, scatter=(0.1, 0.04, 0.02, 0.03)):
    """Colours that are straight functions of z with independent scatter."""
    rng = np.random.default_rng(seed)
    redshift, r_mag = rng.uniform(0.05, 0.15, n), rng.uniform(15, 17.6, n)
    slopes, constants = np.array([5.0, 5.0, 1.0, 1.0]), np.array([1.0 + u_g_shift, 0.3, 0.3, 0.2])
    colours = constants + slopes * redshift[:, None] + rng.normal(size=(n, 4)) * scatter
    u_g, g_r, r_i, i_z = colours.T
    blue = [r_mag + g_r + u_g, r_mag + g_r]
    return Photometry(redshift, np.stack([*blue, r_mag, r_mag - r_i, r_mag - r_i - i_z], axis=1))


def test_percentiles_of_a_sample_against_itself_are_its_own():
    sample = galaxies(1, 2000)
    rows = colour_loci(sample, sample)
    assert {row.redshifts for row in rows} == {(0.05, 0.075), (0.075, 0.1), (0.1, 0.125), (0.125, 0.15)}
    assert all(row.mock == row.real for row in rows)
    middle = next(row for row in rows if row.colour == "g-r" and row.redshifts[0] == 0.1)
    assert middle.real[2] == pytest.approx(0.3 + 5 * 0.1125, abs=0.02)


def test_a_shift_of_u_is_found_at_every_g_r_and_in_u_alone():
    rows = fixed_colours(galaxies(2, 40_000, u_g_shift=-0.06), galaxies(3, 40_000))
    assert len(rows) == 3 * 6
    for row in rows:
        expected = -0.06 if row.colour == "u-g" else 0.0
        assert row.difference == pytest.approx(expected, abs=max(0.01, 5 * row.error))


def test_bins_with_few_galaxies_are_left_out():
    assert fixed_colours(galaxies(4, 20), galaxies(5, 20)) == []


def test_the_scatter_is_that_which_the_other_colours_do_not_explain():
    scatter = conditional_scatter(galaxies(6, 3000))
    expected = dict(zip(COLOURS, (0.1, 0.04, 0.02, 0.03), strict=True))
    for colour, value in scatter.items():
        assert value == pytest.approx(expected[colour], rel=0.12)
