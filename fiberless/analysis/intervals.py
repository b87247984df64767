"""Measurements of one spectrum from a value and its standard deviation."""

from typing import Final

import numpy as np

from fiberless.arrays import FloatArray, significant
from fiberless.contract.properties import Flag, Measurement

__all__ = ["LEVEL", "gaussian", "missing", "scatter", "with_error"]

LEVEL: Final = 0.68
_SIGMA_OF_LEVEL: Final = 0.994458


def gaussian(value: float, error: float, *, unit: str, method: str, flag: Flag = Flag.OK) -> Measurement:
    """Measurement with a symmetric interval; null and `out_of_band` if it is not finite."""
    if not np.isfinite(value + error):
        return missing(unit, Flag.OUT_OF_BAND, method=method)
    half = _SIGMA_OF_LEVEL * error
    lower, middle, upper = (float(v) for v in significant(np.array([value - half, value, value + half])))
    return Measurement(
        value=middle, lower=lower, upper=upper, level=LEVEL, unit=unit, flag=flag, method=method
    )


def with_error(values: dict[str, FloatArray], key: str, *, unit: str, method: str) -> Measurement:
    """Measurement of the first of `values[key]`, with its `…_error`."""
    return gaussian(float(values[key][0]), float(values[f"{key}_error"][0]), unit=unit, method=method)


def missing(unit: str, flag: Flag, *, method: str) -> Measurement:
    """Measurement without a number, and why."""
    return Measurement(value=None, lower=None, upper=None, level=LEVEL, unit=unit, flag=flag, method=method)


def scatter(values: FloatArray) -> float:
    """Standard deviation of the finite values of a sample; NaN if fewer than half are."""
    known = values[np.isfinite(values)]
    return float(np.std(known, ddof=1)) if known.size > max(values.size // 2, 1) else float("nan")
