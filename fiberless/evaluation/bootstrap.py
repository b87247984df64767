"""Differences of two methods on the same galaxies, with their paired bootstrap errors.

Galaxies are drawn with replacement, for both methods the same ones: shared difficulty cancels.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from fiberless.arrays import FloatArray, IntArray

__all__ = ["Difference", "Statistic", "bootstrap", "bootstrap_error", "r2_of"]

_RESAMPLES: Final = 500
Statistic = Callable[[IntArray], float]
"""Figure of the galaxies in some rows, which may repeat."""


class Difference(NamedTuple):
    """A figure and its standard error; NaN where too few galaxies tell."""

    value: float
    error: float

    def as_dict(self) -> dict[str, float | None]:
        """Rounded, for JSON; NaN as None."""
        return {
            name: float(f"{number:.4g}") if np.isfinite(number) else None
            for name, number in self._asdict().items()
        }


def bootstrap(statistic: Statistic, n: int) -> Difference:
    """Figure of n galaxies and its standard error."""
    return Difference(statistic(np.arange(n)), float(bootstrap_error(statistic, n)))


def bootstrap_error(
    statistic: Callable[[IntArray], float | FloatArray], n: int, *, resamples: int = _RESAMPLES, seed: int = 0
) -> FloatArray:
    """Standard error of a figure, or of an array of them, of n galaxies; NaN where not two are finite."""
    rng = np.random.default_rng(seed)
    values = np.array([statistic(rng.integers(0, n, n)) for _ in range(resamples)], dtype=np.float64)
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    mean = np.where(finite, values, 0).sum(axis=0) / np.maximum(count, 1)
    squares = np.where(finite, (values - mean) ** 2, 0).sum(axis=0)
    return np.where(count > 1, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)


def r2_of(truth: FloatArray, error: FloatArray) -> float:
    """1 − Σ error² / Σ (truth − mean)² of (n,) galaxies; NaN if all truths are equal."""
    variance = float(np.var(truth))
    return 1 - float(np.mean(error**2)) / variance if variance > 0 else float("nan")
