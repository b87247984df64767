"""Whether a classifier can tell two samples of galaxies apart (Lopez-Paz & Oquab 2017, arXiv 1610.06545).

Gradient boosting, scored on galaxies that it did not learn from. Needs scikit-learn (extra `train`).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.stats import rankdata
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from fiberless.arrays import BoolArray, FloatArray
from fiberless.datasets.mock_report.photometry import Photometry

__all__ = ["LARGEST", "Separation", "area_under_curve", "auc_error", "features", "like_source", "separation"]

LARGEST: Final = 4000
"""Galaxies taken of each sample: AUC grows with their number, so that all figures have the same."""
_FOLDS: Final = 5
_CELLS: Final = 8


@dataclass(frozen=True)
class Separation:
    """AUC of a classifier between two samples: 0.5 if they are alike, 1 if they never overlap.

    Parameters
    ----------
    n : galaxies of each sample
    auc : area under the ROC curve of out-of-fold scores
    error : its standard error (Hanley & McNeil 1982, Radiology 143, 29)

    """

    n: int
    auc: float
    error: float


def features(sample: Photometry, *, colours_alone: bool = False) -> FloatArray:
    """What the classifier sees: (N, 6) r, four colours and z, or (N, 4) colours."""
    if colours_alone:
        return sample.colours
    return np.column_stack([sample.r_mag, sample.colours, sample.redshift])


def separation(first: FloatArray, second: FloatArray, *, seed: int = 0) -> Separation:
    """How far two samples, (N, F) and (M, F), can be told apart.

    Of both as many are taken as the smaller one has, at most `LARGEST`, drawn at random.
    """
    rng = np.random.default_rng(seed)
    n = min(len(first), len(second), LARGEST)
    rows = [sample[rng.permutation(len(sample))[:n]] for sample in (first, second)]
    is_second = np.repeat([False, True], n)
    model = HistGradientBoostingClassifier(
        max_iter=300, learning_rate=0.06, max_leaf_nodes=12, min_samples_leaf=40, random_state=seed
    )
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    chance = cross_val_predict(model, np.concatenate(rows), is_second, cv=folds, method="predict_proba")
    auc = area_under_curve(chance[:, 1], is_second)
    return Separation(n=n, auc=auc, error=auc_error(auc, n, n))


def area_under_curve(score: FloatArray, positive: BoolArray) -> float:
    """Chance that a positive scores higher than a negative, ties half: Mann & Whitney's U, scaled."""
    ranks = rankdata(score)
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    above = ranks[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def auc_error(auc: float, n_positive: int, n_negative: int) -> float:
    """Standard error of an area under the curve (Hanley & McNeil 1982, Radiology 143, 29)."""
    both, pair = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (n_positive - 1) * (both - auc**2) + (n_negative - 1) * (pair - auc**2)
    return float(np.sqrt(variance / (n_positive * n_negative)))


def like_source(mock: Photometry, real: Photometry, *, seed: int = 0) -> Photometry:
    """Simulated galaxies thinned to the distribution of (r, z) of a real sample.

    The plane is cut into 8 × 8 cells that hold equally many real galaxies: bins of r, and of z in each. Of
    every cell equal shares of its real number are drawn without replacement, the largest share (at most one)
    that leaves nineteen of twenty cells enough; the rest give what they have.
    """
    cells = _equal_cells(real)
    members = [np.flatnonzero(_inside(mock, cell)) for cell in cells]
    wanted = np.array([_inside(real, cell).sum() for cell in cells])
    have = np.array([len(rows) for rows in members])
    share = min(1.0, float(np.quantile(have / np.maximum(wanted, 1), 0.05)))
    rng = np.random.default_rng(seed)
    counts = np.minimum(np.round(share * wanted).astype(int), have)
    drawn = [rng.permutation(rows)[:count] for rows, count in zip(members, counts, strict=True)]
    return mock.take(np.concatenate(drawn))


_Cell = tuple[tuple[float, float], tuple[float, float]]


def _equal_cells(sample: Photometry) -> list[_Cell]:
    cells: list[_Cell] = []
    for r_range in pairwise(np.quantile(sample.r_mag, np.linspace(0, 1, _CELLS + 1)).tolist()):
        inside = (sample.r_mag >= r_range[0]) & (sample.r_mag <= r_range[1])
        edges = np.quantile(sample.redshift[inside], np.linspace(0, 1, _CELLS + 1)).tolist()
        cells += [(r_range, z_range) for z_range in pairwise(edges)]
    return cells


def _inside(sample: Photometry, cell: _Cell) -> BoolArray:
    (r_low, r_high), (z_low, z_high) = cell
    in_r = (sample.r_mag >= r_low) & (sample.r_mag < r_high)
    inside: BoolArray = in_r & (sample.redshift >= z_low) & (sample.redshift < z_high)
    return inside
