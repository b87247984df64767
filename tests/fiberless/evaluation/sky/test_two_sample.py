import numpy as np
import pytest
from scipy.stats import norm

from fiberless.datasets.mock_report.photometry import Photometry
from fiberless.evaluation.sky.two_sample import area_under_curve, features, like_source, separation


def test_the_area_under_a_known_curve():
    score = np.array([0.1, 0.4, 0.35, 0.8])
    assert area_under_curve(score, np.array([False, False, True, True])) == 0.75
    assert area_under_curve(np.zeros(4), np.array([False, False, True, True])) == 0.5


def test_samples_of_one_distribution_cannot_be_told_apart():
    first, second = np.random.default_rng(3).normal(size=(2, 1500, 3))
    found = separation(first, second)
    assert found.n == 1500
    assert abs(found.auc - 0.5) < 3 * found.error


def test_the_error_is_that_of_equal_distributions():
    # variance of U over n² m² for equal distributions: (n + m + 1) / (12 n m)
    first, second = np.random.default_rng(4).normal(size=(2, 800, 2))
    assert separation(first, second).error == pytest.approx(np.sqrt(1601 / 12) / 800, rel=0.03)


@pytest.mark.parametrize("shift", [0.5, 1.5])
def test_shifted_gaussians_separate_by_the_analytic_value(shift):
    rng = np.random.default_rng(5)
    first, second = rng.normal(size=(3000, 1)), rng.normal(shift, size=(3000, 1))
    found = separation(first, second)
    assert found.auc == pytest.approx(norm.cdf(shift / np.sqrt(2)), abs=0.02)


def test_of_unequal_samples_as_many_are_taken_as_the_smaller_has():
    rng = np.random.default_rng(6)
    assert separation(rng.normal(size=(900, 1)), rng.normal(size=(300, 1))).n == 300


def photometry(rng, n, *, bright):
    r_mag = np.minimum(17.6, rng.exponential(0.6, n) * -1 + 17.6) if bright else rng.uniform(15, 17.6, n)
    redshift = rng.uniform(0.03, 0.17, n) if bright else rng.beta(2, 2, n) * 0.14 + 0.03
    return Photometry(redshift, r_mag[:, None] + np.array([2.0, 0.8, 0.0, -0.4, -0.7]))


def test_a_thinned_sample_has_the_magnitudes_and_redshifts_of_the_other():
    rng = np.random.default_rng(7)
    many, few = photometry(rng, 30_000, bright=False), photometry(rng, 1500, bright=True)
    thinned = like_source(many, few)
    before, after = (separation(features(s)[:, [0, 5]], features(few)[:, [0, 5]]) for s in (many, thinned))
    assert before.auc > 0.6
    assert after.auc < 0.53 + 2 * after.error
