"""Sizes and shapes of objects at the middle of images, measured alike on simulated and real ones."""

from typing import Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.astro.bands import BANDS
from fiberless.images.apertures import aperture_nmgy, centres_px

__all__ = ["adaptive_fwhm_px", "axis_ratio", "light_radii_arcsec"]

_ROUNDS: Final = 40
_RADII_ARCSEC: Final = tuple(np.arange(0.4, 10.01, 0.4))
_REACH_PX: Final = 14


def adaptive_fwhm_px(images: FloatArray) -> FloatArray:
    """Full width of the round Gaussian that fits the middle object best, by adaptive moments.

    Parameters
    ----------
    images : (N, H, W), background near zero

    Returns
    -------
    (N,) pixels; the weight's width is held between 0.7 and 8 px

    """
    return _adapt(images)[0] * 2.3548


def axis_ratio(images: FloatArray) -> FloatArray:
    """Minor over major axis from the moments under the adapted round weight, PSF included. (N,)"""
    _, moments = _adapt(images)
    xx, yy, xy = moments.T
    half = np.hypot((xx - yy) / 2, xy)
    ratio: FloatArray = np.sqrt(
        np.clip((xx + yy) / 2 - half, 1e-6, None) / np.clip((xx + yy) / 2 + half, 1e-6, None)
    )
    return ratio


def light_radii_arcsec(images: FloatArray) -> FloatArray:
    """Radii in r that hold half and 90 % of the light within 10".

    Parameters
    ----------
    images : (N, 5, H, W)

    Returns
    -------
    (N, 2) arcsec, the PSF included

    """
    growth = aperture_nmgy(images, radii_arcsec=_RADII_ARCSEC)[:, BANDS.index("r")]
    share = np.maximum.accumulate(growth, axis=1)
    share = share / np.maximum(share[:, -1:], 1e-9)
    radii = np.array(_RADII_ARCSEC)
    return np.array([np.interp((0.5, 0.9), row, radii) for row in share]).reshape(-1, 2)


def _adapt(images: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Widths (N,) of the matched round weight in px and second moments (N, 3) under it, doubled."""
    planes = np.repeat(np.asarray(images)[:, None], len(BANDS), axis=1)
    centre = centres_px(planes)
    side = images.shape[-1]
    y, x = np.mgrid[:side, :side].astype(np.float64)
    dy, dx = y - centre[:, 0, None, None], x - centre[:, 1, None, None]
    near = np.hypot(dx, dy) < _REACH_PX
    width = np.full(len(images), 1.6)
    for _ in range(_ROUNDS):
        light = np.exp(-(dx**2 + dy**2) / (2 * width[:, None, None] ** 2)) * images * near
        total = np.maximum(light.sum(axis=(1, 2)), 1e-9)
        square = np.clip((light * (dx**2 + dy**2)).sum(axis=(1, 2)) / total / 2, 0.1, None)
        width = np.clip(1 / np.sqrt(np.clip(1 / square - 1 / width**2, 1 / 64, 1 / 0.49)), 0.7, 8.0)
    light = np.exp(-(dx**2 + dy**2) / (2 * width[:, None, None] ** 2)) * images * near
    total = np.maximum(light.sum(axis=(1, 2)), 1e-9)
    moments = [(light * product).sum(axis=(1, 2)) / total for product in (dx * dx, dy * dy, dx * dy)]
    return width, 2 * np.stack(moments, axis=1)
