"""Figures of merit of point estimates and of posterior samples against truth. Imports numpy only."""

from dataclasses import asdict, dataclass

import numpy as np

from fiberless.arrays import FloatArray

__all__ = ["Score", "coverage", "crps", "point_score", "posterior_score"]


@dataclass(frozen=True)
class Score:
    """How well one quantity is known.

    Parameters
    ----------
    n : galaxies with finite truth and estimate
    bias : median of estimate − truth
    scatter : 1.48 × median absolute deviation of estimate − truth
    r2 : 1 − Σ(estimate − truth)² / Σ(truth − mean)²
    coverage_68, coverage_95 : share of truths in the central intervals; None for point estimates
    crps : mean continuous ranked probability score; None for point estimates
    """

    n: int
    bias: float
    scatter: float
    r2: float
    coverage_68: float | None = None
    coverage_95: float | None = None
    crps: float | None = None

    def rounded(self) -> dict[str, float | int | None]:
        """Values with four decimals, for tables and JSON."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


def point_score(truth: FloatArray, estimate: FloatArray) -> Score:
    """Score of (N,) estimates; rows with NaN on either side are left out."""
    good = np.isfinite(truth) & np.isfinite(estimate)
    true, value = truth[good], estimate[good]
    error = value - true
    bias = float(np.median(error))
    scatter = float(1.4826 * np.median(np.abs(error - bias)))
    r2 = 1 - float(np.mean(error**2) / np.var(true))
    return Score(n=int(good.sum()), bias=bias, scatter=scatter, r2=r2)


def posterior_score(truth: FloatArray, samples: FloatArray) -> Score:
    """Score of (N, K) posterior samples: their median as the estimate, their quantiles as intervals."""
    good = np.isfinite(truth) & (np.isfinite(samples).mean(axis=1) > 0.5)
    filled = _fill(samples[good])
    point = point_score(truth[good], np.median(filled, axis=1))
    return Score(
        n=point.n,
        bias=point.bias,
        scatter=point.scatter,
        r2=point.r2,
        coverage_68=coverage(truth[good], filled, 0.68),
        coverage_95=coverage(truth[good], filled, 0.95),
        crps=crps(truth[good], filled),
    )


def coverage(truth: FloatArray, samples: FloatArray, level: float) -> float:
    """Share of (N,) truths inside the central interval of (N, K) samples, Weibull positions."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(samples, tails, axis=1, method="weibull")
    return float(np.mean((truth >= low) & (truth <= high)))


def crps(truth: FloatArray, samples: FloatArray) -> float:
    """Mean CRPS of (N, K) samples, the fair estimator E|x−y| − E|x−x'|/2 (Zamo & Naveau 2018, eq. 2.6)."""
    k = samples.shape[1]
    distance = np.abs(samples - truth[:, None]).mean(axis=1)
    ordered = np.sort(samples, axis=1)
    rank = 2 * np.arange(1, k + 1) - k - 1
    spread = (ordered * rank).sum(axis=1) / (k * (k - 1))
    return float(np.mean(distance - spread))


def _fill(samples: FloatArray) -> FloatArray:
    """Replace NaN samples by their row's median, which leaves the central intervals nearly as they are."""
    median = np.nanmedian(samples, axis=1, keepdims=True)
    return np.where(np.isfinite(samples), samples, median)
