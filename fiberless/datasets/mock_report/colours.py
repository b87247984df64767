"""Colours of the simulated galaxies against the real ones: medians, widths, distances, verdicts."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.stats import ks_2samp, wasserstein_distance

from fiberless.arrays import BoolArray, FloatArray
from fiberless.datasets.mock_report.photometry import COLOURS, Photometry

__all__ = [
    "ColourRow",
    "FixedColourRow",
    "SurveyColours",
    "compare_colours",
]

_REDSHIFT_EDGES: Final = (0.05, 0.08, 0.11, 0.15)
_G_R_EDGES: Final = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_MEDIAN_TOLERANCE_MAG: Final = {"u-g": 0.06, "g-r": 0.03, "r-i": 0.03, "i-z": 0.03}
_WIDTH_TOLERANCE: Final = {"u-g": 0.25, "g-r": 0.15, "r-i": 0.15, "i-z": 0.15}
FIXED_TOLERANCE_MAG: Final = {"u-g": 0.05, "r-i": 0.02, "i-z": 0.02}
_LEAST: Final = 20
"""Galaxies that a median needs on either side."""


@dataclass(frozen=True)
class ColourRow:
    """One quantity of both surveys in one redshift bin.

    Medians and half-widths of the central 68 % in the unit of the quantity; `mock_error` and `real_error`
    are the standard errors of the medians. Tolerances are None where nothing is demanded.
    """

    redshifts: tuple[float, float]
    name: str
    n_mock: int
    n_real: int
    mock_median: float
    real_median: float
    mock_error: float
    real_error: float
    mock_width: float
    real_width: float
    ks: float
    wasserstein: float
    median_tolerance: float | None = None
    width_tolerance: float | None = None

    @property
    def difference(self) -> float:
        """Mock minus real."""
        return self.mock_median - self.real_median

    @property
    def width_ratio(self) -> float:
        """Mock over real."""
        return self.mock_width / self.real_width

    @property
    def median_passes(self) -> bool:
        """Whether the medians agree as demanded."""
        return self.median_tolerance is None or abs(self.difference) <= self.median_tolerance

    @property
    def width_passes(self) -> bool:
        """Whether the widths agree as demanded."""
        return self.width_tolerance is None or abs(self.width_ratio - 1) <= self.width_tolerance


@dataclass(frozen=True)
class FixedColourRow:
    """Median of one colour among galaxies of one g−r and redshift, in both surveys, mag."""

    redshifts: tuple[float, float]
    g_r: tuple[float, float]
    name: str
    n_mock: int
    n_real: int
    mock_median: float
    real_median: float
    real_error: float
    tolerance: float

    @property
    def difference(self) -> float:
        """Mock minus real."""
        return self.mock_median - self.real_median

    @property
    def passes(self) -> bool:
        """Whether the medians agree as demanded."""
        return abs(self.difference) <= self.tolerance


@dataclass(frozen=True)
class SurveyColours:
    """The whole comparison: colours, r and z in redshift bins, and colours at fixed g−r."""

    binned: tuple[ColourRow, ...]
    fixed: tuple[FixedColourRow, ...]
    fixed_binned: tuple[FixedColourRow, ...]

    @property
    def passes(self) -> bool:
        """Whether every demand is met."""
        binned = all(row.median_passes and row.width_passes for row in self.binned)
        return binned and all(row.passes for row in self.fixed)


def compare_colours(mock: Photometry, real: Photometry) -> SurveyColours:
    """Compare two samples, both cut by `Photometry.main_sample` and with catalogue errors.

    Bins with fewer than 20 galaxies on either side are left out.
    """
    whole = (_REDSHIFT_EDGES[0], _REDSHIFT_EDGES[-1])
    bins = list(pairwise(_REDSHIFT_EDGES))
    binned = [row for edges in bins for row in _binned(mock, real, edges)]
    return SurveyColours(
        binned=(*binned, *_whole_rows(mock, real, whole)),
        fixed=tuple(_fixed(mock, real, whole)),
        fixed_binned=tuple(row for edges in bins for row in _fixed(mock, real, edges)),
    )


def _binned(mock: Photometry, real: Photometry, edges: tuple[float, float]) -> list[ColourRow]:
    of_mock, of_real = (sample.take(_between(sample.redshift, edges)) for sample in (mock, real))
    if min(len(of_mock), len(of_real)) < _LEAST:
        return []
    colours = [
        _row(
            edges,
            name,
            of_mock.colours[:, column],
            of_real.colours[:, column],
            tolerances=(_MEDIAN_TOLERANCE_MAG[name], _WIDTH_TOLERANCE[name]),
        )
        for column, name in enumerate(COLOURS)
    ]
    return [*colours, _row(edges, "r", of_mock.r_mag, of_real.r_mag)]


def _whole_rows(mock: Photometry, real: Photometry, edges: tuple[float, float]) -> list[ColourRow]:
    if min(len(mock), len(real)) < _LEAST:
        return []
    return [
        _row(edges, "z", mock.redshift, real.redshift),
        _row(edges, "r", mock.r_mag, real.r_mag),
    ]


def _row(
    edges: tuple[float, float],
    name: str,
    mock: FloatArray,
    real: FloatArray,
    *,
    tolerances: tuple[float | None, float | None] = (None, None),
) -> ColourRow:
    (mock_median, mock_width), (real_median, real_width) = _summary(mock), _summary(real)
    return ColourRow(
        redshifts=edges,
        name=name,
        n_mock=len(mock),
        n_real=len(real),
        mock_median=mock_median,
        real_median=real_median,
        mock_error=1.25 * mock_width / np.sqrt(len(mock)),
        real_error=1.25 * real_width / np.sqrt(len(real)),
        mock_width=mock_width,
        real_width=real_width,
        ks=float(ks_2samp(mock, real).statistic),
        wasserstein=float(wasserstein_distance(mock, real)),
        median_tolerance=tolerances[0],
        width_tolerance=tolerances[1],
    )


def _fixed(mock: Photometry, real: Photometry, edges: tuple[float, float]) -> list[FixedColourRow]:
    of_mock, of_real = (sample.take(_between(sample.redshift, edges)) for sample in (mock, real))
    rows = []
    for interval in pairwise(_G_R_EDGES):
        left, right = (_at_g_r(sample, interval) for sample in (of_mock, of_real))
        if min(len(left), len(right)) < _LEAST:
            continue
        for name, tolerance in FIXED_TOLERANCE_MAG.items():
            column = COLOURS.index(name)
            rows.append(_fixed_row(edges, interval, name, left[:, column], right[:, column], tolerance))
    return rows


def _at_g_r(sample: Photometry, interval: tuple[float, float]) -> FloatArray:
    colours = sample.colours
    return colours[_between(colours[:, COLOURS.index("g-r")], interval)]


def _fixed_row(
    edges: tuple[float, float],
    interval: tuple[float, float],
    name: str,
    mock: FloatArray,
    real: FloatArray,
    tolerance: float,
) -> FixedColourRow:
    (mock_median, _), (real_median, real_width) = _summary(mock), _summary(real)
    return FixedColourRow(
        redshifts=edges,
        g_r=interval,
        name=name,
        n_mock=len(mock),
        n_real=len(real),
        mock_median=mock_median,
        real_median=real_median,
        real_error=1.25 * real_width / np.sqrt(len(real)),
        tolerance=tolerance,
    )


def _summary(values: FloatArray) -> tuple[float, float]:
    """Median and half the width of the central 68 %."""
    low, middle, high = np.quantile(values, [0.16, 0.5, 0.84])
    return float(middle), float(high - low) / 2


def _between(values: FloatArray, edges: tuple[float, float]) -> BoolArray:
    inside: BoolArray = (values > edges[0]) & (values <= edges[1])
    return inside
