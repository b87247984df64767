"""Non-negative least squares on normal equations."""

from typing import Final

import numpy as np

from fiberless.arrays import BoolArray, FloatArray

__all__ = ["solve_nnls"]

_TOLERANCE: Final = 1e-9
_RIDGE: Final = 1e-12


def solve_nnls(
    gram: FloatArray,
    moment: FloatArray,
    *,
    free: BoolArray | None = None,
    start: BoolArray | None = None,
    tolerance: float = _TOLERANCE,
) -> FloatArray:
    """Minimise ½ xᵀGx − mᵀx with x ≥ 0, by the active-set method of Bro & de Jong (1997, J. Chemom. 11, 393).

    Parameters
    ----------
    gram : (n, n) AᵀWA in float64; a column whose diagonal is zero gets no weight
    moment : (n,) AᵀWy
    free : (n,) or None
        Columns that may be negative.
    start : (n,) or None
        Columns expected to be positive, such as those of a similar problem: saves time, changes nothing.
    tolerance : float
        Slope, over the largest of the start, that is not worth another column.

    Returns
    -------
    (n,) x

    """
    scale = np.sqrt(np.diag(gram))
    usable = scale > 0
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=usable)
    unit_gram = gram * inverse[:, None] * inverse
    unit_gram[np.diag_indices_from(unit_gram)] += _RIDGE
    unbound = np.zeros_like(usable) if free is None else free & usable
    passive = unbound if start is None else unbound | (start & usable)
    return _active_set(unit_gram, moment * inverse, unbound, passive.copy(), tolerance) * inverse


def _active_set(
    gram: FloatArray, moment: FloatArray, free: BoolArray, passive: BoolArray, tolerance: float
) -> FloatArray:
    limit = tolerance * max(float(np.abs(moment).max(initial=0.0)), 1e-300)
    x = np.zeros_like(moment)
    for _ in range(5 * moment.size):
        x = _feasible(gram, moment, x, free, passive)
        gradient = np.where(passive, -np.inf, moment - gram @ x)
        best = int(np.argmax(gradient))
        if gradient[best] <= limit:
            break
        passive[best] = True
    return x


def _feasible(
    gram: FloatArray, moment: FloatArray, x: FloatArray, free: BoolArray, passive: BoolArray
) -> FloatArray:
    """Least squares on the passive set, which loses columns until none is negative."""
    while True:
        solution = _least_squares(gram, moment, passive)
        negative = passive & ~free & (solution <= 0)
        if not negative.any():
            return solution
        share = x[negative] / np.maximum(x[negative] - solution[negative], 1e-300)
        x = x + float(share.min()) * (solution - x)
        passive[np.flatnonzero(negative)[share <= share.min()]] = False


def _least_squares(gram: FloatArray, moment: FloatArray, passive: BoolArray) -> FloatArray:
    solution = np.zeros_like(moment)
    index = np.flatnonzero(passive)
    if index.size:
        solution[index] = np.linalg.solve(gram[np.ix_(index, index)], moment[index])
    return solution
