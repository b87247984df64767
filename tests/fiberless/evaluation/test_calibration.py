import numpy as np
import pytest

from fiberless.evaluation.calibration import CURVE_LEVELS, joint_calibration, pit, tarp, uniformity

N, K, D = 2000, 40, 6


def posterior(width, *, shift=0.0, seed=3):
    """Correlated Gaussian posteriors of N galaxies, samples `width` times too wide: (N, D), (N, K, D)."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(D, D)) / np.sqrt(D)
    mean = rng.normal(size=(N, D))
    truth = mean + rng.normal(size=(N, D)) @ mixing
    samples = mean[:, None] + shift + width * rng.normal(size=(N, K, D)) @ mixing
    return truth, samples


@pytest.mark.parametrize("seed", range(4))
def test_ranks_of_a_calibrated_posterior_are_uniform(seed):
    truth, samples = posterior(1.0, seed=seed)
    assert uniformity(pit(truth[:, 0], samples[..., 0], seed=seed)).p_value > 0.003
    assert uniformity(tarp(truth, samples, seed=seed)).p_value > 0.003


def test_an_over_confident_posterior_is_rejected():
    truth, samples = posterior(0.7)
    single = uniformity(pit(truth[:, 0], samples[..., 0]))
    assert single.p_value < 1e-6
    assert single.std > 1.1
    assert uniformity(tarp(truth, samples)).p_value < 1e-3


def test_a_too_wide_posterior_crowds_in_the_middle():
    truth, samples = posterior(1.6)
    single = uniformity(pit(truth[:, 0], samples[..., 0]))
    assert single.p_value < 1e-6
    assert single.std < 0.9


def test_a_biased_posterior_shows_in_the_mean_rank():
    truth, samples = posterior(1.0, shift=0.5)
    assert uniformity(pit(truth[:, 0], samples[..., 0])).mean < 0.45
    assert uniformity(tarp(truth, samples)).p_value < 1e-3


def test_a_wrong_correlation_that_no_single_dimension_shows_is_found_by_the_joint_test():
    """Samples with the right variances, without the correlation of 0.9."""
    rng = np.random.default_rng(12)
    mixing = np.linalg.cholesky(0.9 * np.ones((D, D)) + 0.1 * np.eye(D)).T
    truth, right = rng.normal(size=(N, D)) @ mixing, rng.normal(size=(N, K, D)) @ mixing
    independent = rng.normal(size=(N, K, D))
    assert all(uniformity(pit(truth[:, d], independent[..., d])).p_value > 1e-3 for d in range(D))
    assert uniformity(tarp(truth, right)).p_value > 1e-3
    assert uniformity(tarp(truth, independent)).p_value < 1e-6


def test_atoms_are_spread_evenly():
    """Half of truths and samples lie at a floor, as lines that are not there do."""
    rng = np.random.default_rng(5)
    truth, samples = np.maximum(rng.normal(size=N), 0), np.maximum(rng.normal(size=(N, K)), 0)
    assert uniformity(pit(truth, samples)).p_value > 0.003


def test_ranks_count_finite_samples_alone():
    samples = np.array([[1.0, 2.0, np.nan, np.nan]])
    assert 0 < pit(np.array([0.5]), samples)[0] < 1 / 3
    assert 2 / 3 < pit(np.array([2.5]), samples)[0] < 1


def test_joint_calibration_holds_everything_and_leaves_unknown_dimensions_out():
    truth, samples = posterior(1.0)
    truth[7, 2] = np.nan
    rng = np.random.default_rng(1)
    joint = joint_calibration(truth, samples, true_score=rng.normal(size=N), scores=rng.normal(size=(N, K)))
    assert len(joint.dimensions) == D - 1
    np.testing.assert_allclose(joint.expected_coverage, CURVE_LEVELS, atol=0.03)
    assert joint.score.mean == pytest.approx(0.5, abs=0.03)
    assert sum(joint.tarp.histogram) == N
    assert joint.as_dict()["smallest_p"] > 0.003
