"""Templates of emission lines: what is fitted together, tied doublets, and least squares of one group."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from scipy.special import ndtr

from fiberless.analysis.lines.continuum import FIT_EDGES_AA, FIT_WAVE_AA
from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.astro.lines import HELIUM_SHARES, NII_DOUBLET_RATIO, OIII_DOUBLET_RATIO, line
from fiberless.astro.wavelength import LIGHT_SPEED_KMS

__all__ = [
    "FITTED_LINES",
    "KINEMATIC_GROUPS",
    "OII_DOUBLET_RATIO",
    "SIGMA_KMS",
    "VELOCITY_STEP_KMS",
    "Follower",
    "LineGroup",
    "SigmaInterpolation",
    "Solved",
    "beside_minor_lines",
    "group_middles_aa",
    "group_numbers",
    "line_groups",
    "tied_lines",
]

SIGMA_KMS: Final = np.geomspace(45.0, 560.0, 28)
"""Observed dispersions that templates are made for. (S,)"""
VELOCITY_STEP_KMS: Final = 20.0
"""Velocities of the gas are tried in whole steps of this: `line_groups` keeps their templates."""
_PRIOR_LINE_SCATTER: Final = 1e5
_PRIOR_PEDESTAL_SCATTER: Final = 0.3
_MARGIN_KMS: Final = 3500.0
OII_DOUBLET_RATIO: Final = 1.3
"""[O II] 3730 / 3727 at 100 electrons per cm3; the doublet is not resolved here."""


_FOLLOWING_HELIUM: Final = tuple((name, HELIUM_SHARES[name]) for name in ("HeI_4473", "HeI_6680"))
_LEFT_OUT_HALF_WIDTH_KMS: Final = 400.0


class _FittedLine(NamedTuple):
    """One fitted flux.

    Parameters
    ----------
    name : the line that it is quoted for
    tied : lines fitted with it, and their share of its flux
    followers : lines elsewhere that are in the model with that share of its flux, and decide nothing

    """

    name: str
    tied: tuple[tuple[str, float], ...] = ()
    followers: tuple[tuple[str, float], ...] = ()


KINEMATIC_GROUPS: Final = (
    (_FittedLine("Hbeta"), _FittedLine("OIII_5008", (("OIII_4960", 1 / OIII_DOUBLET_RATIO),))),
    (
        _FittedLine("Halpha"),
        _FittedLine("NII_6585", (("NII_6550", 1 / NII_DOUBLET_RATIO),)),
        _FittedLine("SII_6718"),
        _FittedLine("SII_6733"),
    ),
)
"""Groups of neighbours whose fit decides the dispersion of the gas."""
_GROUPS: Final = (
    *KINEMATIC_GROUPS,
    (_FittedLine("OII_3730", (("OII_3727", 1 / OII_DOUBLET_RATIO),)),),
    (_FittedLine("NeIII_3870"), _FittedLine("H8")),
    (_FittedLine("Hepsilon"),),
    (_FittedLine("Hdelta"),),
    (_FittedLine("Hgamma"), _FittedLine("OIII_4364")),
    (_FittedLine("HeI_5877", followers=_FOLLOWING_HELIUM),),
    (_FittedLine("OI_6302"), _FittedLine("SIII_6314"), _FittedLine("OI_6365")),
    (_FittedLine("HeII_4687"),),
    (_FittedLine("NI_5201"),),
)
FITTED_LINES: Final = tuple(column.name for group in _GROUPS for column in group)
"""Names of `fiberless.astro.lines`, in the order of the last axis of all results. (J,)"""


def tied_lines() -> dict[str, tuple[tuple[str, float], ...]]:
    """Lines that each flux of `FITTED_LINES` stands for, with their shares of it: doublets of fixed ratio."""
    return {column.name: ((column.name, 1.0), *column.tied) for group in _GROUPS for column in group}


def group_middles_aa() -> FloatArray:
    """Rest-frame wavelength of each group of lines, where the instrument's dispersion is needed."""
    return np.array([group.middle_aa for group in line_groups(0.0)])


def group_numbers() -> IntArray:
    """Group (J,) of each of `FITTED_LINES`, a place in `group_middles_aa`."""
    return np.repeat(np.arange(len(_GROUPS)), [len(group) for group in _GROUPS])


def beside_minor_lines() -> BoolArray:
    """Pixels (P,) of `FIT_WAVE_AA` that the fit of lines may use: not those of He I 6680, beside [S II].

    Unfitted it would raise the level that is fitted under its neighbours.
    """
    distance = np.abs(np.log(FIT_WAVE_AA / line("HeI_6680").wave_aa)) * LIGHT_SPEED_KMS
    usable: BoolArray = distance > _LEFT_OUT_HALF_WIDTH_KMS
    return usable


class Follower(NamedTuple):
    """A line that follows a fitted one: number of that column, pixels, profiles (S, Q) for its flux of 1."""

    column: int
    window: slice
    profiles: FloatArray

    def model(self, place: "SigmaInterpolation", flux: FloatArray) -> FloatArray:
        """Line (N, Q) for fluxes (N,) of the fitted one, dispersions at `place` (N, 1)."""
        profile = np.einsum("nk,nkq->nq", place.weight[:, 0], self.profiles[place.index[:, 0]])
        model: FloatArray = flux[:, None] * profile
        return model


class Solved(NamedTuple):
    """Least squares of one group at all dispersions: (N, S, m), (N, S, m, m), (N, S)."""

    values: FloatArray
    inverse: FloatArray
    gain: FloatArray


@dataclass(frozen=True, eq=False)
class LineGroup:
    """Templates of lines that are fitted together: m columns, the last two a level and a slope.

    Parameters
    ----------
    window : Q pixels of `FIT_WAVE_AA`
    middle_aa : where the instrument's dispersion is taken, rest frame
    templates : (S, Q, m) per rest-frame Å
    products : (Q, S m m) products of pairs of columns
    pedestal : (m - 2, 2) level and slope at the quoted lines
    followers : lines elsewhere that go with the columns

    """

    window: slice
    middle_aa: float
    templates: FloatArray
    products: FloatArray
    pedestal: FloatArray
    followers: tuple[Follower, ...]

    @property
    def prior_precision(self) -> FloatArray:
        """Of fluxes, level and slope (m,), about zero."""
        n_lines = len(self.pedestal)
        return np.repeat([_PRIOR_LINE_SCATTER**-2.0, _PRIOR_PEDESTAL_SCATTER**-2.0], [n_lines, 2])

    def inverse_normal(self, precision: FloatArray) -> FloatArray:
        """Inverse normal matrices (N, S, m, m) for inverse variances (N, Q)."""
        size, _, m = self.templates.shape
        normal = (precision @ self.products).reshape(-1, size, m, m) + np.diag(self.prior_precision)
        inverse: FloatArray = np.linalg.inv(normal)
        return inverse

    def solve(self, inverse: FloatArray, weighted: FloatArray) -> Solved:
        """Least squares for residual × inverse variance (N, Q)."""
        size, _, m = self.templates.shape
        columns = self.templates.transpose(1, 0, 2).reshape(-1, size * m)
        moments = (weighted @ columns).reshape(-1, size, m)
        values = np.einsum("nsij,nsj->nsi", inverse, moments)
        return Solved(values, inverse, np.einsum("nsi,nsi->ns", values, moments))

    def profiles(self, place: "SigmaInterpolation") -> FloatArray:
        """Lines (N, Q, m - 2) of flux 1, dispersions at `place` (N, 1)."""
        lines, near = self.templates[..., :-2], (place.weight[:, 0].T, place.index[:, 0].T)
        found: FloatArray = np.sum(
            [weight[:, None, None] * lines[index] for weight, index in zip(*near, strict=True)], axis=0
        )
        return found

    def line_model(self, place: "SigmaInterpolation", values: FloatArray) -> FloatArray:
        """Sum (N, Q) of the lines with fluxes (N, m - 2), dispersions at `place` (N, 1)."""
        lines = self.templates[..., :-2]
        parts = np.einsum("nkqm,nm->nkq", lines[place.index[:, 0]], values)
        model: FloatArray = np.einsum("nk,nkq->nq", place.weight[:, 0], parts)
        return model


@dataclass(frozen=True, eq=False)
class SigmaInterpolation:
    """Three-point Lagrange interpolation in ln σ on `SIGMA_KMS`: nodes and weights (N, G, 3)."""

    index: IntArray
    weight: FloatArray

    @classmethod
    def of(cls, ln_sigma: FloatArray) -> "SigmaInterpolation":
        """Nodes and weights for ln of dispersions (N, G)."""
        first, step = np.log(SIGMA_KMS[0]), np.log(SIGMA_KMS[1] / SIGMA_KMS[0])
        position = (ln_sigma - first) / step
        middle = np.clip(np.rint(position), 1, SIGMA_KMS.size - 2).astype(np.intp)
        t = np.clip(position - middle, -1.0, 1.0)
        weight = np.stack([t * (t - 1) / 2, 1 - t**2, t * (t + 1) / 2], axis=-1)
        return cls(middle[..., None] + np.array([-1, 0, 1]), weight)

    def take(self, curves: FloatArray) -> FloatArray:
        """Values (N, G, m) of curves (N, S, m)."""
        rows = np.arange(len(curves))[:, None, None]
        values: FloatArray = np.einsum("ngk,ngkm->ngm", self.weight, curves[rows, self.index])
        return values


@lru_cache(maxsize=64)
def line_groups(velocity_kms: float) -> tuple[LineGroup, ...]:
    """Templates of all groups at a velocity of the gas, those that decide its dispersion first."""
    return tuple(_make_group(group, 1 + velocity_kms / LIGHT_SPEED_KMS) for group in _GROUPS)


def _make_group(columns: tuple[_FittedLine, ...], stretch: float) -> LineGroup:
    waves = np.array([line(column.name).wave_aa for column in columns]) * stretch
    tied = [line(name).wave_aa * stretch for column in columns for name, _ in column.tied]
    low, high = min([*waves, *tied]), max([*waves, *tied])
    window = _window(low, high)
    middle, half = (low + high) / 2, float(np.ptp(FIT_WAVE_AA[window])) / 2
    slope = (FIT_WAVE_AA[window] - middle) / half
    level = np.stack([np.ones_like(slope), slope], axis=-1)
    templates = np.stack(
        [
            np.column_stack([*(_profile(column, sigma, stretch)[window] for column in columns), level])
            for sigma in SIGMA_KMS
        ]
    )
    products = np.einsum("sqi,sqj->qsij", templates, templates).reshape(len(slope), -1)
    pedestal = np.stack([np.ones_like(waves), (waves - middle) / half], axis=-1)
    return LineGroup(window, float(middle), templates, products, pedestal, _followers(columns, stretch))


def _window(low_aa: float, high_aa: float) -> slice:
    margin = 1 + _MARGIN_KMS / LIGHT_SPEED_KMS
    return slice(*np.searchsorted(FIT_WAVE_AA, [low_aa / margin, high_aa * margin]))


def _followers(columns: tuple[_FittedLine, ...], stretch: float) -> tuple[Follower, ...]:
    found = []
    for number, column in enumerate(columns):
        for name, share in column.followers:
            wave = line(name).wave_aa * stretch
            window = _window(wave, wave)
            profiles = [share * _profile(_FittedLine(name), sigma, stretch)[window] for sigma in SIGMA_KMS]
            found.append(Follower(number, window, np.stack(profiles)))
    return tuple(found)


def _profile(column: _FittedLine, sigma_kms: float, stretch: float) -> FloatArray:
    """Pixel-averaged Gaussians (P,) of a column, of flux 1 in its quoted line."""
    parts = [
        share * np.diff(ndtr((FIT_EDGES_AA - wave) / (wave * sigma_kms / LIGHT_SPEED_KMS)))
        for name, share in ((column.name, 1.0), *column.tied)
        for wave in (line(name).wave_aa * stretch,)
    ]
    profile: FloatArray = np.sum(parts, axis=0) / np.diff(FIT_EDGES_AA)
    return profile
