import numpy as np
import pytest
import scipy.optimize

from fiberless.stellar.nnls import solve_nnls


@pytest.fixture
def problem():
    rng = np.random.default_rng(4)
    matrix = rng.standard_normal((60, 25)) + 0.8
    return matrix, matrix @ np.where(rng.uniform(size=25) < 0.3, 1.0, 0.0) + rng.standard_normal(60)


def test_agrees_with_scipy(problem):
    matrix, target = problem
    expected, _ = scipy.optimize.nnls(matrix, target)
    np.testing.assert_allclose(solve_nnls(matrix.T @ matrix, matrix.T @ target), expected, atol=1e-8)


def test_start_changes_nothing(problem):
    matrix, target = problem
    gram, moment = matrix.T @ matrix, matrix.T @ target
    start = np.random.default_rng(1).uniform(size=25) < 0.5
    np.testing.assert_allclose(solve_nnls(gram, moment, start=start), solve_nnls(gram, moment), atol=1e-9)


def test_free_columns_are_least_squares(problem):
    matrix, target = problem
    free = np.ones(25, dtype=bool)
    expected = np.linalg.lstsq(matrix, target)[0]
    found = solve_nnls(matrix.T @ matrix, matrix.T @ target, free=free)
    assert found.min() < 0
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_empty_columns_get_nothing(problem):
    matrix, target = problem
    matrix = np.column_stack([np.zeros(60), matrix])
    found = solve_nnls(matrix.T @ matrix, matrix.T @ target)
    assert found[0] == 0
    np.testing.assert_allclose(found[1:], scipy.optimize.nnls(matrix[:, 1:], target)[0], atol=1e-8)


def test_scale_of_columns_does_not_matter(problem):
    matrix, target = problem
    scale = np.geomspace(1e-6, 1e6, 25)
    plain = solve_nnls(matrix.T @ matrix, matrix.T @ target)
    scaled = matrix * scale
    found = solve_nnls(scaled.T @ scaled, scaled.T @ target)
    np.testing.assert_allclose(found * scale, plain, atol=1e-7)
