"""Figures of merit of point estimates and of posterior samples against truth."""

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from fiberless.arrays import BoolArray, FloatArray, IntArray

__all__ = [
    "OUTLIER_SIGMA",
    "PhotoZ",
    "Score",
    "coverage",
    "crps",
    "crps_each",
    "photo_z",
    "point_score",
    "posterior_median",
    "posterior_score",
    "sample_quantiles",
    "usable",
]

OUTLIER_SIGMA: Final = 3.0
"""An error counts as an outlier beyond this many σ_NMAD from the bias."""
_PHOTO_Z_OUTLIER: Final = 0.05
_MAD_TO_SIGMA: Final = 1.4826
_RESAMPLES: Final = 200
_FEWEST_SAMPLES: Final = 10


@dataclass(frozen=True)
class Score:
    """How well one quantity is known.

    Parameters
    ----------
    n : galaxies with finite truth and estimate
    bias : median of estimate − truth
    scatter : σ_NMAD, 1.4826 × median absolute deviation of estimate − truth
    outliers : share with |error − bias| > 3 σ_NMAD; a Gaussian has 0.0027
    r2 : 1 − Σ(estimate − truth)² / Σ(truth − mean)²
    r2_error : its standard error, by bootstrap over galaxies
    r2_mean : the same of the samples' mean, the estimate of least squared error; None for point estimates
    r2_mean_error : its standard error, as `r2_error`
    coverage_68, coverage_95 : share of truths in the central intervals; None for point estimates
    coverage_68_error, coverage_95_error : their binomial standard errors
    crps : mean continuous ranked probability score; None for point estimates
    crps_error : its standard error
    """

    n: int
    bias: float
    scatter: float
    outliers: float
    r2: float
    r2_error: float
    r2_mean: float | None = None
    r2_mean_error: float | None = None
    coverage_68: float | None = None
    coverage_68_error: float | None = None
    coverage_95: float | None = None
    coverage_95_error: float | None = None
    crps: float | None = None
    crps_error: float | None = None

    def rounded(self) -> dict[str, float | int | None]:
        """Values with four decimals, for tables and JSON."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class PhotoZ:
    """Redshift errors in the units of photometric-redshift papers, Δ = (estimate − truth) / (1 + truth).

    Parameters
    ----------
    n : galaxies
    bias : mean of Δ
    sigma_mad : 1.4826 × median |Δ − median Δ|
    outliers : share of |Δ| > 0.05 (Pasquet et al. 2019, A&A 621, A26)
    """

    n: int
    bias: float
    sigma_mad: float
    outliers: float

    def rounded(self) -> dict[str, float]:
        """Values with five decimals."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


def point_score(truth: FloatArray, estimate: FloatArray) -> Score:
    """Score of (N,) estimates; rows with NaN on either side are left out."""
    good = np.isfinite(truth) & np.isfinite(estimate)
    true, value = truth[good], estimate[good]
    error = value - true
    bias = float(np.median(error))
    scatter = float(_MAD_TO_SIGMA * np.median(np.abs(error - bias)))
    return Score(
        n=int(good.sum()),
        bias=bias,
        scatter=scatter,
        outliers=float(np.mean(np.abs(error - bias) > OUTLIER_SIGMA * scatter)),
        r2=1 - float(np.mean(error**2) / np.var(true)),
        r2_error=_r2_error(true, error),
    )


def posterior_score(truth: FloatArray, samples: FloatArray) -> Score:
    """Score of (N, K) posterior samples: their median as the estimate, their quantiles as intervals.

    NaN samples say that the quantity does not exist for that candidate; rows with too few others (`usable`)
    are left out.
    """
    good = usable(truth, samples)
    true, drawn = truth[good], samples[good]
    point = point_score(true, posterior_median(drawn))
    average = point_score(true, np.nanmean(drawn, axis=1))
    each = crps_each(true, drawn)
    covers = {level: coverage(true, drawn, level) for level in (0.68, 0.95)}
    errors = {level: float(np.sqrt(p * (1 - p) / max(len(true), 1))) for level, p in covers.items()}
    return Score(
        **{name: getattr(point, name) for name in ("n", "bias", "scatter", "outliers", "r2", "r2_error")},
        r2_mean=average.r2,
        r2_mean_error=average.r2_error,
        coverage_68=covers[0.68],
        coverage_68_error=errors[0.68],
        coverage_95=covers[0.95],
        coverage_95_error=errors[0.95],
        crps=float(each.mean()),
        crps_error=float(each.std() / np.sqrt(max(len(true), 1))),
    )


def photo_z(truth: FloatArray, estimate: FloatArray) -> PhotoZ:
    """Score (N,) redshifts as photometric redshifts."""
    error = (estimate - truth) / (1 + truth)
    return PhotoZ(
        n=len(error),
        bias=float(error.mean()),
        sigma_mad=float(_MAD_TO_SIGMA * np.median(np.abs(error - np.median(error)))),
        outliers=float(np.mean(np.abs(error) > _PHOTO_Z_OUTLIER)),
    )


def usable(truth: FloatArray, samples: FloatArray) -> BoolArray:
    """Rows (N,) with a truth and at least half of the samples, or ten of them, finite."""
    enough = min(_FEWEST_SAMPLES, (samples.shape[1] + 1) // 2)
    kept: BoolArray = np.isfinite(truth) & (_count(samples) >= enough)
    return kept


def posterior_median(samples: FloatArray) -> FloatArray:
    """Median (N,) of the finite ones among (N, K) samples."""
    return sample_quantiles(samples, 0.5)


def sample_quantiles(samples: FloatArray, level: float) -> FloatArray:
    """Quantile (N,) of the finite ones among (N, K) samples, Weibull positions i / (K + 1)."""
    ordered, count = np.sort(samples, axis=1), _count(samples)
    position = np.clip(level * (count + 1) - 1, 0, np.maximum(count - 1, 0))
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    rows = np.arange(len(samples))
    low, high = ordered[rows, below], ordered[rows, above]
    quantile: FloatArray = low + (position - below) * (high - low)
    return quantile


def coverage(truth: FloatArray, samples: FloatArray, level: float) -> float:
    """Share of (N,) truths inside the central interval of (N, K) samples."""
    low, high = (sample_quantiles(samples, (1 + side * level) / 2) for side in (-1, 1))
    return float(np.mean((truth >= low) & (truth <= high)))


def crps(truth: FloatArray, samples: FloatArray) -> float:
    """Mean of `crps_each`."""
    return float(np.mean(crps_each(truth, samples)))


def crps_each(truth: FloatArray, samples: FloatArray) -> FloatArray:
    """CRPS (N,) of (N, K) samples, the fair estimator E|x−y| − E|x−x'|/2 (Zamo & Naveau 2018, eq. 2.6)."""
    k = _count(samples)
    distance = np.nansum(np.abs(samples - truth[:, None]), axis=1) / k
    ordered = np.sort(samples, axis=1)
    rank = 2 * np.arange(1, samples.shape[1] + 1) - k[:, None] - 1
    spread = np.nansum(ordered * rank, axis=1) / (k * (k - 1))
    each: FloatArray = distance - spread
    return each


def _count(samples: FloatArray) -> IntArray:
    count: IntArray = np.isfinite(samples).sum(axis=1)
    return count


def _r2_error(truth: FloatArray, error: FloatArray, *, seed: int = 0) -> float:
    """Bootstrap standard error of R²: galaxies drawn with replacement, `_RESAMPLES` times."""
    n = len(truth)
    rng = np.random.default_rng(seed)
    r2 = []
    for _ in range(_RESAMPLES):
        times = np.bincount(rng.integers(0, n, n), minlength=n)
        variance = float(times @ (truth - times @ truth / n) ** 2)
        if variance > 0:  # of two or three galaxies one may be drawn alone
            r2.append(1 - float(times @ error**2) / variance)
    return float(np.std(r2, ddof=1))
