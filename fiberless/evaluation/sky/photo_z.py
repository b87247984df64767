"""Photometric redshifts of real galaxies, learnt on simulated ones and, beside it, on real ones.

Gradient boosting on r and the four colours (Friedman 2001, Ann. Stat. 29, 1189): medians and quantiles by
the pinball loss. Needs scikit-learn (extra `train`).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold

from fiberless.arrays import BoolArray, FloatArray
from fiberless.datasets.mock_report.photometry import Photometry
from fiberless.evaluation.metrics import photo_z

__all__ = ["INNER_REDSHIFTS", "QUANTILES", "RedshiftScore", "learn", "learn_across", "score"]

QUANTILES: Final = (0.025, 0.16, 0.5, 0.84, 0.975)
INNER_REDSHIFTS: Final = (0.05, 0.15)
_INTERVALS: Final = ((1, 3), (0, 4))
_LARGEST: Final = 20_000
_FOLDS: Final = 5


@dataclass(frozen=True)
class RedshiftScore:
    """Photometric redshifts against spectroscopic ones, Δ = (estimate − truth) / (1 + truth).

    Parameters
    ----------
    n : galaxies
    bias : mean of Δ
    sigma_nmad : 1.4826 × median |Δ − median Δ|
    outliers : share of |Δ| > 0.05
    coverage_68, coverage_95 : share of truths between the quantiles 0.16 and 0.84, 0.025 and 0.975

    """

    n: int
    bias: float
    sigma_nmad: float
    outliers: float
    coverage_68: float
    coverage_95: float


def learn(train: Photometry, test: Photometry, *, seed: int = 0) -> FloatArray:
    """Quantiles of the redshift of each test galaxy. (N, 5)

    Three quarters of the training galaxies, at most 20,000 in all, teach the quantiles; the rest widen or
    narrow both intervals until they cover what they should there (Romano, Patterson & Candès 2019,
    arXiv 1905.03222), so that a wrong coverage of other galaxies is not the regression's own.
    """
    rows = np.random.default_rng(seed).permutation(len(train))[:_LARGEST]
    kept, seen = train.take(rows[: len(rows) // 4]), train.take(rows[len(rows) // 4 :])
    models = [_model(level, seed).fit(_features(seen), seen.redshift) for level in QUANTILES]
    at_kept, at_test = (
        np.stack([model.predict(_features(sample)) for model in models], axis=1) for sample in (kept, test)
    )
    for low, high in _INTERVALS:
        short = np.maximum(at_kept[:, low] - kept.redshift, kept.redshift - at_kept[:, high])
        width = np.quantile(short, QUANTILES[high] - QUANTILES[low])
        at_test[:, low] -= width
        at_test[:, high] += width
    return at_test


def learn_across(sample: Photometry, *, seed: int = 0) -> FloatArray:
    """Quantiles of the redshift of each galaxy, learnt from the other four fifths of its sample. (N, 5)"""
    quantiles = np.empty((len(sample), len(QUANTILES)))
    for train, test in KFold(_FOLDS, shuffle=True, random_state=seed).split(sample.redshift):
        quantiles[test] = learn(sample.take(train), sample.take(test), seed=seed)
    return quantiles


def score(redshift: FloatArray, quantiles: FloatArray, rows: BoolArray | None = None) -> RedshiftScore:
    """Score the quantiles (N, 5) of the redshifts (N,), of some rows if asked for."""
    if rows is not None:
        redshift, quantiles = redshift[rows], quantiles[rows]
    point = photo_z(redshift, quantiles[:, QUANTILES.index(0.5)])
    return RedshiftScore(
        n=point.n,
        bias=point.bias,
        sigma_nmad=point.sigma_mad,
        outliers=point.outliers,
        coverage_68=_covered(redshift, quantiles[:, 1], quantiles[:, 3]),
        coverage_95=_covered(redshift, quantiles[:, 0], quantiles[:, 4]),
    )


def _covered(truth: FloatArray, low: FloatArray, high: FloatArray) -> float:
    return float(np.mean((truth >= low) & (truth <= high)))


def _features(sample: Photometry) -> FloatArray:
    return np.column_stack([sample.r_mag, sample.colours])


def _model(level: float, seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        loss="quantile",
        quantile=level,
        max_iter=200,
        learning_rate=0.06,
        max_leaf_nodes=12,
        min_samples_leaf=50,
        random_state=seed,
    )
