"""Fibre spectra of the simulated survey: line-of-sight and instrumental broadening, lines, noise."""

from typing import Final

import numpy as np
import scipy.fft
from scipy.special import erf

from fiberless.arrays import FloatArray
from fiberless.datasets.mock.light import LINE_WAVE_AA
from fiberless.wavelength import (
    OBSERVED_WAVE_AA,
    PIXEL_KMS,
    TEMPLATE_MARGIN,
    TEMPLATE_WAVE_AA,
    sigma_instrument_kms,
    sigma_library_kms,
)

__all__ = ["add_lines", "broaden", "fibre_noise", "rest_window"]

_NODES: Final = 4
_LINE_REACH: Final = 40
_MAX_SIGMA_PIXELS: Final = 8.0


def broaden(spectra: FloatArray, redshift: FloatArray, sigma_star_kms: FloatArray) -> FloatArray:
    """Convolve with stellar motions and the instrument, less what the library already has.

    σ²(λ) = σ*² + σ_inst²(λ(1+z)) − σ_SSP²(λ), not below zero:
    σ* under about 75 km/s at the blue end cannot be made. Each spectrum is convolved with
    four Gaussians that span its range of σ² and interpolated in σ².

    Parameters
    ----------
    spectra : (N, 4022) on `TEMPLATE_WAVE_AA`
    redshift, sigma_star_kms : (N,)

    Returns
    -------
    (N, 4022) float32

    """
    variance = _extra_variance(redshift, sigma_star_kms)
    low, high = variance.min(axis=1), variance.max(axis=1) + 1e-6
    nodes = low + (high - low) * np.linspace(0, 1, _NODES)[:, None]
    size = scipy.fft.next_fast_len(spectra.shape[1], real=True)
    transform = scipy.fft.rfft(spectra, n=size, axis=1)
    k2 = (2 * np.pi * np.fft.rfftfreq(size)).astype(np.float32) ** 2
    position = (variance - low[:, None]) / (high - low)[:, None] * (_NODES - 1)
    result = np.zeros(spectra.shape, np.float32)
    for node in range(_NODES):
        kernel = np.exp(-0.5 * nodes[node][:, None].astype(np.float32) * k2)
        smooth = scipy.fft.irfft(transform * kernel, n=size, axis=1)[:, : spectra.shape[1]]
        result += np.clip(1 - np.abs(position - node), 0, None).astype(np.float32) * smooth
    return result


def _extra_variance(redshift: FloatArray, sigma_star_kms: FloatArray) -> FloatArray:
    """Variance to add, in pixels². (N, 4022)"""
    observed = TEMPLATE_WAVE_AA * (1 + redshift[:, None])
    variance = (
        sigma_star_kms[:, None] ** 2
        + sigma_instrument_kms(observed) ** 2
        - sigma_library_kms(TEMPLATE_WAVE_AA) ** 2
    )
    return np.clip(variance / PIXEL_KMS**2, 0.0, _MAX_SIGMA_PIXELS**2)


def add_lines(
    spectra: FloatArray, line_flux: FloatArray, redshift: FloatArray, sigma_gas_kms: FloatArray
) -> FloatArray:
    """Add pixel-integrated Gaussian lines.

    Parameters
    ----------
    spectra : (N, 4022) observed F_λ on the rest-frame grid, 1e-17 erg / (s cm2 Å)
    line_flux : (N, 20) 1e-17 erg / (s cm2)

    Returns
    -------
    (N, 4022) float32, a new array

    """
    result = spectra.copy()
    rows = np.arange(len(spectra))[:, None]
    offsets = np.arange(-_LINE_REACH, _LINE_REACH + 1)
    pixel_log = np.log(TEMPLATE_WAVE_AA[1] / TEMPLATE_WAVE_AA[0])
    for index, wave in enumerate(LINE_WAVE_AA):
        sigma = np.hypot(sigma_gas_kms, sigma_instrument_kms(wave * (1 + redshift))) / PIXEL_KMS
        centre = np.log(wave / TEMPLATE_WAVE_AA[0]) / pixel_log
        pixels = round(centre) + offsets
        edges = (np.append(pixels, pixels[-1] + 1) - 0.5 - centre) / (np.sqrt(2) * sigma[:, None])
        share = np.diff(erf(edges), axis=1) / 2
        width = TEMPLATE_WAVE_AA[pixels] * pixel_log * (1 + redshift[:, None])
        result[rows, pixels] += (line_flux[:, index, None] * share / width).astype(np.float32)
    return result


def rest_window(template: FloatArray) -> FloatArray:
    """Cut the templates' margin: (N, 4022) → (N, 3902) on `wavelength.REST_WAVE_AA`."""
    return template[:, TEMPLATE_MARGIN:-TEMPLATE_MARGIN]


def fibre_noise(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """Standard deviation of an SDSS spectrum's noise per 1-Å pixel.

    Sky and read noise as a floor that rises to both ends, photon noise of the source on top.

    Parameters
    ----------
    flux : (N, 4500) noiseless, on the observed grid

    Returns
    -------
    (N, 4500) float32, 1e-17 erg / (s cm2 Å)

    """
    wave = OBSERVED_WAVE_AA
    blue = 1.2 * np.exp(-(wave - 3900) / 350)
    red = 0.5 * np.clip((wave - 6500) / 2000, 0, None) ** 2
    floor = 0.8 * (1 + blue + red) * rng.lognormal(0, 0.15, (len(flux), 1))
    sigma: FloatArray = np.sqrt(floor**2 + 0.010 * np.clip(flux, 0, None)).astype(np.float32)
    return sigma
