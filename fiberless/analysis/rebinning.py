"""Integrals of many spectra at once over wavelength intervals, exact for spectra constant inside a pixel."""

from dataclasses import dataclass

import numpy as np

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.errors import UsageError

__all__ = ["BinnedFlux", "PixelFlux", "bin_edges"]


@dataclass(frozen=True, eq=False)
class BinnedFlux:
    """Spectra averaged in bins.

    Parameters
    ----------
    flux : (N, P) mean F_λ over the valid part of each bin; 0 where `coverage` is 0
    coverage : (N, P) valid share of each bin, 0–1
    ivar : (N, P) or None
        Inverse variance. A pixel's is shared out by overlap, so that none is lost; neighbouring bins are
        correlated.

    """

    flux: FloatArray
    coverage: FloatArray
    ivar: FloatArray | None


@dataclass(frozen=True, eq=False)
class PixelFlux:
    """Spectra on one observed grid, with what of them can be used.

    Parameters
    ----------
    edges_aa : (L + 1,) borders of the pixels, observed vacuum Å
    flux : (N, L) float64, 1e-17 erg/(s cm2 Å), 0 where not valid
    valid : (N, L)
    ivar : (N, L) or None, inverse variance of `flux`, 0 where not valid

    """

    edges_aa: FloatArray
    flux: FloatArray
    valid: BoolArray
    ivar: FloatArray | None

    @classmethod
    def of(cls, wave_aa: FloatArray, flux: FloatArray, ivar: FloatArray | None = None) -> "PixelFlux":
        """Sort valid from invalid pixels: flux must be finite and, where given, ivar finite and positive.

        Parameters
        ----------
        wave_aa : (L,) ascending observed vacuum Å
        flux : (N, L)
        ivar : (N, L) or None

        Raises
        ------
        UsageError
            `invalid-parameter` if shapes do not fit or wavelengths do not ascend.

        """
        _check(wave_aa, flux, ivar)
        valid = np.isfinite(flux)
        if ivar is not None:
            valid &= np.isfinite(ivar) & (ivar > 0)
            ivar = np.where(valid, ivar, 0.0).astype(np.float64)
        clean = np.where(valid, flux, 0.0).astype(np.float64)
        return cls(bin_edges(np.asarray(wave_aa, dtype=np.float64)), clean, valid, ivar)

    def rebin(self, edges_aa: FloatArray) -> BinnedFlux:
        """Average over adjoining bins.

        Parameters
        ----------
        edges_aa : (N, P + 1) ascending observed vacuum Å, one set a spectrum; a NaN makes coverage NaN

        """
        step = np.diff(self.edges_aa)
        position = _PixelPosition.of(self.edges_aa, edges_aa)
        covered = position.differences(self.valid * step)
        total = position.differences(self.flux * step)
        width = np.diff(edges_aa, axis=-1)
        mean = np.divide(total, covered, out=np.zeros_like(total), where=covered > 1e-6 * width)
        ivar = None if self.ivar is None else position.differences(self.ivar)
        return BinnedFlux(mean, np.clip(covered / width, 0.0, 1.0), ivar)


@dataclass(frozen=True, eq=False)
class _PixelPosition:
    """Where borders lie among pixels: index of the pixel (N, P) and share of it to the left (N, P)."""

    index: IntArray
    share: FloatArray

    @classmethod
    def of(cls, pixel_edges_aa: FloatArray, edges_aa: FloatArray) -> "_PixelPosition":
        numbers = np.arange(pixel_edges_aa.size, dtype=np.float64)
        place = np.nan_to_num(np.interp(edges_aa, pixel_edges_aa, numbers))
        index = np.minimum(place.astype(np.intp), pixel_edges_aa.size - 2)
        return cls(index, place - index)

    def differences(self, content: FloatArray) -> FloatArray:
        """Content (N, L) of the pixels summed between neighbouring borders, (N, P - 1)."""
        below = np.zeros((content.shape[0], content.shape[1] + 1))
        np.cumsum(content, axis=-1, out=below[:, 1:])
        inside = np.take_along_axis(content, self.index, axis=-1) * self.share
        summed: FloatArray = np.diff(np.take_along_axis(below, self.index, axis=-1) + inside, axis=-1)
        return summed


def bin_edges(wave_aa: FloatArray) -> FloatArray:
    """Borders (L + 1,) of pixels with centres `wave_aa` (L,): half-way, and mirrored at both ends."""
    middle = (wave_aa[1:] + wave_aa[:-1]) / 2
    return np.concatenate([[2 * wave_aa[0] - middle[0]], middle, [2 * wave_aa[-1] - middle[-1]]])


def _check(wave_aa: FloatArray, flux: FloatArray, ivar: FloatArray | None) -> None:
    if np.ndim(wave_aa) != 1 or np.size(wave_aa) < 2 or not np.all(np.diff(wave_aa) > 0):
        raise UsageError("invalid-parameter", "wavelengths must be one ascending list of at least two")
    if np.ndim(flux) != 2 or np.shape(flux)[1] != np.size(wave_aa):
        raise UsageError("invalid-parameter", f"flux must be (N, {np.size(wave_aa)}), got {np.shape(flux)}")
    if ivar is not None and np.shape(ivar) != np.shape(flux):
        raise UsageError("invalid-parameter", f"ivar must be {np.shape(flux)}, got {np.shape(ivar)}")
