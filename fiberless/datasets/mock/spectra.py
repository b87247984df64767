"""Fibre spectra of the simulated survey: line-of-sight and instrumental broadening, lines, noise."""

from functools import cache
from typing import Final

import numpy as np
import scipy.fft
from numpy.polynomial.legendre import legvander
from scipy.special import ndtr

from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import (
    LIGHT_SPEED_KMS,
    OBSERVED_WAVE_AA,
    PIXEL_KMS,
    TEMPLATE_MARGIN,
    TEMPLATE_WAVE_AA,
    sigma_instrument_kms,
    sigma_library_kms,
)
from fiberless.datasets.mock.nebular import LINE_WAVE_AA

__all__ = [
    "CALIBRATION_DEGREE",
    "CALIBRATION_RMS",
    "WING_WIDTH",
    "absorb_sodium",
    "add_lines",
    "broaden",
    "calibration_error",
    "fibre_noise",
    "rest_window",
]

WING_WIDTH: Final = 2.0
"""Dispersion of the broad, blueshifted wing of a nucleus' lines over that of their core."""
CALIBRATION_DEGREE: Final = 8
CALIBRATION_RMS: Final = 0.02
_NODES: Final = 4
_LINE_REACH: Final = 40
_MAX_SIGMA_PIXELS: Final = 8.0
_SODIUM_AA: Final = np.array([5891.58, 5897.56])
_SODIUM_SHARE: Final = np.array([0.57, 0.43])
_SODIUM_CONTINUUM_AA: Final = (5878.0, 5912.0)
_SKY_AA: Final = (
    3850.0,
    3950.0,
    4100.0,
    4350.0,
    4750.0,
    5250.0,
    5750.0,
    5950.0,
    6250.0,
    6750.0,
    7250.0,
    8500.0,
)
_SKY_NOISE: Final = (2.6, 1.95, 1.5, 1.08, 0.82, 0.67, 0.70, 0.66, 0.46, 0.37, 0.37, 0.37)
_SKY_LINES: Final = (
    *(
        (4048.0, 1.0),
        (4359.0, 1.2),
        (5463.0, 0.9),
        (5578.5, 6.0),
        (5893.0, 2.0),
        (6238.0, 0.6),
        (6302.0, 0.9),
    ),
    *(
        (6333.0, 0.6),
        (6500.0, 0.35),
        (6534.0, 0.35),
        (6555.0, 0.4),
        (6580.0, 0.4),
        (6831.0, 0.5),
        (6866.0, 0.9),
    ),
    *(
        (6925.0, 0.5),
        (6950.0, 0.55),
        (7243.0, 0.9),
        (7278.0, 1.4),
        (7318.0, 0.9),
        (7343.0, 1.0),
        (7372.0, 1.0),
    ),
    *(
        (7405.0, 0.9),
        (7527.0, 0.6),
        (7574.0, 0.6),
        (7602.0, 1.2),
        (7631.0, 0.8),
        (7718.0, 1.1),
        (7752.0, 1.2),
    ),
    *(
        (7797.0, 1.0),
        (7823.0, 1.5),
        (7856.0, 1.2),
        (7892.0, 1.0),
        (7916.0, 1.8),
        (7934.0, 0.9),
        (7967.0, 1.3),
    ),
    *(
        (7995.0, 1.3),
        (8028.0, 1.5),
        (8065.0, 1.0),
        (8104.0, 0.6),
        (8283.0, 1.1),
        (8300.0, 1.3),
        (8346.0, 2.1),
    ),
    *((8385.0, 1.4), (8402.0, 2.5), (8433.0, 2.4), (8455.0, 1.2), (8468.0, 2.2), (8495.0, 1.2)),
)
"""Strong lines of the night sky: Å and extra noise at their centre, flux units per native pixel."""
_SKY_LINE_SIGMA_AA: Final = 2.0


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
    spectra: FloatArray,
    line_flux: FloatArray,
    redshift: FloatArray,
    sigma_gas_kms: FloatArray,
    *,
    velocity_kms: FloatArray | float = 0.0,
) -> FloatArray:
    """Add pixel-integrated Gaussian lines.

    Parameters
    ----------
    spectra : (N, 4022) observed F_λ on the rest-frame grid, 1e-17 erg / (s cm2 Å)
    line_flux : (N, 31) 1e-17 erg / (s cm2)
    velocity_kms : of the gas against the redshift, (N,) or one for all

    Returns
    -------
    (N, 4022) float32, a new array

    """
    return _add_gaussians(
        spectra,
        line_flux,
        LINE_WAVE_AA,
        redshift=redshift,
        sigma_kms=sigma_gas_kms,
        velocity_kms=velocity_kms,
    )


def absorb_sodium(
    spectra: FloatArray, width_aa: FloatArray, redshift: FloatArray, sigma_gas_kms: FloatArray
) -> FloatArray:
    """Deepen Na D by rest-frame equivalent widths (N,) in Å; other arguments as in `add_lines`."""
    near = slice(*np.searchsorted(TEMPLATE_WAVE_AA, _SODIUM_CONTINUUM_AA))
    lost = -width_aa * spectra[:, near].mean(axis=1) * (1 + redshift)
    return _add_gaussians(
        spectra,
        lost[:, None] * _SODIUM_SHARE,
        _SODIUM_AA,
        redshift=redshift,
        sigma_kms=sigma_gas_kms,
        velocity_kms=0.0,
    )


def _add_gaussians(
    spectra: FloatArray,
    line_flux: FloatArray,
    wave_aa: FloatArray,
    *,
    redshift: FloatArray,
    sigma_kms: FloatArray,
    velocity_kms: FloatArray | float,
) -> FloatArray:
    result = spectra.copy()
    rows = np.arange(len(spectra))[:, None]
    offsets = np.arange(-_LINE_REACH, _LINE_REACH + 1)
    pixel_log = np.log(TEMPLATE_WAVE_AA[1] / TEMPLATE_WAVE_AA[0])
    shift = np.broadcast_to(np.asarray(velocity_kms) / PIXEL_KMS, redshift.shape)
    for index, wave in enumerate(wave_aa):
        sigma = np.hypot(sigma_kms, sigma_instrument_kms(wave * (1 + redshift))) / PIXEL_KMS
        centre = np.log(wave / TEMPLATE_WAVE_AA[0]) / pixel_log
        pixels = round(centre) + offsets
        edges = np.append(pixels, pixels[-1] + 1) - 0.5 - centre - shift[:, None]
        share = np.diff(ndtr((edges / sigma[:, None]).astype(np.float32)), axis=1)
        width = TEMPLATE_WAVE_AA[pixels] * pixel_log * (1 + redshift[:, None])
        result[rows, pixels] += (line_flux[:, index, None] * share / width).astype(np.float32)
    return result


def rest_window(template: FloatArray) -> FloatArray:
    """Cut the templates' margin: (N, 4022) → (N, 3902) on `wavelength.REST_WAVE_AA`."""
    return template[:, TEMPLATE_MARGIN:-TEMPLATE_MARGIN]


def calibration_error(rng: np.random.Generator, n: int, *, rms: float = CALIBRATION_RMS) -> FloatArray:
    """Wrong flux calibration: Legendre polynomials of degree 1 to 8 in the logarithm.

    Amplitudes fall as 1/√degree, since calibration errors are largest at long waves.

    Returns
    -------
    (N, 4500) float32 factors on the observed grid, `rms` about one on average

    """
    x = (OBSERVED_WAVE_AA - OBSERVED_WAVE_AA.mean()) / (np.ptp(OBSERVED_WAVE_AA) / 2)
    degree = np.arange(1, CALIBRATION_DEGREE + 1)
    curves = legvander(x, CALIBRATION_DEGREE)[:, 1:] / np.sqrt(degree)
    curves *= rms / np.sqrt(np.mean(np.sum(curves**2, axis=1)))
    factor: FloatArray = np.exp(rng.standard_normal((n, CALIBRATION_DEGREE)) @ curves.T).astype(np.float32)
    return factor


def fibre_noise(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """Standard deviation of an SDSS spectrum's noise per 1-Å pixel.

    σ² = s² + 0.048 s F + (0.0165 F)² for a pixel of the spectrograph (69 km/s): s is the noise of a sky
    fibre, with the strong sky lines in it; photons of the source are counted at the throughput that s shows;
    the last term is the limit of the survey's flat fields and sky subtraction, seen in bright galaxies. Set
    by hand on real spectra of 20 to 370 flux units. Noise of one 1-Å pixel is larger by the square root of
    the pixels' ratio, so that the information of an Å is the same.

    Parameters
    ----------
    flux : (N, 4500) noiseless, on the observed grid

    Returns
    -------
    (N, 4500) float32, 1e-17 erg / (s cm2 Å)

    """
    positive = np.clip(flux, 0, None)
    sky = _sky_noise() * rng.lognormal(0, 0.15, (len(flux), 1))
    variance = sky**2 + 0.048 * sky * positive + (0.0165 * positive) ** 2
    native_aa = OBSERVED_WAVE_AA * PIXEL_KMS / LIGHT_SPEED_KMS
    sigma: FloatArray = np.sqrt(variance * native_aa).astype(np.float32)
    return sigma


@cache
def _sky_noise() -> FloatArray:
    """Noise of a sky fibre per native pixel: throughput and sky continuum, and lines of the sky. (4500,)"""
    continuum = np.exp(np.interp(np.log(OBSERVED_WAVE_AA), np.log(_SKY_AA), np.log(_SKY_NOISE)))
    line_aa, excess = np.array(_SKY_LINES).T
    shape = np.exp(-0.5 * ((OBSERVED_WAVE_AA[:, None] - line_aa) / _SKY_LINE_SIGMA_AA) ** 2)
    noise: FloatArray = np.sqrt(continuum**2 + ((excess**2) * shape).sum(axis=1))
    return noise
