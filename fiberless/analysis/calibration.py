"""What a wrong flux calibration of an observed spectrum does to what is measured on it."""

from typing import Final

import numpy as np
from numpy.polynomial.legendre import legvander

from fiberless.arrays import FloatArray

__all__ = ["CALIBRATION_DEGREE", "CALIBRATION_RANGE_AA", "CALIBRATION_RMS", "calibration_modes"]

CALIBRATION_RMS: Final = 0.02
"""Error of the shape of an SDSS spectrum's flux calibration; the common factor is not in it."""
CALIBRATION_DEGREE: Final = 8
CALIBRATION_RANGE_AA: Final = (4000.0, 8499.0)
"""Observed wavelengths that the polynomials are normalised over; constant beyond."""


def calibration_modes(wave_observed_aa: FloatArray) -> FloatArray:
    """Standard deviations of the independent modes of ln F's calibration error at given wavelengths.

    Legendre polynomials of degree 1 to 8 whose amplitudes fall as 1/√degree, as in the simulated survey. The
    error of a sum of logarithms is the norm of the same sum of modes.

    Parameters
    ----------
    wave_observed_aa : (...) observed Å

    Returns
    -------
    (..., 8)

    """
    low, high = CALIBRATION_RANGE_AA
    degree = np.arange(1, CALIBRATION_DEGREE + 1)
    grid = legvander(np.linspace(-1, 1, 2001), CALIBRATION_DEGREE)[:, 1:] / np.sqrt(degree)
    rms = np.sqrt(np.mean(np.sum(grid**2, axis=1)))
    x = np.clip((np.asarray(wave_observed_aa) - (low + high) / 2) / ((high - low) / 2), -1.0, 1.0)
    curves: FloatArray = legvander(np.atleast_1d(x), CALIBRATION_DEGREE)[..., 1:] / np.sqrt(degree)
    return (curves * (CALIBRATION_RMS / rms)).reshape(*np.shape(x), CALIBRATION_DEGREE)
