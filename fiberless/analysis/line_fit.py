"""Continuum and emission lines of many spectra, fitted in turn on the rest-frame grid.

Imports the neighbouring rooms of `analysis` and numpy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, NamedTuple, Self

import numpy as np

from fiberless.analysis.continuum import FIT_EDGES_AA, FIT_WAVE_AA, ContinuumFit, fit_continuum
from fiberless.analysis.emission import (
    FITTED_LINES,
    EmissionFit,
    LineValues,
    group_middles_aa,
    parabola_maximum,
)
from fiberless.analysis.line_residuals import missed_variance
from fiberless.analysis.rebinning import BinnedFlux, PixelFlux
from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.lines import line
from fiberless.wavelength import LIGHT_SPEED_KMS, sigma_instrument_kms

__all__ = ["SpectralFit", "fit_spectra", "level_near"]

_ITERATIONS: Final = 5
_PRIOR_VELOCITY_KMS: Final = 100.0
_MIN_STEPS: Final = 3
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
    flux_error : (N, J) standard deviations from noise, the library's error, that of the continuum below, and
        what Gaussians miss of the line; without an inverse variance, those of the library's error alone
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


def fit_spectra(
    pixels: PixelFlux,
    redshift: FloatArray,
    *,
    velocities_kms: Sequence[float] = (0.0,),
    resampling_kms: float = 0.0,
) -> SpectralFit:
    """Fit stellar continuum and emission lines of N spectra.

    The continuum is fitted with the lines masked; its fit is repeated with the fitted lines taken off, so
    that wings of broad lines outside the mask do no harm.

    Parameters
    ----------
    pixels : N spectra, observed frame
    redshift : (N,); not finite: nothing is measured
    velocities_kms : velocities of the gas to be tried, at least one, in even steps; zero alone where the
        redshift is exact. Between three or more the best is placed by a parabola; away from zero they are
        held back by a normal prior of 100 km/s, which matters only where hardly a line is seen.
    resampling_kms : dispersion that resampling added before, `PREDICTED_RESAMPLING_KMS` for predicted spectra

    """
    scaled = _Scaled.of(pixels, redshift, resampling_kms=resampling_kms)
    stars = fit_continuum(scaled.precision)
    tried = np.asarray(velocities_kms, dtype=np.float64)
    if tried.size < _MIN_STEPS:
        return _fit_at(scaled, stars, np.full(len(scaled.flux), tried[0]))
    gains = _gains(scaled, stars, tried)
    found = _fit_at(scaled, stars, tried[np.argmax(gains, axis=-1)])
    return replace(found, velocity_kms=parabola_maximum(tried, gains))


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


def _gains(scaled: _Scaled, stars: ContinuumFit, velocities_kms: FloatArray) -> FloatArray:
    """Drop of χ² (N, V) that the lines bring at each velocity, less that of the velocity's prior."""
    residual = scaled.flux - stars.continuum(scaled.flux)
    gains = [
        _gas(scaled, velocity, only_kinematic=True).gain(residual) for velocity in velocities_kms.tolist()
    ]
    return np.stack(gains, axis=-1) - (velocities_kms / _PRIOR_VELOCITY_KMS) ** 2


def _gas(scaled: _Scaled, velocity_kms: float, *, only_kinematic: bool = False) -> EmissionFit:
    return EmissionFit.of(
        scaled.precision,
        scaled.instrument_kms,
        measurable=scaled.measurable,
        velocity_kms=velocity_kms,
        only_kinematic=only_kinematic,
    )


def _fit_at(scaled: _Scaled, stars: ContinuumFit, velocity_kms: FloatArray) -> SpectralFit:
    """Fit of each spectrum at its own velocity (N,)."""
    known = np.unique(velocity_kms)
    if known.size <= 1:
        return _fit_group(scaled, stars, float(known[0]) if known.size else 0.0)
    rows = [np.flatnonzero(velocity_kms == velocity) for velocity in known]
    parts = [
        _fit_group(scaled.take(chosen), stars.take(chosen), float(velocity))
        for chosen, velocity in zip(rows, known, strict=True)
    ]
    order = np.argsort(np.concatenate(rows))
    joined = {
        item.name: np.concatenate([getattr(part, item.name) for part in parts])[order]
        for item in fields(SpectralFit)
    }
    return SpectralFit(**joined)


def _fit_group(scaled: _Scaled, stars: ContinuumFit, velocity_kms: float) -> SpectralFit:
    gas = _gas(scaled, velocity_kms)
    continuum = stars.continuum(scaled.flux)
    lines = gas.lines(scaled.flux - continuum)
    for _ in range(_ITERATIONS - 1):
        continuum = stars.continuum(scaled.flux - lines.model)
        lines = gas.lines(scaled.flux - continuum)
    variance = _Variance(lines.variance, np.zeros_like(lines.variance))
    if scaled.has_noise:
        variance = _with_continuum(lines, gas, stars)
        missed = missed_variance(
            scaled.flux - continuum - lines.model,
            scaled.precision,
            lines,
            instrument_kms=scaled.instrument_kms,
            level_variance=variance.level,
        )
        variance = _Variance(variance.flux + missed, variance.level)
    return _in_units(scaled, continuum, lines, velocity_kms, variance=variance)


class _Variance(NamedTuple):
    """Variances (N, J) of line fluxes and of the continuum levels at the lines, of scaled spectra."""

    flux: FloatArray
    level: FloatArray


def _with_continuum(lines: LineValues, gas: EmissionFit, stars: ContinuumFit) -> _Variance:
    """Variances with the error of the continuum in them."""
    leverage = gas.leverage(lines.gas_sigma_kms, stars.basis.vectors)
    level = leverage.pedestal + _continuum_level(stars.basis.vectors.T).T
    of_flux, of_level = (
        np.einsum("njm,nmk,njk->nj", moved, stars.covariance, moved, optimize=True)
        for moved in (leverage.flux, level)
    )
    return _Variance(lines.variance + of_flux, leverage.pedestal_variance + of_level)


def _in_units(
    scaled: _Scaled, continuum: FloatArray, lines: LineValues, velocity_kms: float, *, variance: _Variance
) -> SpectralFit:
    scale = scaled.scale[:, None]
    level = _continuum_level(continuum) + lines.pedestal
    level = np.where(scaled.measurable & (level > 0), level, np.nan)
    flux = np.where(scaled.measurable, lines.flux, np.nan)
    error = np.where(scaled.measurable, np.sqrt(np.maximum(variance.flux, 0.0)), np.nan)
    to_observed = scale * (1 + scaled.redshift[:, None])
    return SpectralFit(
        flux=flux * to_observed,
        flux_error=error * to_observed,
        continuum_level=level * scale,
        ew_aa=flux / level,
        ew_error_aa=np.hypot(error, flux * np.sqrt(np.maximum(variance.level, 0.0)) / level) / level,
        gas_sigma_kms=np.where(scaled.measurable.any(axis=1), lines.gas_sigma_kms, np.nan),
        velocity_kms=np.full(len(flux), velocity_kms),
        gain=lines.gain,
        binned=scaled.flux * scale,
        continuum=continuum * scale,
        lines=lines.model * scale,
    )


def _instrument_kms(edges_aa: FloatArray, redshift: FloatArray) -> FloatArray:
    """Dispersion (N, groups) of the spectrograph and of input pixels, averaged over and then spread out.

    Each of the two is a box of the pixel's width; the average over the fit's own pixels is in its templates.
    """
    wave_aa = group_middles_aa() * (1 + redshift[:, None])
    step_aa = np.interp(wave_aa, (edges_aa[1:] + edges_aa[:-1]) / 2, np.diff(edges_aa))
    boxes_kms = step_aa / wave_aa * LIGHT_SPEED_KMS / np.sqrt(6)
    width: FloatArray = np.hypot(sigma_instrument_kms(wave_aa), boxes_kms)
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
