"""Attenuation curves."""

import numpy as np

from fiberless.arrays import FloatArray

__all__ = ["birth_cloud_curve", "calzetti_curve", "cardelli_curve"]


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


def cardelli_curve(wave_rest_aa: FloatArray, *, r_v: float = 3.1) -> FloatArray:
    """A(λ)/A_V of the Milky Way, 3030 Å to 3.3 µm (Cardelli+89, ApJ 345, 245, eqs. 2 and 3)."""
    x = 1e4 / np.asarray(wave_rest_aa, dtype=np.float64)
    y = x - 1.82
    a = (0.0, 0.32999, -0.77530, 0.01979, 0.72085, -0.02427, -0.50447, 0.17699, 1.0)
    b = (0.0, -2.09002, 5.30260, -0.62251, -5.38434, 1.07233, 2.28305, 1.41338, 0.0)
    infrared = (0.574 - 0.527 / r_v) * x**1.61
    curve: FloatArray = np.where(x < 1.1, infrared, np.polyval(a, y) + np.polyval(b, y) / r_v)
    return curve
