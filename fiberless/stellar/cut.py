"""The part of one spectrum that is fitted."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from fiberless.analysis.lines.continuum import SODIUM_D
from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, sigma_instrument_kms
from fiberless.stellar.options import FitOptions

__all__ = ["Cut", "cut_spectrum"]

_MIN_REDSHIFT: Final = -0.1
_MIN_PIXELS: Final = 50
_MODEL_ERROR: Final = 0.02
"""Noise taken where there is no inverse variance, as a share of the median flux; errors do not use it."""


@dataclass(frozen=True, eq=False)
class Cut:
    """L pixels of a spectrum.

    Parameters
    ----------
    first : index of the first pixel in the input
    edges_rest_aa : (L + 1,) rest-frame borders
    redshift : of the spectrum
    flux : (L,) in units of `scale`
    usable : (L,) valid and not masked
    root_weight : (L,) inverse standard deviations of `flux`, 0 where not usable
    scale : median of the absolute flux, in the input's unit
    has_noise : whether the inverse variance was given
    instrument_kms : (L,) dispersion of the spectrograph if it came with the spectrum, else None

    """

    first: int
    edges_rest_aa: FloatArray
    redshift: float
    flux: FloatArray
    usable: BoolArray
    root_weight: FloatArray
    scale: float
    has_noise: bool
    instrument_kms: FloatArray | None

    @property
    def place(self) -> slice:
        """Where these pixels lie in the input."""
        return slice(self.first, self.first + self.flux.size)

    @property
    def usable_aa(self) -> float:
        """Rest-frame width of the usable pixels."""
        return float(np.diff(self.edges_rest_aa) @ self.usable)

    @property
    def wave_rest_aa(self) -> FloatArray:
        """Middles of the pixels. (L,)"""
        middle: FloatArray = (self.edges_rest_aa[1:] + self.edges_rest_aa[:-1]) / 2
        return middle

    def instrument(self, wave_rest_aa: FloatArray) -> FloatArray:
        """Dispersion of the spectrograph in km/s at rest-frame wavelengths: its own, or the survey's."""
        own = self.instrument_kms
        known = None if own is None else np.isfinite(own) & (own > 0)
        if own is None or known is None or not known.any():
            return sigma_instrument_kms(wave_rest_aa * (1 + self.redshift))
        width: FloatArray = np.interp(wave_rest_aa, self.wave_rest_aa[known], own[known])
        return width


def cut_spectrum(
    pixels: PixelFlux,
    row: int,
    redshift: float,
    *,
    options: FitOptions,
    instrument_kms: FloatArray | None = None,
) -> Cut | None:
    """Cut one row of N spectra to the range of the fit; None where there is nothing to fit.

    Parameters
    ----------
    pixels, redshift, options, instrument_kms : as in `fit.fit_stars`
    row : which spectrum

    """
    if not (np.isfinite(redshift) and redshift > _MIN_REDSHIFT):
        return None
    # pixels of the fitted range
    edges = pixels.edges_aa / (1 + redshift)
    first, last = np.searchsorted(edges, options.fit_range_aa)
    if last - first < _MIN_PIXELS:
        return None
    rest, inside = edges[first:last], slice(first, last - 1)
    # those that count, in units of their median
    usable = pixels.valid[row, inside] & ~_sodium(rest, masked=options.mask_sodium)
    flux = pixels.flux[row, inside]
    scale = float(np.median(np.abs(flux[usable]))) if usable.any() else 0.0
    if scale <= 0:
        return None
    # weights
    precision = None if pixels.ivar is None else pixels.ivar[row, inside]
    weight = 1 / _MODEL_ERROR if precision is None else np.sqrt(precision) * scale
    return Cut(
        first=int(first),
        edges_rest_aa=rest,
        redshift=redshift,
        flux=flux / scale,
        usable=usable,
        root_weight=weight * usable,
        scale=scale,
        has_noise=precision is not None,
        instrument_kms=None if instrument_kms is None else instrument_kms[row, inside],
    )


def _sodium(edges_aa: FloatArray, *, masked: bool) -> BoolArray:
    """Pixels (L,) in Na D, none unless it is to be masked."""
    middle = (edges_aa[1:] + edges_aa[:-1]) / 2
    near: BoolArray = np.abs(np.log(middle / SODIUM_D[0])) * LIGHT_SPEED_KMS < SODIUM_D[1]
    return near & masked
