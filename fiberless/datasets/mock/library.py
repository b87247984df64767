"""Smooth corrections of the stellar library's colours, fitted to the loci of real SDSS galaxies.

Population-synthesis models of old galaxies miss the observed g−r against u−g and r−i by some 0.1 mag
whatever the age and metallicity (Maraston et al. 2009, MNRAS 394, L107). Between its knots a correction is
monotone and smooth, so that no spectral feature narrower than 500 Å changes.
"""

from typing import Final

import numpy as np
from scipy.interpolate import PchipInterpolator

from fiberless.arrays import FloatArray
from fiberless.datasets.mock.hyperparameters import LIBRARY_KNOTS_AA, Hyperparameters

__all__ = ["library_correction", "ultraviolet_shape", "young_correction"]

_YOUNG_AGE_GYR: Final = 1.0
_OLD_AGE_GYR: Final = 3.0
_ULTRAVIOLET_AA: Final = (3400.0, 4300.0)


def library_correction(age_gyr: FloatArray, wave_rest_aa: FloatArray, fit: Hyperparameters) -> FloatArray:
    """Factor on the light of populations rich in metals: from the young to the old correction, 1 to 3 Gyr.

    Parameters
    ----------
    age_gyr : (A,)
    wave_rest_aa : (L,)

    Returns
    -------
    (A, L) float32

    """
    young, old = (_smooth(mag, wave_rest_aa) for mag in (fit.library_young_mag, fit.library_old_mag))
    share = np.clip(np.log(age_gyr / _YOUNG_AGE_GYR) / np.log(_OLD_AGE_GYR / _YOUNG_AGE_GYR), 0, 1)[:, None]
    return _factor((1 - share) * young + share * old + _step_mag(wave_rest_aa) * (1 - share))


def young_correction(wave_rest_aa: FloatArray, fit: Hyperparameters) -> FloatArray:
    """Factor on the light of populations in disks, and of all below 1 Gyr. (L,) float32"""
    return _factor(_smooth(fit.library_young_mag, wave_rest_aa) + _step_mag(wave_rest_aa))


def ultraviolet_shape(wave_rest_aa: FloatArray) -> FloatArray:
    """Shape of the scatter between old galaxies: one below 3400 Å, none above 4300 Å. (L,)"""
    low, high = _ULTRAVIOLET_AA
    x = np.clip((high - wave_rest_aa) / (high - low), 0, 1)
    shape: FloatArray = x**2 * (3 - 2 * x)
    return shape


def _smooth(magnitudes: tuple[float, ...], wave_rest_aa: FloatArray) -> FloatArray:
    curve: FloatArray = PchipInterpolator(np.log(LIBRARY_KNOTS_AA), magnitudes)(np.log(wave_rest_aa))
    return curve


def _step_mag(wave_rest_aa: FloatArray) -> FloatArray:
    """Beyond 7400 Å the grid leaves MILES for another library, which is brighter."""
    return 0.025 * np.clip((wave_rest_aa - 7200) / 800, 0, 1)


def _factor(magnitudes: FloatArray) -> FloatArray:
    factor: FloatArray = (10 ** (-0.4 * magnitudes)).astype(np.float32)
    return factor
