"""Noise of a spectrum: estimated where it comes without errors, and added again."""

from typing import Final

import numpy as np

from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import BoolArray, FloatArray

__all__ = ["neighbour_noise", "seen_again"]

_MIN_NOISE: Final = 1e-6


def neighbour_noise(flux: FloatArray, valid: BoolArray) -> float:
    """Standard deviation of a pixel: 1.48 MAD of f[i] − (f[i−1] + f[i+1]) / 2, over √1.5.

    Right for noise that is independent from pixel to pixel; smoothed spectra show less than they have. Never
    below a millionth of the mean absolute flux, so that a noiseless spectrum has a weight.

    Parameters
    ----------
    flux : (L,)
    valid : (L,)

    """
    used = flux[valid]
    if used.size < 3:
        return 1.0
    step = used[1:-1] - (used[:-2] + used[2:]) / 2
    sigma = 1.4826 * float(np.median(np.abs(step - np.median(step)))) / np.sqrt(1.5)
    return max(sigma, _MIN_NOISE * float(np.abs(used).mean())) or 1.0


def seen_again(pixels: PixelFlux, rng: np.random.Generator, *, count: int) -> PixelFlux:
    """Copies of one spectrum, each with noise of its inverse variance added to it, `count` of them."""
    noise = np.zeros((count, pixels.flux.shape[1]))
    if pixels.ivar is not None:
        np.divide(rng.standard_normal(noise.shape), np.sqrt(pixels.ivar), out=noise, where=pixels.valid)
    ivar = None if pixels.ivar is None else np.repeat(pixels.ivar, count, axis=0)
    valid = np.repeat(pixels.valid, count, axis=0)
    return PixelFlux(pixels.edges_aa, pixels.flux + noise, valid, ivar)
