"""Magnitudes of spectra through the five bands, with the error that their noise leaves."""

from typing import Final

import numpy as np

from fiberless.analysis.calibration import calibration_modes
from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.bands import BANDS, band_density, covered_fraction, magnitude
from fiberless.contract.measurements import SIGMA_OF_LEVEL, between, missing, summarise
from fiberless.contract.properties import INTERVAL_LEVEL, Flag, Measurement

__all__ = ["MIN_BAND_COVERAGE", "magnitudes"]

MIN_BAND_COVERAGE: Final = 0.97
"""Share of a band's response that a spectrum must reach."""
_MIN_VALID_SHARE: Final = 0.9


def magnitudes(pixels: PixelFlux, *, level: float = INTERVAL_LEVEL) -> dict[str, Measurement]:
    """SDSS magnitudes by band, u to z, of what the aperture held.

    Bad pixels inside a band are filled in from their neighbours. The interval is that of the noise and of the
    shape of the flux calibration where there is an inverse variance, else that of the spectra, taken as draws
    of one galaxy. The calibration's common factor, some per cent in SDSS, is not in it.

    Parameters
    ----------
    pixels : one observed spectrum, or K draws of one galaxy
    level : probability inside the interval, 0.68 for observed spectra

    """
    wave_aa = (pixels.edges_aa[1:] + pixels.edges_aa[:-1]) / 2
    return {band: _one(pixels, wave_aa, band, level) for band in BANDS}


def _one(pixels: PixelFlux, wave_aa: FloatArray, band: str, level: float) -> Measurement:
    method = "SDSS system, Doi+10 curves, inside the aperture"
    density = band_density(wave_aa, band) * np.diff(pixels.edges_aa)
    inside = density > 0
    valid = pixels.valid[:, inside]
    seen = valid.any(axis=0)
    reach = covered_fraction(wave_aa[inside][seen], band) if seen.sum() > 1 else 0.0
    if reach < MIN_BAND_COVERAGE or valid.mean() < _MIN_VALID_SHARE:
        return missing("mag", Flag.OUT_OF_BAND, method=method, level=level)
    nmgy = _fluxes(pixels.flux[:, inside], valid, density[inside])
    if pixels.ivar is None:
        return summarise(magnitude(nmgy), unit="mag", method=method, level=level)
    variance = np.divide(1.0, pixels.ivar, out=np.zeros_like(pixels.flux), where=pixels.valid)[0, inside]
    wrong = (pixels.flux[0, inside] * density[inside]) @ calibration_modes(wave_aa[inside])
    error = np.sqrt(variance @ density[inside] ** 2 + wrong @ wrong)
    return _with_noise(float(nmgy[0]), float(error), level, method)


def _fluxes(flux: FloatArray, valid: BoolArray, density: FloatArray) -> FloatArray:
    """Band fluxes (N,) of pixels (N, L) inside a band, in nmgy."""
    if valid.all():
        return flux @ density
    return np.array([_filled(row, good) @ density for row, good in zip(flux, valid, strict=True)])


def _filled(flux: FloatArray, valid: FloatArray) -> FloatArray:
    place = np.arange(flux.size)
    filled: FloatArray = np.interp(place, place[valid], flux[valid])
    return filled


def _with_noise(nmgy: float, error: float, level: float, method: str) -> Measurement:
    if nmgy <= 3 * error:
        return missing("mag", Flag.NOT_DETECTED, method=method, level=level)
    ends = nmgy + np.array([1, 0, -1]) * SIGMA_OF_LEVEL * error
    lower, value, upper = magnitude(ends)
    return between(lower, value, upper, unit="mag", method=method, level=level)
