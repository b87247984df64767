"""What the fitter answers, and its quality bits."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntFlag
from typing import Any, NamedTuple, Self

import numpy as np

from fiberless.arrays import BoolArray, FloatArray, IntArray

__all__ = ["Estimate", "FitQuality", "StellarFit"]


class FitQuality(IntFlag):
    """Why a fit is not to be trusted; 0 is good."""

    GOOD = 0
    NO_FIT = 1
    """No redshift, hardly a pixel, or no starlight: every value is NaN."""
    SHORT_RANGE = 2
    """Less than 1500 Å (rest) of usable pixels inside the fitted range."""
    LOW_SIGNAL = 4
    """Median signal-to-noise ratio below 5 per Å."""
    LOW_DISPERSION = 8
    """σ* below 90 km/s, where the spectrograph decides."""
    NOT_CONVERGED = 16
    BAD_CHI2 = 32
    """χ² per pixel more than twice what the noise allows."""
    AT_LIMIT = 64
    """Velocity, σ* or A_V stopped at the largest value allowed: a wrong redshift, or no galaxy."""
    GAS_TIED = 128
    """Lines did not say how the gas moves: its velocity and dispersion were held to those of the stars."""


class Estimate(NamedTuple):
    """Values and standard deviations of one quantity, arrays of the same shape; NaN is not measurable."""

    value: FloatArray
    error: FloatArray


@dataclass(frozen=True, eq=False)
class StellarFit:
    """Fits of N spectra; every estimate is (N,) unless it says else.

    Parameters
    ----------
    velocity_kms : of the stars against the redshift, positive away from us
    sigma_kms : dispersion of the stars, instrument and pixel taken out
    gas_velocity_kms, gas_sigma_kms : of the emission lines
    a_v : attenuation of the starlight, Calzetti et al. (2000), mag
    ebv : `a_v` / 4.05
    log_age_light_gyr, metallicity_light : means of lg age/Gyr and lg Z/Z☉, weighted by light before dust at
        5070–5950 Å
    log_age_mass_gyr, metallicity_mass : the same weighted by mass formed
    log_ml_formed_r, log_ml_living_r, log_ml_formed_v, log_ml_living_v : lg of M☉/L☉ before dust, SDSS r and
        Johnson V; masses formed, and of living stars and remnants
    line_flux : (N, J) lines `gas.GAS_LINES`, 1e-17 erg/(s cm2), not negative
    weights : (N, T) light of each population before dust: mean F_λ over 5070–5950 Å, 1e-17 erg/(s cm2 Å)
    continuum, lines : (N, L) best fit on the input's pixels, same unit; NaN outside of the fitted range
    used : (N, L) pixels that decided the fit: valid, not masked, not clipped
    chi2_per_pixel : (N,) relative to what the noise makes expect
    signal_to_noise : (N,) median per observed Å
    quality : (N,) bits of `FitQuality`

    """

    velocity_kms: Estimate
    sigma_kms: Estimate
    gas_velocity_kms: Estimate
    gas_sigma_kms: Estimate
    a_v: Estimate
    ebv: Estimate
    log_age_light_gyr: Estimate
    metallicity_light: Estimate
    log_age_mass_gyr: Estimate
    metallicity_mass: Estimate
    log_ml_formed_r: Estimate
    log_ml_living_r: Estimate
    log_ml_formed_v: Estimate
    log_ml_living_v: Estimate
    line_flux: Estimate
    weights: FloatArray
    continuum: FloatArray
    lines: FloatArray
    used: BoolArray
    chi2_per_pixel: FloatArray
    signal_to_noise: FloatArray
    quality: IntArray

    @classmethod
    def join(cls, fits: Sequence[Self]) -> Self:
        """Fits of several sets of spectra on one grid as one; at least one."""
        return cls(**{item.name: _join([getattr(fit, item.name) for fit in fits]) for item in fields(cls)})

    def has(self, flag: FitQuality) -> BoolArray:
        """Which spectra (N,) carry any of the bits."""
        return (self.quality & int(flag)) != 0


def _join(parts: list[Any]) -> Any:
    if isinstance(parts[0], Estimate):
        return Estimate(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return np.concatenate(parts)
