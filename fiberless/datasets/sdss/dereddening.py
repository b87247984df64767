"""Takes the Milky Way's dust out of observed spectra, as the simulated ones are without it."""

from typing import Final

import numpy as np
from scipy.interpolate import CubicSpline

from fiberless.arrays import FloatArray

__all__ = ["galactic_curve", "spectrum_correction"]

_RECALIBRATION: Final = 0.888
"""Scale of the curve for an E(B−V) of the SFD map: with it the bands get the coefficients of Schlafly &
Finkbeiner (2011, ApJ 737, 103, table 6), all five to 0.5 %, whose map is normalised at 1 µm."""

_ANCHORS_AA: Final = np.array([np.inf, 26500.0, 12200.0, 6000.0, 5470.0, 4670.0, 4110.0, 2700.0, 2600.0])
_ANCHORS: Final = np.array([0.0, 0.265, 0.829, 2.688, 3.055, 3.806, 4.315, 6.265, 6.591])
"""A(λ)/E(B−V) of Fitzpatrick (1999, PASP 111, 63), table 3, R_V = 3.1."""


def galactic_curve(wave_aa: FloatArray) -> FloatArray:
    """A(λ) / E(B−V) of the Milky Way, R_V = 3.1: cubic spline in 1/λ through the anchors of table 3.

    Parameters
    ----------
    wave_aa : any shape, 2600 Å and longer; E(B−V) is a true one, not the SFD map's

    """
    curve: FloatArray = CubicSpline(1 / _ANCHORS_AA, _ANCHORS)(1 / np.asarray(wave_aa, dtype=np.float64))
    return curve


def spectrum_correction(wave_aa: FloatArray, ebv_sfd: float) -> FloatArray:
    """Factor on F_λ that undoes the extinction of an E(B−V) of the SFD map. Shape of `wave_aa`."""
    factor: FloatArray = 10 ** (0.4 * _RECALIBRATION * ebv_sfd * galactic_curve(wave_aa))
    return factor
