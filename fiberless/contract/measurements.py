"""The one place that makes a `Measurement`: of samples, or of a value and its standard deviation."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from fiberless.arrays import FloatArray, significant
from fiberless.contract.properties import INTERVAL_LEVEL, Flag, Measurement

__all__ = ["SIGMA_OF_LEVEL", "between", "gaussian", "given", "missing", "scatter", "summarise", "upper_limit"]

SIGMA_OF_LEVEL: Final = 0.994458
"""Half the central interval of `INTERVAL_LEVEL` over the standard deviation of a normal distribution."""


def gaussian(value: float, error: float, *, unit: str, method: str, flag: Flag = Flag.OK) -> Measurement:
    """Measurement with a symmetric interval; null and `out_of_band` if it is not finite."""
    if not np.isfinite(value + error):
        return missing(unit, Flag.OUT_OF_BAND, method=method)
    half = SIGMA_OF_LEVEL * error
    return between(value - half, value, value + half, unit=unit, method=method, flag=flag)


def between(
    lower: float,
    value: float,
    upper: float,
    *,
    unit: str,
    method: str,
    level: float = INTERVAL_LEVEL,
    flag: Flag = Flag.OK,
) -> Measurement:
    """Measurement whose interval is known already; three finite numbers, rounded here."""
    low, middle, high = (float(v) for v in significant(np.array([lower, value, upper])))
    return Measurement(value=middle, lower=low, upper=high, level=level, unit=unit, flag=flag, method=method)


def upper_limit(upper: float, *, unit: str, method: str, level: float) -> Measurement:
    """What is between 0 and a limit with the probability `level`: no value, `not_detected`."""
    limit = float(significant(np.array(upper)))
    return Measurement(
        value=None, lower=0.0, upper=limit, level=level, unit=unit, flag=Flag.NOT_DETECTED, method=method
    )


def given(value: float, *, unit: str) -> Measurement:
    """What the caller said: a value as it is, without an interval."""
    return Measurement(value=value, lower=None, upper=None, unit=unit, method="given by the caller")


def missing(unit: str, flag: Flag, *, method: str, level: float = INTERVAL_LEVEL) -> Measurement:
    """Measurement without a number, and why."""
    return Measurement(value=None, lower=None, upper=None, level=level, unit=unit, flag=flag, method=method)


def scatter(values: FloatArray) -> float:
    """Standard deviation of the finite values of a sample; NaN if fewer than half are."""
    known = values[np.isfinite(values)]
    return float(np.std(known, ddof=1)) if known.size > max(values.size // 2, 1) else float("nan")


def summarise(
    samples: Sequence[float] | FloatArray,
    *,
    unit: str,
    method: str,
    level: float = INTERVAL_LEVEL,
    flag: Flag = Flag.OK,
) -> Measurement:
    """Posterior median and central interval of per-candidate values.

    Parameters
    ----------
    samples : (K,) one value a candidate; NaN where that candidate cannot be measured.
        If more than half are NaN, the quantity is reported as null with the flag `out_of_band`.

    """
    values = np.asarray(samples, dtype=np.float64)
    good = values[np.isfinite(values)]
    if good.size * 2 < values.size or good.size == 0:
        reason = Flag.OUT_OF_BAND if flag is Flag.OK else flag
        return missing(unit, reason, method=method, level=level)
    tails = [(1 - level) / 2, 0.5, (1 + level) / 2]
    # Weibull positions i/(K+1): a new draw falls inside with the stated probability, whatever K
    lower, value, upper = np.quantile(good, tails, method="weibull")
    return between(lower, value, upper, unit=unit, method=method, level=level, flag=flag)
