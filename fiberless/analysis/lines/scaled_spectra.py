"""Spectra on the grid of the fits, divided by their mean, with what continuum and lines must know of them."""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from fiberless.analysis.lines.continuum import FIT_EDGES_AA, FIT_WAVE_AA
from fiberless.analysis.lines.emission import FITTED_LINES, group_middles_aa
from fiberless.analysis.rebinning import BinnedFlux, PixelFlux
from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.astro.lines import line
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, sigma_instrument_kms

__all__ = ["ScaledSpectra"]

_MODEL_ERROR: Final = 0.02
"""Error of the library as a share of the mean flux: what a pixel weighs where noise does not matter."""
_MIN_PIXELS: Final = 400
_MIN_PIXEL_COVERAGE: Final = 0.5
_LINE_HALF_WIDTH_KMS: Final = 400.0
_MIN_LINE_COVERAGE: Final = 0.85


@dataclass(frozen=True, eq=False)
class ScaledSpectra:
    """Spectra divided by their mean, and what the fits need to know of them.

    Parameters
    ----------
    flux : (N, P) on `FIT_WAVE_AA`
    precision : (N, P) inverse variances of `flux`, 0 where not usable
    scale : (N,) the means
    redshift : (N,) 0 where unknown
    measurable : (N, J)
    instrument_kms : (N, groups)
    has_noise : whether there is an inverse variance

    """

    flux: FloatArray
    precision: FloatArray
    scale: FloatArray
    redshift: FloatArray
    measurable: BoolArray
    instrument_kms: FloatArray
    has_noise: bool

    @classmethod
    def of(cls, pixels: PixelFlux, redshift: FloatArray, *, resampling_kms: float) -> Self:
        """Spectra (N, L) of the observed frame at redshifts (N,); arguments as in `lines.fit.fit_spectra`."""
        z = np.where(np.isfinite(redshift), redshift, 0.0)
        binned = pixels.rebin(FIT_EDGES_AA * (1 + z[:, None]))
        usable = binned.coverage >= _MIN_PIXEL_COVERAGE
        scale = _mean_level(binned.flux, usable)
        precision = np.where(usable, binned.coverage, 0.0) / _variance(binned, usable, scale)
        known = np.isfinite(redshift) & (np.sum(usable & (binned.flux != 0), axis=1) >= _MIN_PIXELS)
        return cls(
            flux=binned.flux / scale[:, None],
            precision=precision,
            scale=scale,
            redshift=z,
            measurable=known[:, None] & (_line_coverage(binned.coverage) >= _MIN_LINE_COVERAGE),
            instrument_kms=np.hypot(_instrument_kms(pixels.edges_aa, z), resampling_kms),
            has_noise=binned.ivar is not None,
        )

    def take(self, rows: IntArray) -> Self:
        """Rows of the spectra."""
        return replace(
            self,
            flux=self.flux[rows],
            precision=self.precision[rows],
            scale=self.scale[rows],
            redshift=self.redshift[rows],
            measurable=self.measurable[rows],
            instrument_kms=self.instrument_kms[rows],
        )


def _mean_level(flux: FloatArray, usable: BoolArray) -> FloatArray:
    """Mean (N,) of the absolute flux; 1 where there is none."""
    total = np.abs(np.where(usable, flux, 0.0)).sum(axis=1)
    mean = total / np.maximum(usable.sum(axis=1), 1)
    return np.where(mean > 0, mean, 1.0)


def _variance(binned: BinnedFlux, usable: BoolArray, scale: FloatArray) -> FloatArray:
    """Variance (N, P) of the scaled flux: the library's error, and the noise where it is known."""
    variance = np.full_like(binned.flux, _MODEL_ERROR**2)
    if binned.ivar is not None:
        variance += np.divide(
            1.0, binned.ivar * scale[:, None] ** 2, out=np.zeros_like(variance), where=usable
        )
    return variance


def _instrument_kms(edges_aa: FloatArray, redshift: FloatArray) -> FloatArray:
    """Dispersion (N, groups) of the spectrograph and of input pixels, averaged over and then spread out.

    Each of the two is a box of the pixel's width; the average over the fit's own pixels is in its templates.
    """
    wave_aa = group_middles_aa() * (1 + redshift[:, None])
    step_aa = np.interp(wave_aa, (edges_aa[1:] + edges_aa[:-1]) / 2, np.diff(edges_aa))
    boxes_kms = step_aa / wave_aa * LIGHT_SPEED_KMS / np.sqrt(6)
    width: FloatArray = np.hypot(sigma_instrument_kms(wave_aa), boxes_kms)
    return width


def _line_coverage(coverage: FloatArray) -> FloatArray:
    """Valid share (N, J) of the pixels within 400 km/s of each line."""
    near = [
        np.abs(np.log(FIT_WAVE_AA / line(name).wave_aa)) * LIGHT_SPEED_KMS < _LINE_HALF_WIDTH_KMS
        for name in FITTED_LINES
    ]
    return np.stack([coverage[:, pixels].mean(axis=1) for pixels in near], axis=-1)
