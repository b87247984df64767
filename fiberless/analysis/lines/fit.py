"""Continuum and emission lines of many spectra, fitted in turn on the rest-frame grid."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, NamedTuple

import numpy as np

from fiberless.analysis.lines.continuum import FIT_WAVE_AA, ContinuumFit, fit_continuum
from fiberless.analysis.lines.emission import (
    FITTED_LINES,
    EmissionFit,
    LineValues,
    parabola_maximum,
)
from fiberless.analysis.lines.residuals import missed_variance
from fiberless.analysis.lines.scaled_spectra import ScaledSpectra
from fiberless.analysis.lines.wings import with_wings
from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import FloatArray, IntArray
from fiberless.astro.lines import line

__all__ = ["SpectralFit", "fit_spectra", "level_near"]

_ITERATIONS: Final = 5
_PRIOR_VELOCITY_KMS: Final = 100.0
_MIN_STEPS: Final = 3
_LEVEL_HALF_WIDTH_AA: Final = 10.0


@dataclass(frozen=True, eq=False)
class SpectralFit:
    """Fit of N spectra. Lines in the order of `emission.FITTED_LINES`; NaN where not measurable.

    Parameters
    ----------
    flux : (N, J) line fluxes, 1e-17 erg/(s cm2), emission positive, with the wings that they probably have
    flux_error : (N, J) standard deviations from noise, the library's error, that of the continuum below, and
        what is missed of the line even so; without an inverse variance, those of the library's error alone
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
    scaled = ScaledSpectra.of(pixels, redshift, resampling_kms=resampling_kms)
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


def _gains(scaled: ScaledSpectra, stars: ContinuumFit, velocities_kms: FloatArray) -> FloatArray:
    """Drop of χ² (N, V) that the lines bring at each velocity, less that of the velocity's prior."""
    residual = scaled.flux - stars.continuum(scaled.flux)
    gains = [
        _gas(scaled, velocity, only_kinematic=True).gain(residual) for velocity in velocities_kms.tolist()
    ]
    return np.stack(gains, axis=-1) - (velocities_kms / _PRIOR_VELOCITY_KMS) ** 2


def _gas(scaled: ScaledSpectra, velocity_kms: float, *, only_kinematic: bool = False) -> EmissionFit:
    return EmissionFit.of(
        scaled.precision,
        scaled.instrument_kms,
        measurable=scaled.measurable,
        velocity_kms=velocity_kms,
        only_kinematic=only_kinematic,
    )


def _fit_at(scaled: ScaledSpectra, stars: ContinuumFit, velocity_kms: FloatArray) -> SpectralFit:
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


def _fit_group(scaled: ScaledSpectra, stars: ContinuumFit, velocity_kms: float) -> SpectralFit:
    gas = _gas(scaled, velocity_kms)
    continuum = stars.continuum(scaled.flux)
    lines = gas.lines(scaled.flux - continuum)
    for _ in range(_ITERATIONS - 1):
        continuum = stars.continuum(scaled.flux - lines.model)
        lines = gas.lines(scaled.flux - continuum)
    lines = with_wings(lines, gas, scaled.flux - continuum, instrument_kms=scaled.instrument_kms)
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
    scaled: ScaledSpectra,
    continuum: FloatArray,
    lines: LineValues,
    velocity_kms: float,
    *,
    variance: _Variance,
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


def _continuum_level(continuum: FloatArray) -> FloatArray:
    """Mean continuum (N, J) within 10 Å of each line, stellar absorption included."""
    near = [level_near(line(name).wave_aa) for name in FITTED_LINES]
    return np.stack([continuum[:, pixels].mean(axis=1) for pixels in near], axis=-1)
