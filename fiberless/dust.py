"""Attenuation curves. Imports numpy only."""

import numpy as np

from fiberless.arrays import FloatArray

__all__ = ["birth_cloud_curve", "calzetti_curve"]


def calzetti_curve(wave_rest_aa: FloatArray) -> FloatArray:
    """A(λ)/A_V of starburst galaxies (Calzetti et al. 2000, ApJ 533, 682, eq. 4), R_V = 4.05, 0.12–2.2 µm."""
    um = np.asarray(wave_rest_aa, dtype=np.float64) / 1e4
    blue = 2.659 * (-2.156 + 1.509 / um - 0.198 / um**2 + 0.011 / um**3) + 4.05
    red = 2.659 * (-1.857 + 1.040 / um) + 4.05
    curve: FloatArray = np.where(um < 0.63, blue, red) / 4.05
    return curve


def birth_cloud_curve(wave_rest_aa: FloatArray) -> FloatArray:
    """A(λ)/A_V of a birth cloud, (λ/5500 Å)^−1.3 (Charlot & Fall 2000; slope of da Cunha et al. 2008)."""
    curve: FloatArray = (np.asarray(wave_rest_aa, dtype=np.float64) / 5500.0) ** -1.3
    return curve
