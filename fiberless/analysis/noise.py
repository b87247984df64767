"""Noise of a spectrum that comes without errors. Imports numpy only."""

from typing import Final

import numpy as np

from fiberless.arrays import BoolArray, FloatArray

__all__ = ["neighbour_noise"]

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
