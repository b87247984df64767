"""The 4000 Å break."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

import numpy as np
from astropy.table import Table

from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import air_to_vacuum

__all__ = [
    "MIN_COVERAGE",
    "BreakBands",
    "Breaks",
    "break_bands",
    "break_error",
    "break_strength",
    "breaks",
    "dn4000",
    "dn4000_error",
]

MIN_COVERAGE: Final = 0.95
"""Share of each band that must hold valid pixels."""


class BreakBands(NamedTuple):
    """The two bands of a break, each (2,) rest-frame vacuum Å."""

    blue_aa: FloatArray
    red_aa: FloatArray


@cache
def break_bands(name: str = "Dn4000") -> BreakBands:
    """Bands of a break from `tables/breaks.ecsv`, taken from air to vacuum; KeyError if unknown."""
    table = Table.read(str(files("fiberless.analysis") / "tables" / "breaks.ecsv"), format="ascii.ecsv")
    rows = {str(row["name"]): row for row in table}
    row = rows[name]
    edges = air_to_vacuum(
        np.array([row["blue_lower"], row["blue_upper"], row["red_lower"], row["red_upper"]], dtype=np.float64)
    )
    return BreakBands(edges[:2], edges[2:])


@dataclass(frozen=True, eq=False)
class Breaks:
    """Both 4000 Å breaks (N,) of N spectra; their standard deviations (N,), if there is an ivar."""

    dn4000: FloatArray
    d4000: FloatArray
    dn4000_error: FloatArray | None = None
    d4000_error: FloatArray | None = None


def breaks(pixels: PixelFlux, redshift: FloatArray) -> Breaks:
    """Both breaks of N spectra, with errors where the spectra have an inverse variance."""
    narrow, wide = (break_strength(pixels, redshift, name=name) for name in ("Dn4000", "D4000"))
    if pixels.ivar is None:
        return Breaks(narrow, wide)
    errors = (break_error(pixels, redshift, name=name) for name in ("Dn4000", "D4000"))
    return Breaks(narrow, wide, *errors)


def dn4000(pixels: PixelFlux, redshift: FloatArray) -> FloatArray:
    """Narrow 4000 Å break (N,): 4000–4100 Å over 3850–3950 Å, Balogh et al. 1999, ApJ 527, 54."""
    return break_strength(pixels, redshift)


def dn4000_error(pixels: PixelFlux, redshift: FloatArray) -> FloatArray:
    """Standard deviation (N,) of `dn4000` from the inverse variance."""
    return break_error(pixels, redshift)


def break_strength(pixels: PixelFlux, redshift: FloatArray, *, name: str = "Dn4000") -> FloatArray:
    """Break at 4000 Å: mean F_ν of its red band by that of its blue one, rest frame, air.

    Means over wavelength, as in the sources of `tables/breaks.ecsv`. Pixels cut by a band's border count by
    their share.

    Parameters
    ----------
    pixels : N spectra
    redshift : (N,)
    name : "Dn4000", or "D4000", the wide one of Bruzual 1983, ApJ 273, 105

    Returns
    -------
    (N,) NaN where less than 95 % of a band is valid or a mean is not positive.

    """
    f_nu = _as_f_nu(pixels)
    blue, red = (_band_mean(f_nu, band, redshift) for band in break_bands(name))
    good = (blue > 0) & (red > 0)
    ratio: FloatArray = np.divide(red, blue, out=np.full(np.shape(red), np.nan), where=good)
    return ratio


def break_error(pixels: PixelFlux, redshift: FloatArray, *, name: str = "Dn4000") -> FloatArray:
    """Standard deviation (N,) of `break_strength` from the inverse variance.

    NaN where that is NaN or without any.
    """
    value = break_strength(pixels, redshift, name=name)
    if pixels.ivar is None:
        return np.full_like(value, np.nan)
    f_nu = _as_f_nu(pixels)
    relative = np.zeros_like(value)
    for band in break_bands(name):
        mean = np.where(np.isnan(value), 1.0, _band_mean(f_nu, band, redshift))
        relative += _band_variance(pixels, band, redshift) / mean**2
    error: FloatArray = value * np.sqrt(relative)
    return error


def _as_f_nu(pixels: PixelFlux) -> PixelFlux:
    """F_ν but for a constant: λ² F_λ."""
    return PixelFlux(pixels.edges_aa, pixels.flux * _centre_aa(pixels) ** 2, pixels.valid, None)


def _centre_aa(pixels: PixelFlux) -> FloatArray:
    centre: FloatArray = (pixels.edges_aa[1:] + pixels.edges_aa[:-1]) / 2
    return centre


def _band_mean(pixels: PixelFlux, band_aa: FloatArray, redshift: FloatArray) -> FloatArray:
    binned = pixels.rebin(band_aa * (1 + redshift[:, None]))
    mean: FloatArray = np.where(binned.coverage >= MIN_COVERAGE, binned.flux, np.nan)[:, 0]
    return mean


def _band_variance(pixels: PixelFlux, band_aa: FloatArray, redshift: FloatArray) -> FloatArray:
    """Variance (N,) of the band mean of λ² F_λ: Σ (λ² Δλ)² / ivar over (Σ Δλ)²; 0 without valid pixels."""
    ivar = np.ones_like(pixels.flux) if pixels.ivar is None else pixels.ivar
    variance = np.divide(1.0, ivar, out=np.zeros_like(pixels.flux), where=pixels.valid)
    weighted = variance * _centre_aa(pixels) ** 4 * np.diff(pixels.edges_aa)
    edges_aa = band_aa * (1 + redshift[:, None])
    binned = PixelFlux(pixels.edges_aa, weighted, pixels.valid, None).rebin(edges_aa)
    width_aa = (binned.coverage * np.diff(edges_aa, axis=-1))[:, 0]
    mean = binned.flux[:, 0]
    return np.divide(mean, width_aa, out=np.zeros_like(mean), where=width_aa > 0)
