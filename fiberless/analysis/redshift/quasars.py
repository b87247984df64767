"""How well broad emission lines on a smooth continuum, those of a quasar at any redshift, fit a spectrum."""

from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.polynomial import legendre

from fiberless.analysis.redshift.templates import SEARCH_WAVE_AA
from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, LOG10_STEP

__all__ = ["quasar_gain"]

_BIN: Final = 15
"""Pixels of the search grid averaged: 1000 km/s."""
_STEP: Final = _BIN * LOG10_STEP
"""Of log10(1 + z) between the redshifts tried: 1000 km/s."""
_MAX_REDSHIFT: Final = 5.0
_SIGMA_KMS: Final = (1300.0, 3200.0)
_RIDGE: Final = 1e-4
_GROUPS: Final = (
    ((1215.7, 1.0), (1240.8, 0.3)),
    ((1399.8, 1.0),),
    ((1549.1, 1.0),),
    ((1908.7, 1.0), (1857.4, 0.12)),
    ((2500.0, 1.0),),
    ((2798.8, 1.0),),
    ((4102.9, 0.2), (4341.7, 0.35), (4862.7, 1.0)),
    ((4570.0, 1.0), (5270.0, 1.0)),
    ((6564.6, 1.0),),
)
"""Vacuum wavelengths, Å, and relative equivalent widths (Vanden Berk et al. 2001, AJ 122, 549, table 2)."""
_FE_KMS: Final = 4000.0
_IS_IRON: Final = (4, 7)
_WINDOW: Final = 1e-3


class _Binned(NamedTuple):
    """Weighted means of flux (P,) and their weights on the coarse grid."""

    flux: FloatArray
    weight: FloatArray


def quasar_gain(flux: FloatArray, weight: FloatArray, *, n_smooth: int) -> float:
    """χ² of a polynomial less the lowest χ² of one with a quasar's broad lines on it, lines not negative.

    Parameters
    ----------
    flux, weight : (4200,) on `SEARCH_WAVE_AA`; weight 0 where a pixel is not to be used
    n_smooth : terms of the polynomial

    """
    binned = _rebinned(flux, weight)
    smooth = legendre.legvander(np.linspace(-1, 1, binned.flux.size), n_smooth - 1).T
    root = np.sqrt(binned.weight).astype(np.float32)
    basis = np.linalg.qr((smooth * root).T)[0].astype(np.float32)
    target = (binned.flux * root).astype(np.float32)
    target = target - basis @ (basis.T @ target)
    return max(0.0, *(float(_gains(lines * root, basis, target).max()) for lines in _lines()))


def _gains(columns: FloatArray, basis: FloatArray, target: FloatArray) -> FloatArray:
    """χ² taken up (S,) by columns (S, M, P) with coefficients that are hardly ever negative.

    Of the columns only what the orthonormal `basis` (P, N) of the continuum leaves counts; `target` (P,) is
    orthogonal to it.
    """
    in_basis = (columns @ basis).astype(np.float64)
    normal = (columns @ np.swapaxes(columns, 1, 2)).astype(np.float64)
    normal -= in_basis @ np.swapaxes(in_basis, 1, 2)
    moments = (columns @ target).astype(np.float64)
    scale = np.einsum("smm->sm", normal).max(axis=1) + 1e-30
    kept = np.ones(moments.shape, dtype=bool)
    solved = np.zeros_like(moments)
    for _ in range(3):
        # a line that would be in absorption is held at nothing by a wall on the diagonal
        wall = np.where(kept, _RIDGE, 1e6) * scale[:, None]
        solved = np.linalg.solve(normal + wall[:, :, None] * np.eye(wall.shape[1]), moments[..., None])[
            ..., 0
        ]
        kept &= solved >= 0
    positive = np.where(kept, solved, 0.0)
    gains: FloatArray = 2 * np.einsum("sm,sm->s", positive, moments) - np.einsum(
        "sm,smn,sn->s", positive, normal, positive
    )
    return gains


def _rebinned(flux: FloatArray, weight: FloatArray) -> _Binned:
    size = flux.size // _BIN * _BIN
    total = weight[:size].reshape(-1, _BIN).sum(axis=1)
    mean = (weight * flux)[:size].reshape(-1, _BIN).sum(axis=1)
    return _Binned(np.divide(mean, total, out=np.zeros_like(mean), where=total > 0), total)


@cache
def _lines() -> tuple[FloatArray, ...]:
    """Profiles (S, M, P) of the groups at all redshifts, one array a width; zero where not in the range."""
    size = SEARCH_WAVE_AA.size // _BIN * _BIN
    ln_wave = np.log(SEARCH_WAVE_AA[:size]).reshape(-1, _BIN).mean(axis=1)
    ln_stretch = np.log(10.0) * np.arange(0.0, np.log10(1 + _MAX_REDSHIFT), _STEP)
    return tuple(_profiles(ln_wave, ln_stretch, sigma / LIGHT_SPEED_KMS) for sigma in _SIGMA_KMS)


def _profiles(ln_wave: FloatArray, ln_stretch: FloatArray, width: float) -> FloatArray:
    groups = []
    for number, group in enumerate(_GROUPS):
        sigma = max(width, _FE_KMS / LIGHT_SPEED_KMS) if number in _IS_IRON else width
        profile = np.zeros((ln_stretch.size, ln_wave.size))
        for wave_aa, share in group:
            offset = ln_wave[None] - np.log(wave_aa) - ln_stretch[:, None]
            profile += share / wave_aa * np.exp(-0.5 * (offset / sigma) ** 2)
        groups.append(profile / max(share / wave_aa for wave_aa, share in group))
    stacked = np.stack(groups, axis=1)
    return np.where(stacked > _WINDOW, stacked, 0.0).astype(np.float32)
