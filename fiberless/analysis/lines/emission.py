"""Fluxes of emission lines: tied Gaussians fitted to continuum-subtracted spectra, many at once."""

from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np

from fiberless.analysis.lines.templates import (
    FITTED_LINES,
    KINEMATIC_GROUPS,
    OII_DOUBLET_RATIO,
    SIGMA_KMS,
    LineGroup,
    SigmaInterpolation,
    Solved,
    beside_minor_lines,
    group_middles_aa,
    line_groups,
    tied_lines,
)
from fiberless.arrays import BoolArray, FloatArray

__all__ = [
    "FITTED_LINES",
    "IS_STRONG",
    "OII_DOUBLET_RATIO",
    "EmissionFit",
    "Leverage",
    "LineValues",
    "group_middles_aa",
    "parabola_maximum",
    "tied_lines",
]

_GAS_SIGMA_KMS: Final = np.geomspace(20.0, 450.0, 40)
"""Dispersions of the gas that are tried, the instrument's taken out. (G,)"""
_PRIOR_GAS_KMS: Final = 120.0
_PRIOR_WIDTH_LN: Final = 0.5
_WEAK_LINES: Final = frozenset({"OIII_4364", "SIII_6314", "HeII_4687", "NI_5201"})
IS_STRONG: Final = np.array([name not in _WEAK_LINES for name in FITTED_LINES])
"""Lines that are in the model even where they are noise. The others are too weak in nearly all galaxies:
taken off regardless, they would take the noise of the indices' bands with them."""


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


class Leverage(NamedTuple):
    """How lines follow the coefficients of the continuum, and what noise alone does to their pedestal.

    Parameters
    ----------
    flux, pedestal : (N, J, M) changes of flux and of `LineValues.pedestal` with each coefficient
    pedestal_variance : (N, J)

    """

    flux: FloatArray
    pedestal: FloatArray
    pedestal_variance: FloatArray


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

    groups: tuple[LineGroup, ...]
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
        only_kinematic: bool = False,
    ) -> Self:
        """Prepare the fit.

        Parameters
        ----------
        precision : (N, P) inverse variances on `FIT_WAVE_AA`, 0 where not valid
        instrument_kms : (N, groups) dispersion of instrument and pixels at `group_middles_aa()`
        measurable : (N, J) lines with data; the others are left out of `LineValues.model`
        velocity_kms : of all lines, against the redshift
        only_kinematic : prepare for `gain` alone

        """
        groups = line_groups(velocity_kms)[: len(KINEMATIC_GROUPS) if only_kinematic else None]
        precision = np.where(beside_minor_lines(), precision, 0.0)
        inverses = tuple(group.inverse_normal(precision[:, group.window]) for group in groups)
        sigma_kms = tuple(np.hypot(_GAS_SIGMA_KMS, column[:, None]) for column in instrument_kms.T)
        return cls(groups, precision, measurable, inverses, sigma_kms)

    def lines(self, residual: FloatArray) -> LineValues:
        """Lines in continuum-subtracted spectra (N, P)."""
        solved = self._solve(residual, len(self.groups))
        ln_gas, gain = self._best_gas(solved)
        model = np.zeros_like(residual)
        parts: list[tuple[FloatArray, FloatArray, FloatArray]] = []
        for group, solution, tried in zip(self.groups, solved, self.sigma_kms, strict=True):
            sigma = np.exp(_row_interpolation(np.log(_GAS_SIGMA_KMS), np.log(tried), ln_gas))
            place = SigmaInterpolation.of(np.log(sigma)[:, None])
            values = place.take(solution.values)[:, 0]
            first = sum(part[0].shape[1] for part in parts)
            variance = place.take(np.einsum("nsii->nsi", solution.inverse))[:, 0]
            mine = slice(first, first + len(group.pedestal))
            is_seen = IS_STRONG[mine] | (values[:, :-2] > 3 * np.sqrt(np.maximum(variance[:, :-2], 0.0)))
            known = self.measurable[:, mine] & is_seen
            shown = np.where(known, values[:, :-2], 0.0)
            model[:, group.window] += group.line_model(place, shown)
            for follower in group.followers:
                model[:, follower.window] += follower.model(place, shown[:, follower.column])
            parts.append((values[:, :-2], variance[:, :-2], values[:, -2:] @ group.pedestal.T))
        flux, variance, pedestal = (np.concatenate(items, axis=1) for items in zip(*parts, strict=True))
        return LineValues(flux, variance, pedestal, np.exp(ln_gas), gain, model)

    def gain(self, residual: FloatArray) -> FloatArray:
        """Drop of χ² (N,) that the lines bring to continuum-subtracted spectra (N, P)."""
        return self._best_gas(self._solve(residual, len(KINEMATIC_GROUPS)))[1]

    def _solve(self, residual: FloatArray, count: int) -> list[Solved]:
        """Least squares of the first groups, those of the kinematics before the others."""
        weighted = self.precision * residual
        chosen = zip(self.groups[:count], self.inverses[:count], strict=True)
        return [group.solve(inverse, weighted[:, group.window]) for group, inverse in chosen]

    def leverage(self, gas_sigma_kms: FloatArray, vectors: FloatArray) -> "Leverage":
        """What errors of the continuum and the noise do to the lines.

        Parameters
        ----------
        gas_sigma_kms : (N,) that the lines were fitted with
        vectors : (P, M) spectra that the continuum is a sum of

        """
        flux, pedestal, variance = [], [], []
        for group, inverses, tried in zip(self.groups, self.inverses, self.sigma_kms, strict=True):
            sigma = _row_interpolation(np.log(_GAS_SIGMA_KMS), np.log(tried), np.log(gas_sigma_kms))
            nodes = np.argmin(np.abs(np.log(SIGMA_KMS) - sigma[:, None]), axis=1)
            inverse = inverses[np.arange(len(nodes)), nodes]
            seen = np.stack(
                [
                    group.templates[node].T * weight @ vectors[group.window]
                    for node, weight in zip(nodes, self.precision[:, group.window], strict=True)
                ]
            )
            moved = inverse @ seen
            flux.append(-moved[:, :-2])
            pedestal.append(-group.pedestal @ moved[:, -2:])
            variance.append(np.einsum("ji,nik,jk->nj", group.pedestal, inverse[:, -2:, -2:], group.pedestal))
        return Leverage(*(np.concatenate(parts, axis=1) for parts in (flux, pedestal, variance)))

    def _best_gas(self, solved: list[Solved]) -> tuple[FloatArray, FloatArray]:
        """Most probable ln of the gas dispersion (N,), and the χ² gained there (N,)."""
        gains = sum(
            SigmaInterpolation.of(np.log(tried)).take(solution.gain[..., None])[..., 0]
            for solution, tried, _ in zip(solved, self.sigma_kms, KINEMATIC_GROUPS, strict=False)
        )
        ln_gas = np.log(_GAS_SIGMA_KMS)
        posterior = gains - ((ln_gas - np.log(_PRIOR_GAS_KMS)) / _PRIOR_WIDTH_LN) ** 2
        return parabola_maximum(ln_gas, posterior), np.max(gains, axis=-1)


def parabola_maximum(x: FloatArray, y: FloatArray) -> FloatArray:
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
