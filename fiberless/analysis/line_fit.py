"""Continuum and emission lines of many spectra, fitted in turn on the rest-frame grid.

Imports the neighbouring rooms of `analysis` and numpy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import reduce
from typing import Final, Self

import numpy as np

from fiberless.analysis.continuum import FIT_EDGES_AA, FIT_WAVE_AA, fit_continuum
from fiberless.analysis.emission import FITTED_LINES, EmissionFit, LineValues, group_middles_aa
from fiberless.analysis.rebinning import BinnedFlux, PixelFlux
from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.lines import line
from fiberless.wavelength import LIGHT_SPEED_KMS, sigma_instrument_kms

__all__ = ["SpectralFit", "fit_spectra", "level_near"]

_ITERATIONS: Final = 5
_MODEL_ERROR: Final = 0.02
"""Error of the library as a share of the mean flux: what a pixel weighs where noise does not matter."""
_MIN_PIXELS: Final = 400
_MIN_PIXEL_COVERAGE: Final = 0.5
_LINE_HALF_WIDTH_KMS: Final = 400.0
_MIN_LINE_COVERAGE: Final = 0.85
_LEVEL_HALF_WIDTH_AA: Final = 10.0


@dataclass(frozen=True, eq=False)
class SpectralFit:
    """Fit of N spectra. Lines in the order of `emission.FITTED_LINES`; NaN where not measurable.

    Parameters
    ----------
    flux : (N, J) line fluxes, 1e-17 erg/(s cm2), emission positive
    flux_error : (N, J) standard deviations; without an inverse variance, those of the library's error alone
    continuum_level : (N, J) mean continuum within 10 Å of each line, stellar absorption included,
        1e-17 erg/(s cm2 Å), observed frame
    ew_aa : (N, J) rest-frame equivalent widths in Å, `flux` / (1 + z) / `continuum_level`
    ew_error_aa : (N, J)
    gas_sigma_kms : (N,) dispersion of the gas, the instrument's taken out
    velocity_kms : (N,) of the lines against the redshift
    gain : (N,) drop of χ² that the lines bring
    binned : (N, P) observed F_λ on the rest-frame grid `continuum.FIT_WAVE_AA`
    continuum : (N, P) stellar continuum, same unit
    lines : (N, P) emission lines, same unit

    """

    flux: FloatArray
    flux_error: FloatArray
    continuum_level: FloatArray
    ew_aa: FloatArray
    ew_error_aa: FloatArray
    gas_sigma_kms: FloatArray
    velocity_kms: FloatArray
    gain: FloatArray
    binned: FloatArray
    continuum: FloatArray
    lines: FloatArray

    def best_of(self, other: Self) -> Self:
        """Of two fits of the same spectra, for each spectrum the one with more gain."""
        better = other.gain > self.gain
        chosen = {
            item.name: np.where(
                better.reshape(-1, *[1] * (getattr(self, item.name).ndim - 1)),
                getattr(other, item.name),
                getattr(self, item.name),
            )
            for item in fields(self)
        }
        return type(self)(**chosen)


def fit_spectra(
    pixels: PixelFlux, redshift: FloatArray, *, velocities_kms: Sequence[float] = (0.0,)
) -> SpectralFit:
    """Fit stellar continuum and emission lines of N spectra.

    The continuum is fitted with the lines masked; its fit is repeated with the fitted lines taken off, so
    that wings of broad lines outside the mask do no harm.

    Parameters
    ----------
    pixels : N spectra, observed frame
    redshift : (N,); not finite: nothing is measured
    velocities_kms : velocities of the gas to be tried, at least one; zero alone where the redshift is exact

    """
    scaled = _Scaled.of(pixels, redshift)
    fits = (_fit_at(scaled, velocity) for velocity in velocities_kms)
    return reduce(SpectralFit.best_of, fits)


def level_near(wave_rest_aa: float) -> IntArray:
    """Pixels of `FIT_WAVE_AA` within 10 Å of a line, over which its continuum is averaged."""
    return np.flatnonzero(np.abs(FIT_WAVE_AA - wave_rest_aa) < _LEVEL_HALF_WIDTH_AA)


@dataclass(frozen=True, eq=False)
class _Scaled:
    """Spectra divided by their mean, and what the fits need to know of them.

    Parameters
    ----------
    flux : (N, P) on `FIT_WAVE_AA`
    precision : (N, P) inverse variances of `flux`, 0 where not usable
    scale : (N,) the means
    redshift : (N,) 0 where unknown
    measurable : (N, J)
    instrument_kms : (N, groups)

    """

    flux: FloatArray
    precision: FloatArray
    scale: FloatArray
    redshift: FloatArray
    measurable: BoolArray
    instrument_kms: FloatArray

    @classmethod
    def of(cls, pixels: PixelFlux, redshift: FloatArray) -> Self:
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
            instrument_kms=_instrument_kms(pixels.edges_aa, z),
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


def _fit_at(scaled: _Scaled, velocity_kms: float) -> SpectralFit:
    stars = fit_continuum(scaled.precision)
    gas = EmissionFit.of(
        scaled.precision, scaled.instrument_kms, measurable=scaled.measurable, velocity_kms=velocity_kms
    )
    continuum = stars.continuum(scaled.flux)
    lines = gas.lines(scaled.flux - continuum)
    for _ in range(_ITERATIONS - 1):
        continuum = stars.continuum(scaled.flux - lines.model)
        lines = gas.lines(scaled.flux - continuum)
    return _in_units(scaled, continuum, lines, velocity_kms)


def _in_units(scaled: _Scaled, continuum: FloatArray, lines: LineValues, velocity_kms: float) -> SpectralFit:
    scale = scaled.scale[:, None]
    level = _continuum_level(continuum) + lines.pedestal
    level = np.where(scaled.measurable & (level > 0), level, np.nan)
    flux = np.where(scaled.measurable, lines.flux, np.nan)
    error = np.where(scaled.measurable, np.sqrt(np.maximum(lines.variance, 0.0)), np.nan)
    to_observed = scale * (1 + scaled.redshift[:, None])
    return SpectralFit(
        flux=flux * to_observed,
        flux_error=error * to_observed,
        continuum_level=level * scale,
        ew_aa=flux / level,
        ew_error_aa=error / level,
        gas_sigma_kms=np.where(scaled.measurable.any(axis=1), lines.gas_sigma_kms, np.nan),
        velocity_kms=np.full(len(flux), velocity_kms),
        gain=lines.gain,
        binned=scaled.flux * scale,
        continuum=continuum * scale,
        lines=lines.model * scale,
    )


def _instrument_kms(edges_aa: FloatArray, redshift: FloatArray) -> FloatArray:
    """Dispersion (N, groups) of the spectrograph and of the box that rebinning makes of an input pixel."""
    wave_aa = group_middles_aa() * (1 + redshift[:, None])
    step_aa = np.interp(wave_aa, (edges_aa[1:] + edges_aa[:-1]) / 2, np.diff(edges_aa))
    box_kms = step_aa / wave_aa * LIGHT_SPEED_KMS / np.sqrt(12)
    width: FloatArray = np.hypot(sigma_instrument_kms(wave_aa), box_kms)
    return width


def _continuum_level(continuum: FloatArray) -> FloatArray:
    """Mean continuum (N, J) within 10 Å of each line, stellar absorption included."""
    near = [level_near(line(name).wave_aa) for name in FITTED_LINES]
    return np.stack([continuum[:, pixels].mean(axis=1) for pixels in near], axis=-1)


def _line_coverage(coverage: FloatArray) -> FloatArray:
    """Valid share (N, J) of the pixels within 400 km/s of each line."""
    near = [
        np.abs(np.log(FIT_WAVE_AA / line(name).wave_aa)) * LIGHT_SPEED_KMS < _LINE_HALF_WIDTH_KMS
        for name in FITTED_LINES
    ]
    return np.stack([coverage[:, pixels].mean(axis=1) for pixels in near], axis=-1)
