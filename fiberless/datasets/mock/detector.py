"""From light to stored pixels: photon and dark noise, resampling, sky left over, zero points."""

from functools import cache
from typing import Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.astro.bands import N_BANDS, PIXEL_SCALE_ARCSEC
from fiberless.images.cutout import CUTOUT_PIXELS

__all__ = ["CALIBRATION_SIGMA", "NMGY_PER_COUNT", "expose", "resampling_matrices"]

GAIN: Final = np.array([1.6, 3.9, 4.7, 4.9, 4.8])
DARK_VARIANCE: Final = np.array([9.3, 1.5, 1.2, 6.2, 1.1])
NMGY_PER_COUNT: Final = np.array([0.0102, 0.0038, 0.0049, 0.0063, 0.0316])
SKY_MAG_ARCSEC2: Final = np.array([22.05, 21.75, 20.80, 20.25, 19.00])
CALIBRATION_SIGMA: Final = np.array([0.015, 0.003, 0.003, 0.003, 0.003])
"""Relative error of the zero points since DR13: per-run residuals of 15 mmag in u and 3 mmag in griz
(Finkbeiner et al. 2016, ApJ 822, 66)."""
RESIDUAL_SKY: Final = np.array([0.05, 0.05, 0.04, 0.04, 0.02])
"""Sky left after subtraction in units of a pixel's noise: scatter of the medians of 25" squares in the frames
of run 2820, field 122, less what noise and faint sources give."""
_NATIVE_R_SHARE: Final = 0.4
"""Images cut on the pixels of r, as from frames; in the others r is interpolated as well."""
_R_BAND: Final = 2
_PHASES: Final = 32


def expose(rng: np.random.Generator, images: FloatArray) -> FloatArray:
    """Noisy images as a survey hands them out.

    Bands are interpolated onto common pixels, which correlates neighbouring pixels and lowers their noise;
    the light itself is left as it is, since its PSF is that of the final image.

    Parameters
    ----------
    images : (N, 5, 64, 64) nanomaggies a pixel, noiseless

    Returns
    -------
    (N, 5, 64, 64) float32

    """
    n = len(images)
    sky_mag = SKY_MAG_ARCSEC2 + rng.normal(0, 0.15, (n, N_BANDS))
    sky = 10 ** (0.4 * (22.5 - sky_mag)) * PIXEL_SCALE_ARCSEC**2
    scale = NMGY_PER_COUNT * 10 ** rng.normal(0, 0.03, (n, N_BANDS))
    # variance in nmgy²: linear in the light, so that two small arrays stand for three large ones
    slope = scale / GAIN
    floor = sky * slope + DARK_VARIANCE * scale**2
    sigma = np.sqrt(np.maximum(images, 0) * _plane(slope) + _plane(floor))
    noise = sigma * rng.standard_normal(images.shape, np.float32)
    pedestal = np.sqrt(floor) * rng.normal(0, RESIDUAL_SKY, (n, N_BANDS))
    calibration = 1 + rng.normal(0, CALIBRATION_SIGMA, (n, N_BANDS))
    result: FloatArray = images * _plane(calibration) + _resample(rng, noise) + _plane(pedestal)
    return result


def _resample(rng: np.random.Generator, noise: FloatArray) -> FloatArray:
    """Noise interpolated by cubic splines at a random phase per band and axis. (N, 5, 64, 64)"""
    n = len(noise)
    phase = rng.integers(0, _PHASES, (2, n, N_BANDS))
    phase[:, rng.uniform(size=n) < _NATIVE_R_SHARE, _R_BAND] = 0
    rows, columns = resampling_matrices()[phase]
    result: FloatArray = rows @ noise @ columns.swapaxes(-1, -2)
    return result


@cache
def resampling_matrices() -> FloatArray:
    """Interpolation by the cardinal cubic spline at phases 0, 1/32 … 31/32 of a pixel, periodic.

    Returns
    -------
    (32, 64, 64) float32; matrix 0 is the identity

    """
    k = 2 * np.pi * np.fft.rfftfreq(CUTOUT_PIXELS)
    inverse = (4 + 2 * np.cos(k)) / 6
    matrices = []
    for phase in np.arange(_PHASES) / _PHASES:
        # cubic B-spline at −1, 0, 1, 2 pixels from the phase
        taps = np.array([(1 - phase) ** 3, 4 - 6 * phase**2 + 3 * phase**3, 0.0, phase**3]) / 6
        taps[2] = 1 - taps.sum()
        transform = sum(tap * np.exp(-1j * k * step) for tap, step in zip(taps, (-1, 0, 1, 2), strict=True))
        response = np.fft.irfft(transform / inverse, n=CUTOUT_PIXELS)
        matrices.append(np.stack([np.roll(response, row) for row in range(CUTOUT_PIXELS)]))
    return np.array(matrices, np.float32)


def _plane(values: FloatArray) -> FloatArray:
    """One value a band, to multiply images with. (N, 5) → (N, 5, 1, 1) float32"""
    return values.astype(np.float32)[..., None, None]
