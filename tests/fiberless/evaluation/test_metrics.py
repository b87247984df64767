import numpy as np
import pytest
from scipy.stats import norm

from fiberless.evaluation.metrics import (
    coverage,
    crps,
    photo_z,
    point_score,
    posterior_median,
    posterior_score,
    sample_quantiles,
    usable,
)


@pytest.fixture
def rng():
    """Each test has its own, so that none depends on which ran before it."""
    return np.random.default_rng(6)


def test_point_scores_of_known_errors(rng):
    truth = rng.normal(0, 2.0, 20_000)
    score = point_score(truth, truth + 0.3 + rng.normal(0, 0.5, truth.size))
    assert score.bias == pytest.approx(0.3, abs=0.02)
    assert score.scatter == pytest.approx(0.5, rel=0.03)
    assert score.r2 == pytest.approx(1 - (0.3**2 + 0.5**2) / 4, abs=0.01)
    assert score.outliers == pytest.approx(2 * norm.sf(3), abs=0.0015)


def test_the_error_of_r2_is_its_scatter_between_samples():
    n, noise = 400, 0.6

    def draw(seed):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=n)
        return point_score(truth, truth + rng.normal(0, noise, n))

    scores = [draw(seed) for seed in range(40)]
    scatter = np.std([score.r2 for score in scores], ddof=1)
    assert np.mean([score.r2_error for score in scores]) == pytest.approx(scatter, rel=0.35)


def test_photo_z_by_hand():
    truth = np.array([0.1, 0.1, 0.1, 0.1, 0.1])
    score = photo_z(truth, truth + 1.1 * np.array([-0.01, 0.0, 0.01, 0.02, 0.06]))
    assert score.bias == pytest.approx(0.016)
    assert score.sigma_mad == pytest.approx(1.4826 * 0.01)
    assert score.outliers == 0.2


@pytest.mark.parametrize("k", [25, 50])
def test_calibrated_samples_cover_as_they_should(rng, k):
    truth = rng.normal(size=8000)
    samples = rng.normal(size=(8000, k))
    assert coverage(truth, samples, 0.68) == pytest.approx(0.68, abs=0.02)
    if k >= 40:
        assert coverage(truth, samples, 0.95) == pytest.approx(0.95, abs=0.01)


def test_too_narrow_samples_cover_too_little(rng):
    truth = rng.normal(size=4000)
    assert coverage(truth, 0.5 * rng.normal(size=(4000, 50)), 0.68) == pytest.approx(0.38, abs=0.03)


def test_crps_of_a_normal_against_the_closed_form(rng):
    """CRPS of N(μ, σ) at x, Gneiting & Raftery 2007, eq. 21."""
    mean, sigma = rng.normal(size=4000), 0.7
    truth = rng.normal(size=4000)
    w = (truth - mean) / sigma
    expected = sigma * (w * (2 * norm.cdf(w) - 1) + 2 * norm.pdf(w) - np.pi**-0.5)
    samples = mean[:, None] + sigma * rng.normal(size=(4000, 30))
    assert crps(truth, samples) == pytest.approx(expected.mean(), rel=0.01)


def test_crps_is_fair_whatever_the_number_of_samples(rng):
    truth = rng.normal(size=60_000)
    few, many = crps(truth, rng.normal(size=(60_000, 3))), crps(truth, rng.normal(size=(60_000, 40)))
    assert few == pytest.approx(many, abs=0.01)


def test_quantiles_are_numpy_s_and_leave_nan_out(rng):
    samples = rng.normal(size=(50, 21))
    for level in (0.025, 0.16, 0.5, 0.84):
        expected = np.quantile(samples, level, axis=1, method="weibull")
        np.testing.assert_allclose(sample_quantiles(samples, level), expected)
    holed = np.concatenate([samples, np.full((50, 9), np.nan)], axis=1)[:, ::-1]
    np.testing.assert_allclose(sample_quantiles(holed, 0.16), sample_quantiles(samples, 0.16))
    np.testing.assert_allclose(posterior_median(holed), np.median(samples, axis=1))
    truth = rng.normal(size=50)
    assert crps(truth, holed) == pytest.approx(crps(truth, samples))


def test_galaxies_without_truth_or_samples_are_left_out():
    truth = np.array([1.0, np.nan, 2.0, 3.0])
    samples = np.tile(np.array([[0.9, 1.0, np.nan]]), (4, 1))
    samples[2] = np.nan
    assert usable(truth, samples).tolist() == [True, False, False, True]
    assert posterior_score(truth, samples).n == 2


def test_standard_errors_of_coverage_are_binomial(rng):
    truth, samples = rng.normal(size=900), rng.normal(size=(900, 40))
    score = posterior_score(truth, samples)
    p = score.coverage_68
    assert score.coverage_68_error == pytest.approx(np.sqrt(p * (1 - p) / 900))


def test_the_mean_of_skewed_samples_errs_less_than_their_median(rng):
    """Truth and samples exponential about a known centre: errors 1 and 1 + (1 − ln 2)² in square."""
    centre = rng.normal(0, 3, 20_000)
    truth = centre + rng.exponential(size=centre.size)
    samples = centre[:, None] + rng.exponential(size=(centre.size, 400))
    score = posterior_score(truth, samples)
    assert score.r2_mean == pytest.approx(1 - 1 / 10, abs=0.004)
    assert score.r2 == pytest.approx(1 - (1 + (1 - np.log(2)) ** 2) / 10, abs=0.004)
    assert point_score(truth, centre).r2_mean is None
