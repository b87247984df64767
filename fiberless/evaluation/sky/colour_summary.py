"""What the population is fitted to: percentiles of g−r by redshift, and the other colours at fixed g−r."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.datasets.mock_report.photometry import COLOURS, Photometry

__all__ = ["ColourSummary", "summarise", "weights_like"]

LEVELS: Final = (0.05, 0.16, 0.30, 0.50, 0.70, 0.84, 0.95)
_LEVEL_ERROR: Final = (2.1, 1.5, 1.3, 1.25, 1.2, 1.3, 2.1)
"""Standard error of a percentile of a normal distribution, in σ/√N."""
_REDSHIFTS: Final = (0.02, 0.05, 0.075, 0.10, 0.13, 0.25)
_HALVES: Final = (0.02, 0.085, 0.25)
_G_R: Final = (0.30, 0.45, 0.60, 0.75, 0.85, 0.95, 1.10)
_G_R_WIDTH: Final = 0.15
_FLOOR_MAG: Final = 0.003
_CELLS: Final = (8, 5)


@dataclass(frozen=True, eq=False)
class ColourSummary:
    """S numbers in mag with their sampling errors, 0.003 mag of the comparison's own in quadrature.

    Parameters
    ----------
    names : what each is
    values, errors : (S,)

    """

    names: tuple[str, ...]
    values: FloatArray
    errors: FloatArray


def summarise(sample: Photometry, weight: FloatArray | None = None) -> ColourSummary:
    """Summary of a sample, each galaxy with a weight (N,); by default one."""
    weight = np.ones(len(sample)) if weight is None else weight
    rows = [*_by_redshift(sample, weight), *_at_fixed_colour(sample, weight)]
    names, values, errors = zip(*rows, strict=True)
    return ColourSummary(tuple(names), np.array(values), np.hypot(np.array(errors), _FLOOR_MAG))


def weights_like(sample: Photometry, real: Photometry) -> FloatArray:
    """Weights that give a sample the distribution of (z, r) of another, in cells of equal numbers. (N,)"""
    edges = [
        np.quantile(values, np.linspace(0, 1, count + 1))
        for values, count in zip((real.redshift, real.r_mag), _CELLS, strict=True)
    ]
    for edge in edges:
        edge[[0, -1]] = -np.inf, np.inf
    cells = [_cells(part, edges) for part in (sample, real)]
    size = _CELLS[0] * _CELLS[1]
    have, wanted = (np.bincount(cell, minlength=size) for cell in cells)
    weight: FloatArray = (wanted / np.maximum(have, 1))[cells[0]]
    return weight


def _cells(sample: Photometry, edges: list[FloatArray]) -> IntArray:
    row, column = (
        np.searchsorted(edge, values, side="right") - 1
        for edge, values in zip(edges, (sample.redshift, sample.r_mag), strict=True)
    )
    return row * _CELLS[1] + column


def _by_redshift(sample: Photometry, weight: FloatArray) -> list[tuple[str, float, float]]:
    rows = []
    for low, high in pairwise(_REDSHIFTS):
        inside = _between(sample.redshift, low, high)
        values = _quantiles(sample.colours[inside, 1], weight[inside], LEVELS)
        spread = _G_R_WIDTH / np.sqrt(max(1, inside.sum()))
        for level, value, factor in zip(LEVELS, values, _LEVEL_ERROR, strict=True):
            rows.append((f"g-r {100 * level:.0f} % at z = {low}-{high}", float(value), factor * spread))
    return rows


def _at_fixed_colour(sample: Photometry, weight: FloatArray) -> list[tuple[str, float, float]]:
    rows = []
    colours = sample.colours
    for z_low, z_high in pairwise(_HALVES):
        near = _between(sample.redshift, z_low, z_high)
        for low, high in pairwise(_G_R):
            inside = near & _between(colours[:, 1], low, high)
            where = f"at g-r = {low}-{high}, z = {z_low}-{z_high}"
            for column in (0, 2, 3):
                few, middle, many = _quantiles(colours[inside, column], weight[inside], (0.16, 0.5, 0.84))
                width = float(many - few) / 2
                error = 1.25 * width / np.sqrt(max(1, inside.sum()))
                rows.append((f"{COLOURS[column]} median {where}", float(middle), error))
                rows.append((f"{COLOURS[column]} half-width {where}", width, error))
    return rows


def _between(values: FloatArray, low: float, high: float) -> BoolArray:
    inside: BoolArray = (values >= low) & (values < high)
    return inside


def _quantiles(values: FloatArray, weight: FloatArray, levels: tuple[float, ...]) -> FloatArray:
    """Weighted quantiles; NaN without values."""
    if len(values) == 0:
        return np.full(len(levels), np.nan)
    order = np.argsort(values)
    cumulative = np.cumsum(weight[order]) - weight[order] / 2
    return np.interp(np.array(levels) * weight.sum(), cumulative, values[order])
