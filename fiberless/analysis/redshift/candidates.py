"""Redshifts of many noiseless spectra at once: the templates of the search, orthonormal at every shift."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.redshift.search import N_POLYNOMIALS
from fiberless.analysis.redshift.templates import (
    SEARCH_EDGES_AA,
    SEARCH_REDSHIFT,
    SEARCH_WAVE_AA,
    SHIFTS,
    redshift_templates,
)
from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.astro.wavelength import LOG10_STEP
from fiberless.errors import UsageError

__all__ = ["SEARCH_RANGE", "measure_redshifts"]

SEARCH_RANGE: Final = (0.02, 0.18)
"""Wider than simulated galaxies are drawn from, so that no redshift piles up at an end by itself."""
_CHUNK: Final = 256


def measure_redshifts(
    wave_aa: FloatArray, flux: FloatArray, *, between: tuple[float, float] = SEARCH_RANGE
) -> FloatArray:
    """Redshift of each of many noiseless spectra.

    Least squares of templates and polynomials at every pixel of shift, all pixels weighing alike; the best
    shift is refined by a parabola. One spectrum's redshift depends on no other's.

    Parameters
    ----------
    wave_aa : (L,) ascending observed vacuum Å
    flux : (N, L) finite F_λ in any unit
    between : lowest and highest redshift; a spectrum unlike all templates may end there

    Returns
    -------
    (N,) float64

    Raises
    ------
    UsageError
        `invalid-parameter` if a flux is not finite.

    """
    if not np.isfinite(flux).all():
        raise UsageError("invalid-parameter", "a redshift is measured on spectra without gaps")
    parts = [
        _best(wave_aa, np.asarray(flux[start : start + _CHUNK]), between)
        for start in range(0, len(flux), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def _best(wave_aa: FloatArray, flux: FloatArray, between: tuple[float, float]) -> FloatArray:
    binned = PixelFlux.of(wave_aa, flux).rebin(np.broadcast_to(SEARCH_EDGES_AA, (1, SEARCH_EDGES_AA.size)))
    shifted = _shifted(float(wave_aa[0]), float(wave_aa[-1]), between)
    data = binned.flux[:, shifted.used]
    data = (data / np.sqrt(np.mean(data**2, axis=1, keepdims=True))).astype(np.float32)
    projected = (shifted.directions @ data.T).reshape(len(shifted.places), -1, len(data))
    explained = np.sum(projected.astype(np.float64) ** 2, axis=1)
    middle = np.clip(explained.argmax(axis=0), 1, len(shifted.places) - 2)
    before, at, after = (explained[middle + step, np.arange(len(data))] for step in (-1, 0, 1))
    curvature = before - 2 * at + after
    step = np.divide((before - after) / 2, curvature, out=np.zeros_like(at), where=curvature < 0)
    redshift: FloatArray = 10 ** (LOG10_STEP * (SHIFTS[shifted.places][middle] + np.clip(step, -1, 1))) - 1
    return redshift


@dataclass(frozen=True, eq=False)
class _Shifted:
    """Templates at each shift of a range, on the pixels that a spectrum covers.

    Parameters
    ----------
    places : (S,) indices of `SEARCH_REDSHIFT`
    used : (4200,) pixels of the search grid
    directions : (S M, P) float32, M orthonormal rows a shift

    """

    places: IntArray
    used: BoolArray
    directions: FloatArray


@lru_cache(maxsize=2)
def _shifted(first_aa: float, last_aa: float, between: tuple[float, float]) -> _Shifted:
    used = (first_aa <= SEARCH_WAVE_AA) & (last_aa >= SEARCH_WAVE_AA)
    places = np.flatnonzero((between[0] <= SEARCH_REDSHIFT) & (between[1] >= SEARCH_REDSHIFT))
    templates = redshift_templates()
    polynomials = np.polynomial.legendre.legvander(np.linspace(-1, 1, int(used.sum())), N_POLYNOMIALS - 1).T
    rows = [
        np.linalg.qr(np.concatenate([templates.at(int(SHIFTS[place]))[:, used], polynomials]).T)[0].T
        for place in places
    ]
    return _Shifted(places, used, np.concatenate(rows).astype(np.float32))
