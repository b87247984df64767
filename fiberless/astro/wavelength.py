"""Wavelength grids, air and vacuum, line-spread functions and resampling. The only definition of each.

Simulator, fitter and sampler share this module. All wavelengths are vacuum Å unless a name says air.
"""

from typing import Final

import numpy as np

from fiberless.arrays import FloatArray

__all__ = [
    "FWHM_PER_SIGMA",
    "LIGHT_SPEED_KMS",
    "LOG10_STEP",
    "NORMALISATION_RANGE_AA",
    "OBSERVED_WAVE_AA",
    "PIXEL_KMS",
    "PREDICTED_RESAMPLING_KMS",
    "REST_WAVE_AA",
    "TEMPLATE_MARGIN",
    "TEMPLATE_WAVE_AA",
    "air_to_vacuum",
    "normalisation_weights",
    "resample_log_flux",
    "sigma_instrument_kms",
    "sigma_library_kms",
    "vacuum_to_air",
]

LIGHT_SPEED_KMS: Final = 299792.458
FWHM_PER_SIGMA: Final = 2.354820045
"""Of a Gaussian: √(8 ln 2)."""
LOG10_STEP: Final = 1e-4
PIXEL_KMS: Final = LIGHT_SPEED_KMS * np.log(10.0) * LOG10_STEP
"""Width of a logarithmic pixel: 69.03 km/s, the SDSS spectrum's own."""
PREDICTED_RESAMPLING_KMS: Final = PIXEL_KMS / 2
"""Dispersion that `resample_log_flux` adds to a prediction: a logarithmic pixel and a triangle."""

_REST_START_LOG10: Final = np.log10(3400.0)
_REST_PIXELS: Final = 3902
TEMPLATE_MARGIN: Final = 60
"""Pixels by which the templates reach beyond the rest grid on both sides, so that broadening has no edge."""

REST_WAVE_AA: Final = 10 ** (_REST_START_LOG10 + LOG10_STEP * np.arange(_REST_PIXELS))
"""Rest-frame grid of the model, 3400–8348 Å: covers the observed grid for 0.0180 < z < 0.1764. (3902,)"""

TEMPLATE_WAVE_AA: Final = 10 ** (
    _REST_START_LOG10 + LOG10_STEP * np.arange(-TEMPLATE_MARGIN, _REST_PIXELS + TEMPLATE_MARGIN)
)
"""Rest-frame grid of stellar templates, 3353–8464 Å. (4022,)"""

OBSERVED_WAVE_AA: Final = np.arange(4000.0, 8500.0)
"""Observed-frame grid of a prediction: 4000…8499 Å in steps of 1 Å. (4500,)"""


NORMALISATION_RANGE_AA: Final = (3900.0, 7300.0)
"""Rest-frame range whose mean F_λ is one in a normalised spectrum."""


def normalisation_weights() -> FloatArray:
    """Weights w with Σ w F_λ = mean of F_λ over `NORMALISATION_RANGE_AA`. (3902,)"""
    low, high = NORMALISATION_RANGE_AA
    inside = (low <= REST_WAVE_AA) & (high >= REST_WAVE_AA)
    width = np.where(inside, REST_WAVE_AA, 0.0)
    weights: FloatArray = width / width.sum()
    return weights


def vacuum_to_air(wave_vacuum_aa: FloatArray) -> FloatArray:
    """Vacuum to air wavelengths (Morton 2000, ApJS 130, 403, eq. 8); unchanged below 2000 Å by convention."""
    wave = np.asarray(wave_vacuum_aa, dtype=np.float64)
    s2 = (1e4 / np.maximum(wave, 2000.0)) ** 2
    index = 1 + 8.34254e-5 + 2.406147e-2 / (130 - s2) + 1.5998e-4 / (38.9 - s2)
    air: FloatArray = np.where(wave >= 2000.0, wave / index, wave)
    return air


def air_to_vacuum(wave_air_aa: FloatArray) -> FloatArray:
    """Air to vacuum wavelengths: the inverse of `vacuum_to_air`, by fixed-point iteration to 1e-9 Å."""
    wave = np.asarray(wave_air_aa, dtype=np.float64)
    vacuum = wave.copy()
    for _ in range(4):
        vacuum = wave * (vacuum / vacuum_to_air(vacuum))
    return vacuum


def sigma_instrument_kms(wave_observed_aa: FloatArray) -> FloatArray:
    """Dispersion σ of the SDSS spectrograph's line-spread function in km/s.

    FWHM 2.30→2.85 Å over 3800–6000 Å (blue arm) and 3.0→4.4 Å over 6000–9200 Å (red arm), linear in each,
    joined over 5900–6300 Å as the survey's co-addition of the two arms does.
    """
    wave = np.asarray(wave_observed_aa, dtype=np.float64)
    blue = 2.30 + (2.85 - 2.30) * (wave - 3800) / (6000 - 3800)
    red = 3.0 + (4.4 - 3.0) * (wave - 6000) / (9200 - 6000)
    share = np.clip((wave - 5900) / 400, 0, 1)
    fwhm = (1 - share) * blue + share * red
    sigma: FloatArray = fwhm / FWHM_PER_SIGMA / wave * LIGHT_SPEED_KMS
    return sigma


def sigma_library_kms(wave_rest_aa: FloatArray) -> FloatArray:
    """Dispersion σ of the stellar library in km/s.

    MILES: FWHM 2.51 Å (Falcón-Barroso et al. 2011), 3540–7400 Å. BC03-MILES continues it with STELIB (3 Å)
    to the red and with BaSeL/theoretical spectra to the blue, taken as 3 Å here.
    """
    wave = np.asarray(wave_rest_aa, dtype=np.float64)
    fwhm = np.where((wave >= 3540) & (wave <= 7400), 2.51, 3.0)
    sigma: FloatArray = fwhm / FWHM_PER_SIGMA / wave * LIGHT_SPEED_KMS
    return sigma


def resample_log_flux(
    ln_flux_rest: FloatArray, redshift: FloatArray, wave_observed_aa: FloatArray
) -> FloatArray:
    """Shift spectra from the rest grid to the pixels of an observed grid, conserving flux.

    F_λ, taken linear between rest pixels, is averaged over each observed pixel: sampling it instead would
    change the flux of a narrow line by up to 2 %, interpolating ln F would lower it by as much.

    Parameters
    ----------
    ln_flux_rest : (..., 3902) natural logarithm of F_λ on `REST_WAVE_AA`
    redshift : (...) one per spectrum
    wave_observed_aa : (L,) centres of pixels that touch each other

    Returns
    -------
    (..., L) natural logarithm of the same F_λ values; NaN outside the rest grid. The factor 1/(1+z) of F_λ
    is not applied: the latent's amplitude is defined on the observed flux.

    """
    ln_flux = np.asarray(ln_flux_rest)
    step = np.gradient(wave_observed_aa)
    edges = np.append(wave_observed_aa - step / 2, wave_observed_aa[-1] + step[-1] / 2)
    rest_edges = edges / (1 + np.asarray(redshift, dtype=np.float64)[..., None])
    peak = ln_flux.max(axis=-1, keepdims=True)
    flux = np.exp((ln_flux - peak).astype(np.float64))
    mean = np.diff(_integral_at(flux, rest_edges), axis=-1) / np.diff(rest_edges, axis=-1)
    inside = (rest_edges[..., :-1] >= REST_WAVE_AA[0]) & (rest_edges[..., 1:] <= REST_WAVE_AA[-1])
    values: FloatArray = np.log(np.where(inside, mean, np.nan)) + peak
    return values.astype(ln_flux.dtype)


def _integral_at(flux: FloatArray, wave_aa: FloatArray) -> FloatArray:
    """∫ F dλ from the start of the rest grid to wavelengths (..., M), F (..., 3902) linear between pixels."""
    width = np.diff(REST_WAVE_AA)
    integral = np.zeros(flux.shape)
    np.cumsum((flux[..., 1:] + flux[..., :-1]) / 2 * width, axis=-1, out=integral[..., 1:])
    position = (np.log10(wave_aa) - _REST_START_LOG10) / LOG10_STEP
    index = np.clip(position.astype(np.int64), 0, _REST_PIXELS - 2)
    part = wave_aa - REST_WAVE_AA[index]
    left = np.take_along_axis(flux, index, axis=-1)
    slope = (np.take_along_axis(flux, index + 1, axis=-1) - left) / width[index]
    at_edges: FloatArray = np.take_along_axis(integral, index, axis=-1) + (left + slope * part / 2) * part
    return at_edges
