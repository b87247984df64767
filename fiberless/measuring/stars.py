"""Kinematics and populations of an observed spectrum's stars, from two full-spectrum fits.

Kinematics come from a fit without polynomials, which would widen passive galaxies' lines by some per cent;
populations and dust from one with a multiplicative polynomial of degree 8, which takes the survey's
calibration error out of them (docs/decisions.md).
"""

from typing import Final

import numpy as np

from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.stellar_fit import Estimate, FitOptions, FitQuality, fit_stars
from fiberless.arrays import FloatArray, significant
from fiberless.properties import Flag, Measurement

__all__ = ["stellar_measurements"]

_POPULATIONS: Final = FitOptions(multiplicative_degree=8)
_SIGMA_OF_68: Final = 0.9945
_DOUBTFUL: Final = (
    FitQuality.SHORT_RANGE
    | FitQuality.LOW_SIGNAL
    | FitQuality.NOT_CONVERGED
    | FitQuality.BAD_CHI2
    | FitQuality.AT_LIMIT
)
_KINEMATICS: Final = "full-spectrum fit, no polynomial"
_POPULATION: Final = "full-spectrum fit, polynomial of degree 8, light-weighted at 5070-5950 Angstrom"


def stellar_measurements(pixels: PixelFlux, redshift: float) -> dict[str, Measurement]:
    """Velocity, σ*, age, [M/H], A_V and E(B−V) of one spectrum.

    Parameters
    ----------
    pixels : one observed spectrum with inverse variances
    redshift : of the stars, good to some 300 km/s

    Returns
    -------
    {name: Measurement}; without a value where there is no fit

    """
    z = np.array([redshift])
    kinematics, populations = fit_stars(pixels, z), fit_stars(pixels, z, options=_POPULATIONS)
    moving, aged = FitQuality(int(kinematics.quality[0])), FitQuality(int(populations.quality[0]))
    cold = moving | (_DOUBTFUL if FitQuality.LOW_DISPERSION in moving else FitQuality.GOOD)
    return {
        "stellar_velocity": _measured(kinematics.velocity_kms, "km / s", _KINEMATICS, moving),
        "velocity_dispersion": _measured(kinematics.sigma_kms, "km / s", _KINEMATICS, cold),
        "stellar_age": _exponential(_measured(populations.lg_age_light_gyr, "Gyr", _POPULATION, aged)),
        "stellar_metallicity": _measured(populations.metallicity_light, "dex", _POPULATION, aged),
        "stellar_av": _measured(populations.a_v, "mag", _POPULATION, aged),
        "stellar_ebv": _measured(populations.ebv, "mag", _POPULATION, aged),
    }


def _measured(estimate: Estimate, unit: str, method: str, quality: FitQuality) -> Measurement:
    value, error = float(estimate.value[0]), float(estimate.error[0])
    if not np.isfinite([value, error]).all():
        return Measurement(
            value=None, lower=None, upper=None, unit=unit, flag=Flag.LOW_CONFIDENCE, method=method
        )
    lower, middle, upper = _rounded(value + np.array([-1, 0, 1]) * _SIGMA_OF_68 * error)
    flag = Flag.LOW_CONFIDENCE if quality & _DOUBTFUL else Flag.OK
    return Measurement(value=middle, lower=lower, upper=upper, unit=unit, flag=flag, method=method)


def _exponential(measured: Measurement) -> Measurement:
    """The same quantity from its decimal logarithm."""
    if measured.value is None or measured.lower is None or measured.upper is None:
        return measured
    lower, value, upper = _rounded(10 ** np.array([measured.lower, measured.value, measured.upper]))
    return measured.model_copy(update={"lower": lower, "value": value, "upper": upper})


def _rounded(values: FloatArray) -> list[float]:
    rounded: list[float] = significant(values).tolist()
    return rounded
