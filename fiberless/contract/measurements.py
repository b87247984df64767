"""The one place that makes a `Measurement`: of samples, or of a value and its standard deviation."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from fiberless.arrays import FloatArray, significant
from fiberless.contract.properties import INTERVAL_LEVEL, Flag, Measurement

__all__ = ["SIGMA_OF_LEVEL", "gaussian", "missing", "scatter", "summarise"]

SIGMA_OF_LEVEL: Final = 0.994458
"""Half the central interval of `INTERVAL_LEVEL` over the standard deviation of a normal distribution."""


def gaussian(value: float, error: float, *, unit: str, method: str, flag: Flag = Flag.OK) -> Measurement:
    """Measurement with a symmetric interval; null and `out_of_band` if it is not finite."""
    if not np.isfinite(value + error):
        return missing(unit, Flag.OUT_OF_BAND, method=method)
    half = SIGMA_OF_LEVEL * error
    lower, middle, upper = (float(v) for v in significant(np.array([value - half, value, value + half])))
    return Measurement(
        value=middle, lower=lower, upper=upper, level=INTERVAL_LEVEL, unit=unit, flag=flag, method=method
    )


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
    lower, value, upper = (float(v) for v in significant(np.quantile(good, tails, method="weibull")))
    return Measurement(
        value=value, lower=lower, upper=upper, level=level, unit=unit, flag=flag, method=method
    )
