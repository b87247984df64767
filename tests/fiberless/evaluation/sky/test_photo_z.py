import numpy as np
import pytest
from scipy.stats import norm

from fiberless.datasets.mock_report.photometry import Photometry
from fiberless.evaluation.sky.photo_z import QUANTILES, learn, learn_across, score

SIGMA = 0.01


def constructed(seed, n, *, colour_noise):
    """g−r tells z exactly but for its noise."""
    rng = np.random.default_rng(seed)
    redshift = rng.uniform(0.03, 0.17, n)
    g_r = 0.3 + 5 * redshift + rng.normal(0, colour_noise, n)
    r_mag = rng.uniform(15, 17.6, n)
    return Photometry(redshift, np.stack([r_mag + g_r + 1, r_mag + g_r, r_mag, r_mag - 0.4, r_mag - 0.7], 1))


def test_quantiles_of_the_true_distribution_score_as_they_are():
    rng = np.random.default_rng(1)
    estimate = rng.uniform(0.05, 0.15, 20_000)
    truth = estimate + SIGMA * rng.normal(size=20_000)
    quantiles = estimate[:, None] + SIGMA * norm.ppf(QUANTILES)
    found = score(truth, quantiles)
    assert found.n == 20_000
    assert found.bias == pytest.approx(0, abs=3 * SIGMA / np.sqrt(20_000) + 2e-4)
    assert found.sigma_nmad == pytest.approx(SIGMA / 1.1, rel=0.03)
    assert found.coverage_68 == pytest.approx(0.68, abs=0.012)
    assert found.coverage_95 == pytest.approx(0.95, abs=0.006)
    assert found.outliers == pytest.approx(0, abs=1e-4)


def test_shifted_and_halved_quantiles_show():
    rng = np.random.default_rng(2)
    truth = np.full(20_000, 0.1)
    estimate = truth - 0.0055 + SIGMA * rng.normal(size=20_000)
    found = score(truth, estimate[:, None] + 0.5 * SIGMA * norm.ppf(QUANTILES))
    assert found.bias == pytest.approx(-0.005, abs=3e-4)
    half = 0.5 * norm.ppf(0.84)
    expected = norm.cdf(half + 0.55) - norm.cdf(-half + 0.55)
    assert found.coverage_68 == pytest.approx(expected, abs=0.012)


def test_chosen_rows_alone_are_scored():
    truth, quantiles = np.array([0.1, 0.1, 0.3]), np.full((3, 5), 0.1)
    assert score(truth, quantiles, np.array([True, True, False])).outliers == 0
    assert score(truth, quantiles).outliers == pytest.approx(1 / 3)


def test_what_is_learnt_covers_galaxies_of_the_same_kind_and_not_noisier_ones():
    train = constructed(3, 3000, colour_noise=0.05)
    same, noisy = constructed(4, 2000, colour_noise=0.05), constructed(5, 2000, colour_noise=0.10)
    alike, unlike = (score(s.redshift, learn(train, s)) for s in (same, noisy))
    assert alike.coverage_68 == pytest.approx(0.68, abs=0.05)
    assert alike.coverage_95 == pytest.approx(0.95, abs=0.03)
    assert alike.sigma_nmad == pytest.approx(0.01 / 1.1, rel=0.2)
    assert unlike.coverage_68 < 0.5


def test_a_sample_predicts_its_own_galaxies_without_having_seen_them():
    sample = constructed(6, 1500, colour_noise=0.05)
    found = score(sample.redshift, learn_across(sample))
    assert found.coverage_68 == pytest.approx(0.68, abs=0.05)
    assert found.bias == pytest.approx(0, abs=0.001)
