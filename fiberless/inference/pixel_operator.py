"""The linear operator by which pixels of an observed spectrum see the rest-frame grid."""

from typing import Final, Literal

import numpy as np
from scipy.sparse import csr_array

from fiberless.analysis.rebinning import bin_edges
from fiberless.arrays import FloatArray, IntArray
from fiberless.astro.wavelength import LOG10_STEP, REST_WAVE_AA

__all__ = ["Sampling", "seen_through"]

Sampling = Literal["interpolate", "average"]
"""How a pixel sees the spectrum: `interpolate` for pixels as wide as the rest grid's, the survey's own;
`average` over the pixel for others, as `fiberless.astro.wavelength.resample_log_flux` does."""

_STENCIL: Final = np.arange(-2, 4)


def seen_through(wave_aa: FloatArray, redshift: float, sampling: Sampling) -> csr_array:
    """Operator from F_λ on the rest grid to what pixels of an observed spectrum hold.

    Parameters
    ----------
    wave_aa : (L,) ascending observed vacuum Å, centres of pixels; those outside the grid repeat its border
    redshift : float
    sampling : see `Sampling`

    Returns
    -------
    (L, 3902) sparse

    """
    if sampling == "interpolate":
        position, left = _place(wave_aa / (1 + redshift))
        weights = _lagrange(position - left)
        return _operator(left[:, None] + _STENCIL, weights)
    return _averaging(bin_edges(wave_aa) / (1 + redshift))


def _averaging(edges_aa: FloatArray) -> csr_array:
    """Mean over pixels with rest-frame borders (L + 1,) of F_λ linear between rest pixels; exact."""
    inside = (edges_aa[0] < REST_WAVE_AA) & (edges_aa[-1] > REST_WAVE_AA)
    cuts = np.union1d(edges_aa, REST_WAVE_AA[inside])
    middle, length = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    rows = np.searchsorted(edges_aa, middle) - 1
    left = np.clip(np.searchsorted(REST_WAVE_AA, middle) - 1, 0, REST_WAVE_AA.size - 2)
    step = REST_WAVE_AA[left + 1] - REST_WAVE_AA[left]
    share = np.clip((middle - REST_WAVE_AA[left]) / step, 0, 1)
    weight = length / np.diff(edges_aa)[rows]
    values = np.concatenate([weight * (1 - share), weight * share])
    places = (np.concatenate([rows, rows]), np.concatenate([left, left + 1]))
    return csr_array((values, places), shape=(len(edges_aa) - 1, REST_WAVE_AA.size))


def _place(rest_aa: FloatArray) -> tuple[FloatArray, IntArray]:
    """Positions on the rest grid in pixels, kept inside it, and the pixels to their left."""
    position = np.log10(rest_aa / REST_WAVE_AA[0]) / LOG10_STEP
    position = np.clip(position, -_STENCIL[0], REST_WAVE_AA.size - 1 - _STENCIL[-1])
    return position, np.floor(position).astype(np.intp)


def _lagrange(share: FloatArray) -> FloatArray:
    """Weights (L, 6) of Lagrange's polynomial of degree 5 through `_STENCIL`."""
    weights = np.ones((len(share), len(_STENCIL)))
    for i, node in enumerate(_STENCIL):
        for other in np.delete(_STENCIL, i):
            weights[:, i] *= (share - other) / (node - other)
    return weights


def _operator(columns: IntArray, weights: FloatArray) -> csr_array:
    starts = np.arange(0, columns.size + 1, columns.shape[1])
    return csr_array((weights.ravel(), columns.ravel(), starts), shape=(len(columns), REST_WAVE_AA.size))
