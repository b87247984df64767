"""Reports physical quantities of a galaxy's candidates as measurements with units, intervals and flags."""

from typing import Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.contract.measurements import summarise
from fiberless.contract.properties import INTERVAL_LEVEL, Flag, Measurement
from fiberless.inference.physical import PhysicalQuantities

__all__ = ["MIN_EW_HALPHA_AA", "MIN_SIGMA_KMS", "physical_properties"]

MIN_SIGMA_KMS: Final = 90.0
"""Below it a survey's resolution of 70 km/s leaves little of the stars' own width."""
MIN_EW_HALPHA_AA: Final = 3.0
"""Below it hardly any gas is lit by young stars (Cid Fernandes et al. 2011), whose metals could be told."""
_RV: Final = 4.05
_METHOD: Final = (
    "posterior of the model, learned from the training set's true values; better calibrated on simulated "
    "galaxies than full-spectrum fits of the candidates"
)
"""Measured on 220 held-out galaxies, see docs/decisions/latent-model.md."""


def physical_properties(
    physical: PhysicalQuantities, ew_halpha: Measurement, *, level: float = INTERVAL_LEVEL
) -> dict[str, Measurement]:
    """Medians and intervals by the names of `Properties`.

    Parameters
    ----------
    physical : (K,) of each candidate
    ew_halpha : rest-frame equivalent width of Hα, Å; decides whether the gas metallicity can be trusted

    """
    samples = {
        "velocity_dispersion": (10**physical.log_sigma, "km / s"),
        "stellar_age": (10**physical.log_age, "Gyr"),
        "stellar_metallicity": (physical.metallicity, "dex"),
        "stellar_age_mass": (10**physical.log_age_mass, "Gyr"),
        "stellar_metallicity_mass": (physical.metallicity_mass, "dex"),
        "log_ml_living_r": (physical.log_ml_living, "dex(solMass / solLum)"),
        "log_ml_formed_r": (physical.log_ml_formed, "dex(solMass / solLum)"),
        "ebv_stars": (physical.av / _RV, "mag"),
        "log_stellar_mass": (physical.log_stellar_mass, "dex(solMass)"),
        "log_sfr": (physical.log_sfr, "dex(solMass / yr)"),
        "log_ssfr": (physical.log_sfr - physical.log_stellar_mass, "dex(1 / yr)"),
        "gas_metallicity": (physical.oxygen, ""),
    }
    flags = _flags(samples["velocity_dispersion"][0], ew_halpha)
    return {
        name: summarise(values, unit=unit, method=_METHOD, level=level, flag=flags.get(name, Flag.OK))
        for name, (values, unit) in samples.items()
    }


def _flags(sigma_kms: FloatArray, ew_halpha: Measurement) -> dict[str, Flag]:
    flags = {}
    if np.median(sigma_kms) < MIN_SIGMA_KMS:
        flags["velocity_dispersion"] = Flag.LOW_CONFIDENCE
    if ew_halpha.value is None or ew_halpha.value < MIN_EW_HALPHA_AA:
        flags["gas_metallicity"] = Flag.LOW_CONFIDENCE
    return flags
