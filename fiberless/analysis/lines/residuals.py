"""Flux of emission lines that their Gaussians miss, estimated from the residuals around them."""

from functools import cache
from typing import Final

import numpy as np

from fiberless.analysis.lines.continuum import FIT_EDGES_AA, FIT_WAVE_AA
from fiberless.analysis.lines.emission import FITTED_LINES, LineValues, tied_lines
from fiberless.analysis.lines.templates import group_numbers
from fiberless.arrays import FloatArray
from fiberless.astro.lines import line
from fiberless.astro.wavelength import LIGHT_SPEED_KMS

__all__ = ["missed_variance"]

_REACH_SIGMA: Final = 4.0
_SIGNIFICANT: Final = 2.0


def missed_variance(
    residual: FloatArray,
    precision: FloatArray,
    lines: LineValues,
    *,
    instrument_kms: FloatArray,
    level_variance: FloatArray,
) -> FloatArray:
    """Square of the flux (N, J) that is left around each line, where it is more than noise; else 0.

    The sum of the residual within 4 σ of the line, and not beyond the middle between it and the next: what a
    line with wings or with two components has beside its Gaussian. The level that is fitted under the lines
    counts as left, since wings raise it.

    Parameters
    ----------
    residual : (N, P) flux less continuum and lines
    precision : (N, P) inverse variances, 0 where not valid
    lines : as fitted
    instrument_kms : (N, groups) dispersion of the instrument at `group_middles_aa()`
    level_variance : (N, J) of the continuum under each line

    """
    observed_kms = np.hypot(lines.gas_sigma_kms[:, None], instrument_kms[:, group_numbers()])
    reach_kms = np.minimum(_REACH_SIGMA * observed_kms, _free_kms())
    missed = np.zeros_like(lines.flux)
    for j, name in enumerate(FITTED_LINES):
        away_kms = np.abs(np.log(FIT_WAVE_AA / line(name).wave_aa)) * LIGHT_SPEED_KMS
        near = slice(*np.flatnonzero(away_kms < reach_kms[:, j].max(initial=0.0))[[0, -1]] + (0, 1))
        used = (away_kms[near] < reach_kms[:, j, None]) & (precision[:, near] > 0)
        width_aa = np.where(used, np.diff(FIT_EDGES_AA)[near], 0.0)
        left = (width_aa * residual[:, near]).sum(axis=1)
        noise = (width_aa**2 / np.where(used, precision[:, near], 1.0)).sum(axis=1)
        noise += level_variance[:, j] * width_aa.sum(axis=1) ** 2
        missed[:, j] = np.where(left**2 > _SIGNIFICANT**2 * noise, left**2 - noise, 0.0)
    return missed


@cache
def _free_kms() -> FloatArray:
    """Half the way (J,) from each fitted line to its nearest neighbour, km/s."""
    single = [line(name).wave_aa for tied in tied_lines().values() for name, _ in tied]
    own = np.log([line(name).wave_aa for name in FITTED_LINES])
    away = np.abs(own[:, None] - np.log(single)) * LIGHT_SPEED_KMS
    half: FloatArray = np.where(away > 0, away, np.inf).min(axis=1) / 2
    return half
