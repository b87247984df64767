"""Distances: flat ΛCDM, H0 = 70 km/s/Mpc, Ωm = 0.3 (science page)."""

from typing import Final

import numpy as np
from astropy.cosmology import FlatLambdaCDM

from fiberless.arrays import FloatArray

__all__ = ["COSMOLOGY", "kpc_per_arcsec", "lookback_time_gyr", "luminosity_distance_cm", "volume_element"]

COSMOLOGY: Final = FlatLambdaCDM(H0=70.0, Om0=0.3)
_MPC_CM: Final = 3.0856775814913673e24


def luminosity_distance_cm(redshift: FloatArray) -> FloatArray:
    """Luminosity distance in cm."""
    return np.asarray(COSMOLOGY.luminosity_distance(redshift).value) * _MPC_CM


def lookback_time_gyr(redshift: FloatArray) -> FloatArray:
    """Time since the light left, Gyr."""
    return np.asarray(COSMOLOGY.lookback_time(redshift).value)


def kpc_per_arcsec(redshift: FloatArray) -> FloatArray:
    """Proper transverse scale."""
    return np.asarray(COSMOLOGY.kpc_proper_per_arcmin(redshift).value) / 60.0


def volume_element(redshift: FloatArray) -> FloatArray:
    """Differential comoving volume dV/dz/dΩ in Mpc3 / sr."""
    return np.asarray(COSMOLOGY.differential_comoving_volume(redshift).value)
