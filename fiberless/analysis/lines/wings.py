"""Wings of emission lines: a second, broader component of each, as far as the spectrum speaks for it.

Gas that a nucleus drives out makes wings two to three times as broad as the cores (Mullaney et al. 2013,
MNRAS 433, 622). One Gaussian misses a part of their flux, in most spectra less than their noise: whether
there are wings is asked of all lines together, and each gets what they add times the probability of wings.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Final, NamedTuple, Self

import numpy as np

from fiberless.analysis.lines.emission import IS_STRONG, EmissionFit, LineValues
from fiberless.analysis.lines.templates import KINEMATIC_GROUPS, SIGMA_KMS, LineGroup, SigmaInterpolation
from fiberless.arrays import FloatArray, IntArray

__all__ = ["with_wings"]

_WIDTH: Final = 2.5
"""Dispersion of the wings over that of the one Gaussian."""
_SHARE: Final = 0.2
"""Scatter about zero of the wings' share of a line's flux where there are any, before a spectrum is seen."""
_ODDS: Final = 4.0
"""For wings, before a spectrum is seen: they are looked for unless it speaks against them."""
_MIN_PROBABILITY: Final = 0.1
"""Wings less probable are left out."""
_MIN_FLUX: Final = 1e-3


class _Change(NamedTuple):
    """What wings do to the m lines of a group, and the logarithm of the Bayes factor for them.

    Parameters
    ----------
    flux, variance, pedestal : (N, m) added to those of `LineValues`
    model : (N, Q) added to the lines
    ln_evidence : (N,)

    """

    flux: FloatArray
    variance: FloatArray
    pedestal: FloatArray
    model: FloatArray
    ln_evidence: FloatArray


def with_wings(
    lines: LineValues, gas: EmissionFit, residual: FloatArray, *, instrument_kms: FloatArray
) -> LineValues:
    """Lines with the wings that they probably have; their width stays that of the one Gaussian.

    Each line's wings have a flux of their own, with a normal prior. The neighbours that decide the width of
    the gas decide whether there are wings: the evidence of Gaussians with and without them gives the
    probability w. Of what wings change w is taken; variances are those of the average of both models.

    Parameters
    ----------
    lines : fitted without wings
    gas : the fit
    residual : (N, P) flux less continuum
    instrument_kms : (N, groups) dispersion of the instrument at `group_middles_aa()`

    """
    everywhere = np.arange(len(residual))
    first = np.cumsum([0, *(len(group.pedestal) for group in gas.groups)])
    columns = [slice(*ends) for ends in pairwise(first.tolist())]

    def change(number: int, rows: IntArray) -> _Change:
        return _change(
            gas,
            number,
            lines.gas_sigma_kms[rows],
            instrument_kms[rows, number],
            expected=np.where(gas.measurable & IS_STRONG, lines.flux, 0.0)[rows, columns[number]],
            residual=residual[rows],
            precision=gas.precision[rows],
        )

    kinematic = [change(number, everywhere) for number in range(len(KINEMATIC_GROUPS))]
    probability = _probability(np.sum([item.ln_evidence for item in kinematic], axis=0))
    rows = np.flatnonzero(probability)
    found = [_Change(*(part[rows] for part in item)) for item in kinematic]
    found += [change(number, rows) for number in range(len(KINEMATIC_GROUPS), len(gas.groups))]
    return _added(lines, gas, found, rows=rows, share=probability[rows, None])


def _probability(ln_evidence: FloatArray) -> FloatArray:
    """Of wings, (N,)."""
    odds = _ODDS * np.exp(np.clip(ln_evidence, -50.0, 50.0))
    probability = odds / (1 + odds)
    return np.where(probability < _MIN_PROBABILITY, 0.0, probability)


def _added(
    lines: LineValues, gas: EmissionFit, found: list[_Change], *, rows: IntArray, share: FloatArray
) -> LineValues:
    flux, variance, pedestal = (np.concatenate([item[place] for item in found], axis=1) for place in range(3))
    model = lines.model.copy()
    for group, item in zip(gas.groups, found, strict=True):
        model[rows, group.window] += share * item.model
    between = share * (variance + (1 - share) * flux**2)
    return replace(
        lines,
        flux=_plus(lines.flux, rows, share * flux),
        variance=_plus(lines.variance, rows, between),
        pedestal=_plus(lines.pedestal, rows, share * pedestal),
        model=model,
    )


def _plus(values: FloatArray, rows: IntArray, change: FloatArray) -> FloatArray:
    changed = values.copy()
    changed[rows] += change
    return changed


def _change(
    gas: EmissionFit,
    number: int,
    sigma_kms: FloatArray,
    instrument_kms: FloatArray,
    *,
    expected: FloatArray,
    residual: FloatArray,
    precision: FloatArray,
) -> _Change:
    """Least squares of a group with and without wings, for N rows.

    Parameters
    ----------
    gas, number : the fit, and which of its groups
    sigma_kms, instrument_kms : (N,) of the gas, and of the instrument at the group
    expected : (N, m) fluxes without wings
    residual, precision : (N, P)

    """
    group = gas.groups[number]
    m, window = len(group.pedestal), group.window
    columns = _columns(group, sigma_kms, instrument_kms)
    weighted = columns * precision[:, window, None]
    normal = weighted.transpose(0, 2, 1) @ columns
    moment = np.einsum("nqi,nq->ni", weighted, residual[:, window])
    normal[:, range(m + 2), range(m + 2)] += group.prior_precision
    prior = (_SHARE * np.maximum(expected, _MIN_FLUX)) ** -2.0
    plain = _LeastSquares.of(normal[:, : m + 2, : m + 2], moment[:, : m + 2])
    normal[:, range(m + 2, 2 * m + 2), range(m + 2, 2 * m + 2)] += prior
    winged = _LeastSquares.of(normal, moment)
    ln_evidence = winged.ln_evidence - plain.ln_evidence + np.log(prior).sum(axis=1) / 2
    return _Change(*_difference(group, columns, plain, winged), ln_evidence)


class _LeastSquares(NamedTuple):
    """Least squares of N rows: values (N, k), inverses (N, k, k), ln of the evidence (N,) but for priors."""

    values: FloatArray
    inverse: FloatArray
    ln_evidence: FloatArray

    @classmethod
    def of(cls, normal: FloatArray, moment: FloatArray) -> Self:
        inverse = np.linalg.inv(normal)
        values = np.einsum("nij,nj->ni", inverse, moment)
        gain = np.einsum("ni,ni->n", values, moment)
        return cls(values, inverse, (gain - np.linalg.slogdet(normal)[1]) / 2)


def _difference(
    group: LineGroup, columns: FloatArray, plain: _LeastSquares, winged: _LeastSquares
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """What `_Change` has of flux, variance, pedestal and model."""
    m = len(group.pedestal)
    line, wing = np.arange(m), m + 2 + np.arange(m)
    core, broad = winged.values[:, line] - plain.values[:, line], winged.values[:, wing]
    level = winged.values[:, m : m + 2] - plain.values[:, m : m + 2]
    own = winged.inverse[:, line, line] + winged.inverse[:, wing, wing]
    variance = own + 2 * winged.inverse[:, line, wing] - plain.inverse[:, line, line]
    model = np.einsum("nqm,nm->nq", columns[..., line], core)
    model += np.einsum("nqm,nm->nq", columns[..., wing], broad)
    return core + broad, np.maximum(variance, 0.0), level @ group.pedestal.T, model


def _columns(group: LineGroup, sigma_kms: FloatArray, instrument_kms: FloatArray) -> FloatArray:
    """Cores, level and slope, and wings (N, Q, 2 m + 2)."""
    core = group.profiles(SigmaInterpolation.of(np.log(np.hypot(sigma_kms, instrument_kms))[:, None]))
    broad = np.minimum(np.hypot(_WIDTH * sigma_kms, instrument_kms), SIGMA_KMS[-1])
    wing = group.profiles(SigmaInterpolation.of(np.log(broad)[:, None]))
    level = group.templates[0, :, len(group.pedestal) :]
    return np.concatenate([core, np.broadcast_to(level, (len(core), *level.shape)), wing], axis=2)
