import numpy as np
import pytest

from fiberless.evaluation.bootstrap import Difference, bootstrap, bootstrap_error, r2_of
from fiberless.evaluation.metrics import point_score


@pytest.fixture
def rng():
    """Each test has its own, so that none depends on which ran before it."""
    return np.random.default_rng(5)


def test_the_error_of_a_mean_is_known(rng):
    values = rng.normal(3.0, 2.0, 1600)
    found = bootstrap(lambda rows: float(values[rows].mean()), 1600)
    assert found.value == pytest.approx(values.mean())
    assert found.error == pytest.approx(2.0 / 40, rel=0.12)


def test_what_is_hard_for_both_does_not_count(rng):
    """Errors that two methods share leave only what differs: far less than either's own error."""
    shared, ours = rng.normal(size=900), 0.01 * rng.normal(size=900)

    def difference(rows):
        return float((shared + ours)[rows].mean() - shared[rows].mean())

    paired = bootstrap(difference, 900).error
    alone = bootstrap(lambda rows: float(shared[rows].mean()), 900).error
    assert paired == pytest.approx(0.01 * alone, rel=0.2)


def test_errors_of_many_figures_come_at_once(rng):
    values = rng.normal(size=(400, 3)) * [1.0, 2.0, 4.0]
    errors = bootstrap_error(lambda rows: values[rows].mean(axis=0), 400)
    assert errors == pytest.approx(np.array([1.0, 2.0, 4.0]) / 20, rel=0.15)


def test_what_a_sample_cannot_tell_is_no_figure():
    told = bootstrap(lambda _: float("nan"), 4)
    assert told.as_dict() == {"value": None, "error": None}
    assert Difference(0.123456, 0.01).as_dict() == {"value": 0.1235, "error": 0.01}


def test_r2_is_that_of_scores(rng):
    truth, error = rng.normal(size=50), 0.1 * rng.normal(size=50)
    assert r2_of(truth, error) == pytest.approx(point_score(truth, truth + error).r2)
    assert np.isnan(r2_of(np.ones(3), error[:3]))
