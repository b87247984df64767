"""`representative`: the candidate that agrees best with the medians that are reported."""

from typing import Final

import numpy as np

from fiberless.arrays import FloatArray

__all__ = ["representative"]

_SIGMA_PER_MAD: Final = 1.4826


def representative(values: FloatArray) -> int:
    """Index of the candidate nearest to the median of each quantity, in units of the quantity's spread.

    A quantity that fewer than half of the candidates have, or in which most are equal, takes no part; in one
    that takes part, a candidate without a value is as far off as the farthest. Of equals, the first.

    Parameters
    ----------
    values : (K, Q) of K candidates; NaN where one cannot be measured

    Returns
    -------
    int
        0 … K − 1

    """
    known = np.isfinite(values).mean(axis=0) > 0.5
    if not known.any():
        return 0
    return int(_squared_distance(values[:, known]).sum(axis=1).argmin())


def _squared_distance(values: FloatArray) -> FloatArray:
    """Squared distance (K, Q) to the medians, in robust standard deviations; 0 where most agree."""
    away = np.abs(values - np.nanmedian(values, axis=0))
    spread = _SIGMA_PER_MAD * np.nanmedian(away, axis=0)
    scaled = np.divide(away, spread, out=np.zeros_like(away), where=spread > 0)
    squared: FloatArray = np.where(np.isfinite(scaled), scaled, np.nanmax(scaled, axis=0)) ** 2
    return squared
