"""The fit of the population: summaries, one step of Gauss–Newton, and the density ratio."""

import numpy as np
import pytest

from fiberless.datasets.mock.galaxies import selection_features
from fiberless.datasets.mock.hyperparameters import Hyperparameters
from fiberless.datasets.mock_report.photometry import Photometry
from fiberless.evaluation.sky.colour_summary import summarise, weights_like
from fiberless.evaluation.sky.population_fit import _gauss_newton, sky_cut
from fiberless.evaluation.sky.selection_fit import _ratio


def sample(n, seed=1, *, g_r=0.7):
    """Galaxies whose colours are normal about given means."""
    rng = np.random.default_rng(seed)
    r_mag = rng.uniform(15, 17.5, n)
    colours = rng.normal([1.6, g_r, 0.38, 0.28], [0.1, 0.12, 0.03, 0.03], (n, 4))
    u_g, gr, r_i, i_z = colours.T
    magnitudes = np.stack([r_mag + gr + u_g, r_mag + gr, r_mag, r_mag - r_i, r_mag - r_i - i_z], axis=1)
    return Photometry(rng.uniform(0.03, 0.2, n), magnitudes)


def test_a_summary_of_normal_colours_is_that_of_the_normal_distribution():
    summary = summarise(sample(40_000))
    found = dict(zip(summary.names, summary.values, strict=True))
    assert found["g-r 50 % at z = 0.075-0.1"] == pytest.approx(0.7, abs=0.006)
    assert found["g-r 95 % at z = 0.075-0.1"] == pytest.approx(0.7 + 1.645 * 0.12, abs=0.012)
    assert found["u-g median at g-r = 0.6-0.75, z = 0.085-0.25"] == pytest.approx(1.6, abs=0.006)
    assert found["r-i half-width at g-r = 0.6-0.75, z = 0.085-0.25"] == pytest.approx(0.03, abs=0.002)
    assert (summary.errors >= 0.003).all()


def test_weights_bring_one_sample_to_the_redshifts_of_another():
    first, second = sample(20_000), sample(20_000, 2)
    near = second.take(second.redshift > 0.1)
    weight = weights_like(first, near)
    assert np.average(first.redshift, weights=weight) == pytest.approx(near.redshift.mean(), abs=0.008)


def test_a_linear_problem_is_solved_in_one_step():
    rng = np.random.default_rng(4)
    slopes, truth = rng.normal(size=(60, 5)), np.array([0.1, -0.2, 0.3, 0.0, 0.05])
    errors = np.full(60, 1e-3)
    residual = slopes @ truth / errors / 1e3  # within the robust limit
    move = _gauss_newton(slopes, residual, errors, pull=np.zeros(5), width=np.full(5, 1e3))
    np.testing.assert_allclose(move, truth / 1e3, rtol=1e-6, atol=1e-12)


def test_what_the_colours_do_not_say_stays_at_its_prior():
    slopes = np.zeros((10, 2))
    slopes[:, 0] = 1.0
    move = _gauss_newton(slopes, np.ones(10), np.ones(10), pull=np.array([0.0, -0.5]), width=np.ones(2))
    assert move[1] == pytest.approx(-0.5)


def test_the_cut_leaves_out_what_is_faint_far_or_undetected():
    galaxies = sample(6)
    galaxies.redshift[:] = [0.1, 0.01, 0.3, 0.1, 0.1, 0.1]
    galaxies.magnitudes[3, 0] = np.nan
    galaxies.magnitudes[4] += 3.0
    assert len(sky_cut(galaxies)) == 2


def test_a_known_ratio_of_densities_is_found():
    mocks = sample(20_000)
    chance = 1 / (1 + np.exp(-(mocks.colours[:, 1] - 0.7) / 0.1))
    real = mocks.take(np.random.default_rng(8).uniform(size=len(mocks)) < chance)
    other = sample(20_000, 9)
    ratio = _ratio(other, np.ones(len(other)), real, np.ones(len(real)))
    at = sample(2000, 10)
    found = ratio.log_ratio(selection_features(at.redshift, at.magnitudes))
    expected = np.log(1 / (1 + np.exp(-(at.colours[:, 1] - 0.7) / 0.1)))
    inside = np.abs(at.colours[:, 1] - 0.7) < 0.2
    difference = (found - expected)[inside]
    assert np.std(difference) < 0.25
    assert np.corrcoef(found[inside], expected[inside])[0, 1] > 0.9
    assert Hyperparameters().selection is None
