"""Where real and simulated galaxies lie in colour: percentiles, medians at fixed g−r, conditional scatter.

Needs scikit-learn (extra `train`).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold, cross_val_predict

from fiberless.arrays import FloatArray
from fiberless.datasets.mock_report.photometry import COLOURS, Photometry
from fiberless.evaluation.sky.two_sample import LARGEST

__all__ = ["ColourLocus", "FixedColour", "colour_loci", "conditional_scatter", "fixed_colours"]

LEVELS: Final = (5, 25, 50, 75, 95)
LOCUS_REDSHIFTS: Final = (0.02, 0.05, 0.075, 0.10, 0.125, 0.15, 0.20, 0.25)
FIXED_G_R: Final = (0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95, 1.05)
_FEWEST: Final = 30
_G_R: Final = COLOURS.index("g-r")


@dataclass(frozen=True)
class ColourLocus:
    """Percentiles 5, 25, 50, 75, 95 of one colour in one bin of redshift, mag."""

    redshifts: tuple[float, float]
    colour: str
    n_mock: int
    n_real: int
    mock: tuple[float, ...]
    real: tuple[float, ...]


@dataclass(frozen=True)
class FixedColour:
    """Medians of one colour between two values of g−r, mag; `error` is that of the real median."""

    g_r: tuple[float, float]
    colour: str
    n_mock: int
    n_real: int
    mock: float
    real: float
    error: float

    @property
    def difference(self) -> float:
        """Mock minus real."""
        return self.mock - self.real


def colour_loci(mock: Photometry, real: Photometry) -> list[ColourLocus]:
    """Percentiles of the four colours by redshift; bins with fewer than 30 on a side are left out."""
    rows = []
    for edges in pairwise(LOCUS_REDSHIFTS):
        left, right = (s.take((s.redshift >= edges[0]) & (s.redshift < edges[1])) for s in (mock, real))
        if min(len(left), len(right)) < _FEWEST:
            continue
        of_mock, of_real = (np.percentile(s.colours, LEVELS, axis=0) for s in (left, right))
        for column, colour in enumerate(COLOURS):
            values = tuple(of_mock[:, column].tolist()), tuple(of_real[:, column].tolist())
            rows.append(ColourLocus(edges, colour, len(left), len(right), *values))
    return rows


def fixed_colours(mock: Photometry, real: Photometry) -> list[FixedColour]:
    """Medians of u−g, r−i and i−z in bins of g−r, 0.1 wide."""
    rows = []
    of_mock, of_real = mock.colours, real.colours
    for edges in pairwise(FIXED_G_R):
        left, right = (c[(c[:, _G_R] >= edges[0]) & (c[:, _G_R] < edges[1])] for c in (of_mock, of_real))
        if min(len(left), len(right)) < _FEWEST:
            continue
        for column, colour in enumerate(COLOURS):
            if column != _G_R:
                rows.append(_fixed(edges, colour, left[:, column], right[:, column]))
    return rows


def _fixed(edges: tuple[float, float], colour: str, mock: FloatArray, real: FloatArray) -> FixedColour:
    low, middle, high = np.percentile(real, [16, 50, 84])
    return FixedColour(
        g_r=edges,
        colour=colour,
        n_mock=len(mock),
        n_real=len(real),
        mock=float(np.median(mock)),
        real=float(middle),
        error=float(1.25 * (high - low) / 2 / np.sqrt(len(real))),
    )


def conditional_scatter(sample: Photometry, *, seed: int = 0) -> dict[str, float]:
    """σ_NMAD in mag of each colour about its expectation from r, z and the other three colours.

    The expectation is learnt by gradient boosting from four fifths and applied to the fifth, of at most
    `LARGEST` galaxies.
    """
    rng = np.random.default_rng(seed)
    chosen = sample.take(rng.permutation(len(sample))[:LARGEST])
    known = np.column_stack([chosen.r_mag, chosen.redshift])
    scatter = {}
    for column, colour in enumerate(COLOURS):
        given = np.column_stack([known, np.delete(chosen.colours, column, axis=1)])
        truth = chosen.colours[:, column]
        model = HistGradientBoostingRegressor(
            max_iter=120, learning_rate=0.06, max_leaf_nodes=12, min_samples_leaf=30, random_state=seed
        )
        folds = KFold(5, shuffle=True, random_state=seed)
        error = truth - cross_val_predict(model, given, truth, cv=folds)
        scatter[colour] = float(1.4826 * np.median(np.abs(error - np.median(error))))
    return scatter
