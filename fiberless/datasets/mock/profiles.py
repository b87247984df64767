"""Shapes of light in Fourier space: Sérsic profiles as sums of Gaussians, the PSF, the fibre.

Images are made on a padded grid of 128² pixels of 0.396" and cut to 64². Wave numbers are in cycles a pixel.
"""

from functools import cache
from typing import Final

import numpy as np
from scipy.optimize import nnls
from scipy.special import gamma, gammaincinv, j1

from fiberless.arrays import FloatArray
from fiberless.astro.bands import PIXEL_SCALE_ARCSEC

__all__ = [
    "GRID",
    "PSF_FWHM_SIGMAS",
    "PSF_SHARES",
    "PSF_WIDTHS",
    "elliptical",
    "fibre_weights",
    "psf",
    "shift",
    "wave_numbers",
]

GRID: Final = 128
_FIBRE_RADIUS_ARCSEC: Final = 1.5
_SERSIC_STEP: Final = 0.25
_GAUSSIAN_SIGMAS: Final = np.geomspace(0.02, 12.0, 14)
"""Widths of the Gaussians in units of the half-light radius."""
PSF_WIDTHS: Final = np.array([1.0, 1.75, 3.7])
"""Widths of the PSF's core, skirt and wing over the core's."""
PSF_SHARES: Final = np.array([0.58, 0.32, 0.10])
"""Flux in them: to 5 %, out to 10 px, the profiles of stars in the frames of run 2820, field 122."""
PSF_FWHM_SIGMAS: Final = 2.54
"""Full width at half maximum of the whole over the core's σ."""


@cache
def wave_numbers() -> tuple[FloatArray, FloatArray]:
    """(ky, kx) of the half-complex transform, shapes (128, 1) and (1, 65)."""
    ky = np.fft.fftfreq(GRID)[:, None].astype(np.float32)
    kx = np.fft.rfftfreq(GRID)[None, :].astype(np.float32)
    return ky, kx


@cache
def _sersic_gaussians() -> FloatArray:
    """Flux in each Gaussian of unit-flux Sérsic profiles with n = 1, 1.25 … 6, cut at 8 R50. (21, 14)"""
    radius = np.geomspace(0.01, 8.0, 160)
    design = np.exp(-0.5 * (radius[:, None] / _GAUSSIAN_SIGMAS) ** 2) / (2 * np.pi * _GAUSSIAN_SIGMAS**2)
    rows = []
    for n in np.arange(1.0, 6.0 + _SERSIC_STEP / 2, _SERSIC_STEP):
        b = gammaincinv(2 * n, 0.5)
        norm = 2 * np.pi * n * b ** (-2 * n) * gamma(2 * n)
        profile = np.exp(-b * radius ** (1 / n)) / norm
        # weights r·√profile balance the relative error per ring against the flux in it
        weight = radius / np.sqrt(profile)
        share, _ = nnls(design * weight[:, None], profile * weight)
        rows.append(share / share.sum())
    return np.array(rows, np.float32)


def elliptical(
    r50_pixels: FloatArray, sersic: FloatArray, axis_ratio: FloatArray, position_angle: FloatArray
) -> FloatArray:
    """Transforms of elliptical Sérsic profiles of unit flux.

    Parameters
    ----------
    r50_pixels : (N,) half-light radius along the major axis
    sersic : (N,) index, rounded to the next 0.25 in 1…6
    axis_ratio, position_angle : (N,), angle of the major axis in rad from +x

    Returns
    -------
    (N, 128, 65) float32; real, since the profiles are symmetric about the origin

    """
    row = np.clip(np.rint((sersic - 1.0) / _SERSIC_STEP).astype(int), 0, len(_sersic_gaussians()) - 1)
    share = _sersic_gaussians()[row]
    k2 = r50_pixels[:, None, None].astype(np.float32) ** 2 * _elliptical_k2(axis_ratio, position_angle)
    transform = np.zeros_like(k2)
    for component, sigma in enumerate(_GAUSSIAN_SIGMAS):
        present = np.flatnonzero(share[:, component] > 1e-4)
        exponent = np.float32(-2 * np.pi**2 * sigma**2) * k2[present]
        transform[present] += share[present, component, None, None] * np.exp(exponent)
    return transform


def _elliptical_k2(axis_ratio: FloatArray, position_angle: FloatArray) -> FloatArray:
    ky, kx = wave_numbers()
    cosine, sine = (f(position_angle).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    ratio = axis_ratio.astype(np.float32)[:, None, None]
    k2: FloatArray = (kx * cosine + ky * sine) ** 2 + (ratio * (ky * cosine - kx * sine)) ** 2
    return k2


def psf(
    fwhm_pixels: FloatArray, *, ellipticity: FloatArray | None = None, shares: FloatArray | None = None
) -> FloatArray:
    """Transforms of the point-spread function: core, skirt and wing, three Gaussians.

    The pixel is part of the measured widths.

    Parameters
    ----------
    fwhm_pixels : (N,) full width at half maximum of the whole
    ellipticity : (N, 2) components e₊ = (σx² − σy²) / (σx² + σy²) and e×, default round
    shares : (N, 3) flux in the three, default `PSF_SHARES`

    Returns
    -------
    (N, 128, 65) float32

    """
    n = len(fwhm_pixels)
    share = np.broadcast_to(PSF_SHARES if shares is None else shares, (n, 3)).astype(np.float32)
    plus, cross = np.zeros((2, n)) if ellipticity is None else ellipticity.T
    ky, kx = wave_numbers()
    k2 = (kx**2 + ky**2) + _column(plus) * (kx**2 - ky**2) + _column(2 * cross) * (kx * ky)
    exponent = _column(-2 * np.pi**2 * (fwhm_pixels / PSF_FWHM_SIGMAS) ** 2) * k2
    transform = np.zeros_like(exponent)
    for component, width in enumerate(PSF_WIDTHS):
        transform += _column(share[:, component]) * np.exp(np.float32(width**2) * exponent)
    return transform


def _column(values: FloatArray) -> FloatArray:
    """One float32 value a galaxy, to multiply planes with. (N,) → (N, 1, 1)"""
    return values.astype(np.float32)[:, None, None]


def shift(dx: FloatArray, dy: FloatArray) -> FloatArray:
    """Transforms of unit points at (dx, dy) pixels from the grid's origin. (N,) → (N, 128, 65) complex64"""
    ky, kx = wave_numbers()
    row = np.exp(-2j * np.pi * dy[:, None, None] * ky).astype(np.complex64)
    column = np.exp(-2j * np.pi * dx[:, None, None] * kx).astype(np.complex64)
    points: FloatArray = row * column
    return points


@cache
def fibre_weights() -> FloatArray:
    """Weights w with Σ w·Re(transform) = light inside a 3" fibre at the origin (Parseval). (128, 65)"""
    ky, kx = wave_numbers()
    k = np.hypot(kx, ky).astype(np.float64)
    radius = _FIBRE_RADIUS_ARCSEC / PIXEL_SCALE_ARCSEC
    argument = 2 * np.pi * np.where(k > 0, k, 1.0) * radius
    disc = np.pi * radius**2 * np.where(k > 0, 2 * j1(argument) / argument, 1.0)
    doubled = np.where((kx > 0) & (kx < 0.5), 2.0, 1.0)
    weights: FloatArray = (disc * doubled / GRID**2).astype(np.float32)
    return weights
