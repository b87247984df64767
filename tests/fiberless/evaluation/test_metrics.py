import numpy as np
import pytest

from fiberless.evaluation.metrics import coverage, crps, point_score, posterior_score

RNG = np.random.default_rng(6)


def test_point_scores_of_known_errors():
    truth = RNG.normal(0, 2.0, 20_000)
    score = point_score(truth, truth + 0.3 + RNG.normal(0, 0.5, truth.size))
    assert score.bias == pytest.approx(0.3, abs=0.02)
    assert score.scatter == pytest.approx(0.5, rel=0.03)
    assert score.r2 == pytest.approx(1 - (0.3**2 + 0.5**2) / 4, abs=0.01)


@pytest.mark.parametrize("k", [25, 50])
def test_calibrated_samples_cover_as_they_should(k):
    truth = RNG.normal(size=8000)
    samples = RNG.normal(size=(8000, k))
    assert coverage(truth, samples, 0.68) == pytest.approx(0.68, abs=0.02)
    if k >= 40:
        assert coverage(truth, samples, 0.95) == pytest.approx(0.95, abs=0.01)


def test_too_narrow_samples_cover_too_little():
    truth = RNG.normal(size=4000)
    assert coverage(truth, 0.5 * RNG.normal(size=(4000, 50)), 0.68) == pytest.approx(0.38, abs=0.03)


def test_crps_of_a_standard_normal():
    """E CRPS of N(0, 1) against its own draws is 1/√π (Gneiting & Raftery 2007)."""
    assert crps(RNG.normal(size=5000), RNG.normal(size=(5000, 40))) == pytest.approx(np.pi**-0.5, abs=0.02)


def test_galaxies_without_truth_or_samples_are_left_out():
    truth = np.array([1.0, np.nan, 2.0, 3.0])
    samples = np.tile(np.array([[0.9, 1.0, np.nan]]), (4, 1))
    samples[2] = np.nan
    assert posterior_score(truth, samples).n == 2
