"""Fluxes of emission lines: tied Gaussians fitted to continuum-subtracted spectra, many at once.

Imports numpy and scipy only.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple, Self

import numpy as np
from scipy.special import ndtr

from fiberless.analysis.continuum import FIT_EDGES_AA, FIT_WAVE_AA
from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.lines import NII_DOUBLET_RATIO, OIII_DOUBLET_RATIO, line
from fiberless.wavelength import LIGHT_SPEED_KMS

__all__ = ["FITTED_LINES", "OII_DOUBLET_RATIO", "EmissionFit", "LineValues", "group_middles_aa", "tied_lines"]

_SIGMA_KMS: Final = np.geomspace(45.0, 560.0, 28)
"""Observed dispersions that templates are made for. (S,)"""
_GAS_SIGMA_KMS: Final = np.geomspace(20.0, 450.0, 40)
"""Dispersions of the gas that are tried, the instrument's taken out. (G,)"""
_PRIOR_GAS_KMS: Final = 120.0
_PRIOR_WIDTH_LN: Final = 0.5
_PRIOR_LINE_SCATTER: Final = 1e5
_PRIOR_PEDESTAL_SCATTER: Final = 0.3
_MARGIN_KMS: Final = 3500.0
OII_DOUBLET_RATIO: Final = 1.3
"""[O II] 3730 / 3727 at 100 electrons per cm3; the doublet is not resolved here."""


class _Column(NamedTuple):
    """One fitted flux: the line that it is quoted for, and lines tied to it with their share of its flux."""

    name: str
    tied: tuple[tuple[str, float], ...] = ()


_KINEMATIC_GROUPS: Final = (
    (_Column("Hbeta"), _Column("OIII_5008", (("OIII_4960", 1 / OIII_DOUBLET_RATIO),))),
    (
        _Column("Halpha"),
        _Column("NII_6585", (("NII_6550", 1 / NII_DOUBLET_RATIO),)),
        _Column("SII_6718"),
        _Column("SII_6733"),
    ),
)
"""Groups of neighbours whose fit decides the dispersion of the gas."""
_GROUPS: Final = (
    *_KINEMATIC_GROUPS,
    (_Column("OII_3730", (("OII_3727", 1 / OII_DOUBLET_RATIO),)),),
    (_Column("NeIII_3870"), _Column("H8")),
    (_Column("Hepsilon"),),
    (_Column("Hdelta"),),
    (_Column("Hgamma"), _Column("OIII_4364")),
    (_Column("HeI_5877"),),
    (_Column("OI_6302"), _Column("OI_6365")),
)
FITTED_LINES: Final = tuple(column.name for group in _GROUPS for column in group)
"""Names of `fiberless.lines`, in the order of the last axis of all results. (J,)"""


@dataclass(frozen=True, eq=False)
class LineValues:
    """Fitted lines of N spectra, in the unit of the fitted flux, over rest-frame wavelengths.

    Parameters
    ----------
    flux : (N, J) integrals over rest-frame Å
    variance : (N, J) of `flux`, at the dispersion found
    pedestal : (N, J) level that the fit adds to the continuum at each line
    gas_sigma_kms : (N,) dispersion of the gas, the instrument's taken out
    gain : (N,) drop of χ² that the fit brings
    model : (N, P) the lines alone, on `FIT_WAVE_AA`

    """

    flux: FloatArray
    variance: FloatArray
    pedestal: FloatArray
    gas_sigma_kms: FloatArray
    gain: FloatArray
    model: FloatArray


@dataclass(frozen=True, eq=False)
class EmissionFit:
    """Weighted least squares of tied lines to N spectra, ready for several right-hand sides.

    All lines share the velocity and the dispersion of the gas; the instrument's dispersion is added at each
    group's own observed wavelength. Doublets with ratios set by atomic physics are one column. A level and a
    slope in each group take up what the stellar continuum misses there. The dispersion of the gas has a broad
    log-normal prior (120 km/s, 0.5 in ln), which matters only where hardly a line is seen.

    Parameters
    ----------
    groups : templates of the groups of neighbouring lines
    precision : (N, P) inverse variances on `FIT_WAVE_AA`, 0 where not valid
    measurable : (N, J) lines with data
    inverses : (N, S, m, m) a group, inverse normal matrices
    sigma_kms : (N, G) a group, observed dispersions that belong to `_GAS_SIGMA_KMS`

    """

    groups: tuple["_Group", ...]
    precision: FloatArray
    measurable: BoolArray
    inverses: tuple[FloatArray, ...]
    sigma_kms: tuple[FloatArray, ...]

    @classmethod
    def of(
        cls,
        precision: FloatArray,
        instrument_kms: FloatArray,
        *,
        measurable: BoolArray,
        velocity_kms: float = 0.0,
    ) -> Self:
        """Prepare the fit.

        Parameters
        ----------
        precision : (N, P) inverse variances on `FIT_WAVE_AA`, 0 where not valid
        instrument_kms : (N, groups) dispersion of instrument and pixels at `group_middles_aa()`
        measurable : (N, J) lines with data; the others are left out of `LineValues.model`
        velocity_kms : of all lines, against the redshift

        """
        groups = _groups(velocity_kms)
        inverses = tuple(group.inverse_normal(precision[:, group.window]) for group in groups)
        sigma_kms = tuple(np.hypot(_GAS_SIGMA_KMS, column[:, None]) for column in instrument_kms.T)
        return cls(groups, precision, measurable, inverses, sigma_kms)

    def lines(self, residual: FloatArray) -> LineValues:
        """Lines in continuum-subtracted spectra (N, P)."""
        solved = [
            group.solve(inverse, (self.precision * residual)[:, group.window])
            for group, inverse in zip(self.groups, self.inverses, strict=True)
        ]
        ln_gas, gain = self._best_gas(solved)
        model = np.zeros_like(residual)
        parts: list[tuple[FloatArray, FloatArray, FloatArray]] = []
        for group, solution, tried in zip(self.groups, solved, self.sigma_kms, strict=True):
            sigma = np.exp(_row_interpolation(np.log(_GAS_SIGMA_KMS), np.log(tried), ln_gas))
            place = _Place.of(np.log(sigma)[:, None])
            values = place.take(solution.values)[:, 0]
            first = sum(part[0].shape[1] for part in parts)
            known = self.measurable[:, first : first + len(group.pedestal)]
            model[:, group.window] += group.line_model(place, np.where(known, values[:, :-2], 0.0))
            variance = place.take(np.einsum("nsii->nsi", solution.inverse))[:, 0]
            parts.append((values[:, :-2], variance[:, :-2], values[:, -2:] @ group.pedestal.T))
        flux, variance, pedestal = (np.concatenate(items, axis=1) for items in zip(*parts, strict=True))
        return LineValues(flux, variance, pedestal, np.exp(ln_gas), gain, model)

    def _best_gas(self, solved: list["_Solved"]) -> tuple[FloatArray, FloatArray]:
        """Most probable ln of the gas dispersion (N,), and the χ² gained there (N,)."""
        gains = sum(
            _Place.of(np.log(tried)).take(solution.gain[..., None])[..., 0]
            for solution, tried, _ in zip(solved, self.sigma_kms, _KINEMATIC_GROUPS, strict=False)
        )
        ln_gas = np.log(_GAS_SIGMA_KMS)
        posterior = gains - ((ln_gas - np.log(_PRIOR_GAS_KMS)) / _PRIOR_WIDTH_LN) ** 2
        return _parabola_maximum(ln_gas, posterior), np.max(gains, axis=-1)


def tied_lines() -> dict[str, tuple[tuple[str, float], ...]]:
    """Lines that each flux of `FITTED_LINES` stands for, with their shares of it: doublets of fixed ratio."""
    return {column.name: ((column.name, 1.0), *column.tied) for group in _GROUPS for column in group}


def group_middles_aa() -> FloatArray:
    """Rest-frame wavelength of each group of lines, where the instrument's dispersion is needed."""
    return np.array([group.middle_aa for group in _groups(0.0)])


class _Solved(NamedTuple):
    """Least squares of one group at all dispersions: (N, S, m), (N, S, m, m), (N, S)."""

    values: FloatArray
    inverse: FloatArray
    gain: FloatArray


@dataclass(frozen=True, eq=False)
class _Group:
    """Templates of lines that are fitted together: m columns, the last two a level and a slope.

    Parameters
    ----------
    window : Q pixels of `FIT_WAVE_AA`
    middle_aa : where the instrument's dispersion is taken, rest frame
    templates : (S, Q, m) per rest-frame Å
    products : (Q, S m m) products of pairs of columns
    pedestal : (m - 2, 2) level and slope at the quoted lines

    """

    window: slice
    middle_aa: float
    templates: FloatArray
    products: FloatArray
    pedestal: FloatArray

    @property
    def _prior_precision(self) -> FloatArray:
        n_lines = len(self.pedestal)
        return np.repeat([_PRIOR_LINE_SCATTER**-2.0, _PRIOR_PEDESTAL_SCATTER**-2.0], [n_lines, 2])

    def inverse_normal(self, precision: FloatArray) -> FloatArray:
        """Inverse normal matrices (N, S, m, m) for inverse variances (N, Q)."""
        size, _, m = self.templates.shape
        normal = (precision @ self.products).reshape(-1, size, m, m) + np.diag(self._prior_precision)
        inverse: FloatArray = np.linalg.inv(normal)
        return inverse

    def solve(self, inverse: FloatArray, weighted: FloatArray) -> _Solved:
        """Least squares for residual × inverse variance (N, Q)."""
        size, _, m = self.templates.shape
        columns = self.templates.transpose(1, 0, 2).reshape(-1, size * m)
        moments = (weighted @ columns).reshape(-1, size, m)
        values = np.einsum("nsij,nsj->nsi", inverse, moments)
        return _Solved(values, inverse, np.einsum("nsi,nsi->ns", values, moments))

    def line_model(self, place: "_Place", values: FloatArray) -> FloatArray:
        """Sum (N, Q) of the lines with fluxes (N, m - 2), dispersions at `place` (N, 1)."""
        lines = self.templates[..., :-2]
        parts = np.einsum("nkqm,nm->nkq", lines[place.index[:, 0]], values)
        model: FloatArray = np.einsum("nk,nkq->nq", place.weight[:, 0], parts)
        return model


@dataclass(frozen=True, eq=False)
class _Place:
    """Three-point Lagrange interpolation in ln σ on `_SIGMA_KMS`: nodes and weights (N, G, 3)."""

    index: IntArray
    weight: FloatArray

    @classmethod
    def of(cls, ln_sigma: FloatArray) -> "_Place":
        first, step = np.log(_SIGMA_KMS[0]), np.log(_SIGMA_KMS[1] / _SIGMA_KMS[0])
        position = (ln_sigma - first) / step
        middle = np.clip(np.rint(position), 1, _SIGMA_KMS.size - 2).astype(np.intp)
        t = np.clip(position - middle, -1.0, 1.0)
        weight = np.stack([t * (t - 1) / 2, 1 - t**2, t * (t + 1) / 2], axis=-1)
        return cls(middle[..., None] + np.array([-1, 0, 1]), weight)

    def take(self, curves: FloatArray) -> FloatArray:
        """Values (N, G, m) of curves (N, S, m)."""
        rows = np.arange(len(curves))[:, None, None]
        values: FloatArray = np.einsum("ngk,ngkm->ngm", self.weight, curves[rows, self.index])
        return values


@lru_cache(maxsize=64)
def _groups(velocity_kms: float) -> tuple[_Group, ...]:
    return tuple(_make_group(group, 1 + velocity_kms / LIGHT_SPEED_KMS) for group in _GROUPS)


def _make_group(columns: tuple[_Column, ...], stretch: float) -> _Group:
    waves = np.array([line(column.name).wave_aa for column in columns]) * stretch
    tied = [line(name).wave_aa * stretch for column in columns for name, _ in column.tied]
    low, high = min([*waves, *tied]), max([*waves, *tied])
    margin = 1 + _MARGIN_KMS / LIGHT_SPEED_KMS
    window = slice(*np.searchsorted(FIT_WAVE_AA, [low / margin, high * margin]))
    middle, half = (low + high) / 2, (high * margin - low / margin) / 2
    slope = (FIT_WAVE_AA[window] - middle) / half
    level = np.stack([np.ones_like(slope), slope], axis=-1)
    templates = np.stack(
        [
            np.column_stack([*(_profile(column, sigma, stretch)[window] for column in columns), level])
            for sigma in _SIGMA_KMS
        ]
    )
    products = np.einsum("sqi,sqj->qsij", templates, templates).reshape(len(slope), -1)
    pedestal = np.stack([np.ones_like(waves), (waves - middle) / half], axis=-1)
    return _Group(window, float(middle), templates, products, pedestal)


def _profile(column: _Column, sigma_kms: float, stretch: float) -> FloatArray:
    """Pixel-averaged Gaussians (P,) of a column, of flux 1 in its quoted line."""
    parts = [
        share * np.diff(ndtr((FIT_EDGES_AA - wave) / (wave * sigma_kms / LIGHT_SPEED_KMS)))
        for name, share in ((column.name, 1.0), *column.tied)
        for wave in (line(name).wave_aa * stretch,)
    ]
    profile: FloatArray = np.sum(parts, axis=0) / np.diff(FIT_EDGES_AA)
    return profile


def _parabola_maximum(x: FloatArray, y: FloatArray) -> FloatArray:
    """Place (N,) of the maximum of each row of y (N, G) on even x (G,), refined by a parabola."""
    best = np.clip(np.argmax(y, axis=-1), 1, x.size - 2)
    left, middle, right = (y[np.arange(len(y)), best + k] for k in (-1, 0, 1))
    curvature = left - 2 * middle + right
    shift = np.divide((left - right) / 2, curvature, out=np.zeros_like(middle), where=curvature < 0)
    place: FloatArray = x[best] + (x[1] - x[0]) * np.clip(shift, -1.0, 1.0)
    return place


def _row_interpolation(x: FloatArray, rows: FloatArray, at: FloatArray) -> FloatArray:
    """Each row (N, G) of a function on even x (G,), linear at one place a row (N,)."""
    position = np.clip((at - x[0]) / (x[1] - x[0]), 0, x.size - 1)
    index = np.minimum(position.astype(np.intp), x.size - 2)
    n = np.arange(len(rows))
    value: FloatArray = rows[n, index] + (position - index) * (rows[n, index + 1] - rows[n, index])
    return value
