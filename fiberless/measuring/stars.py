"""Kinematics and populations of an observed spectrum's stars, from two full-spectrum fits.

Kinematics come from a fit without polynomials, which would widen passive galaxies' lines by some per cent;
populations and dust from one with a multiplicative polynomial of degree 8, which takes the survey's
calibration error out of them (docs/decisions/stellar-fit.md).
"""

from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import FloatArray
from fiberless.astro.ssp import load_ssp
from fiberless.astro.wavelength import sigma_instrument_kms
from fiberless.contract.measurements import between, gaussian, missing
from fiberless.contract.properties import Flag, Measurement
from fiberless.stellar import Estimate, FitOptions, FitQuality, StellarFit, fit_stars

__all__ = ["CALIBRATION", "Calibration", "calibrated", "dispersion", "stellar_measurements"]


class Calibration(NamedTuple):
    """How an estimate of the fit becomes a reported one: value + `shift` · error, error · `factor`."""

    shift: float
    factor: float


CALIBRATION: Final = MappingProxyType(
    {
        "log_age_light_gyr": Calibration(-0.25, 1.2),
        "metallicity_light": Calibration(0.22, 1.1),
        "a_v": Calibration(-0.25, 1.0),
        "ebv": Calibration(-0.25, 1.0),
    }
)
"""Set on simulated spectra at S/N 6–24 (docs/decisions/stellar-fit.md). The few populations that are
likeliest are half an error older and poorer in metals than extended histories, and right for one to three
bursts. As nobody knows which a galaxy had, half of the difference is taken off. What is not named is as
fitted."""

_POPULATIONS: Final = FitOptions(multiplicative_degree=8)
_MOTIONS: Final = FitOptions(draws=2)
"""Draws give the populations' errors, which the fit for kinematics is not asked for."""
_NEAR_END_DEX: Final = 0.03
_TEMPLATE_ERROR: Final = 0.03
"""Of σ*: scatter over wavelength ranges and polynomials in eight real galaxies, whose noise is 1 to 4 %."""
_INSTRUMENT_ERROR: Final = 0.05
"""Of the spectrograph's dispersion."""
_DISPERSION_AT_AA: Final = 5200.0
_DOUBTFUL: Final = (
    FitQuality.SHORT_RANGE
    | FitQuality.LOW_SIGNAL
    | FitQuality.NOT_CONVERGED
    | FitQuality.BAD_CHI2
    | FitQuality.AT_LIMIT
)
_KINEMATICS: Final = "full-spectrum fit, no polynomial"
_POPULATION: Final = "full-spectrum fit, polynomial of degree 8, light-weighted at 5070-5950 Angstrom"
_BY_MASS: Final = "full-spectrum fit, polynomial of degree 8, weighted by mass formed"
_RATIO: Final = "full-spectrum fit, polynomial of degree 8, {} over SDSS r light before dust"


def stellar_measurements(pixels: PixelFlux, redshift: float) -> dict[str, Measurement]:
    """Velocity, σ*, ages, [M/H], A_V, E(B−V) and mass-to-light ratios of one spectrum.

    Intervals are those of noise and, for σ*, of the templates and the instrument.

    Parameters
    ----------
    pixels : one observed spectrum with inverse variances
    redshift : of the stars, good to some 300 km/s

    Returns
    -------
    {name: Measurement}; without a value where there is no fit

    """
    z = np.array([redshift])
    kinematics = fit_stars(pixels, z, options=_MOTIONS)
    populations = fit_stars(pixels, z, options=_POPULATIONS)
    moving, aged = FitQuality(int(kinematics.quality[0])), FitQuality(int(populations.quality[0]))
    aged |= _at_library_end(populations)
    cold = moving | (_DOUBTFUL if FitQuality.LOW_DISPERSION in moving else FitQuality.GOOD)
    rows = (
        ("stellar_age_mass", "log_age_mass_gyr", "Gyr", _BY_MASS),
        ("stellar_metallicity", "metallicity_light", "dex", _POPULATION),
        ("stellar_metallicity_mass", "metallicity_mass", "dex", _BY_MASS),
        ("stellar_av", "a_v", "mag", _POPULATION),
        ("ebv_stars", "ebv", "mag", _POPULATION),
        ("log_ml_formed_r", "log_ml_formed_r", "dex(solMass / solLum)", _RATIO.format("mass formed")),
        ("log_ml_living_r", "log_ml_living_r", "dex(solMass / solLum)", _RATIO.format("living mass")),
    )
    age = _measured(calibrated(populations, "log_age_light_gyr"), "Gyr", _POPULATION, aged)
    found = {
        "stellar_velocity": _measured(kinematics.velocity_kms, "km / s", _KINEMATICS, moving),
        "velocity_dispersion": _measured(dispersion(kinematics, z), "km / s", _KINEMATICS, cold),
        "stellar_age": _exponential(age),
    }
    found |= {
        name: _measured(calibrated(populations, key), unit, method, aged) for name, key, unit, method in rows
    }
    return found | {"stellar_age_mass": _exponential(found["stellar_age_mass"])}


def _at_library_end(fit: StellarFit) -> FitQuality:
    """Whether the fit ends at the oldest or richest populations: the library has none beyond.

    Errors are then one-sided and too small, and what the metals lack goes into the age.
    """
    library = load_ssp()
    ends = (
        (fit.log_age_light_gyr, float(np.log10(library.age_gyr[-1]))),
        (fit.metallicity_light, float(library.log_z_solar[-1])),
    )
    is_near = any(
        estimate.value[0] > end - max(float(estimate.error[0]), _NEAR_END_DEX) for estimate, end in ends
    )
    return FitQuality.AT_LIMIT if is_near else FitQuality.GOOD


def calibrated(fit: StellarFit, key: str) -> Estimate:
    """An estimate as it is reported, see `CALIBRATION`.

    Parameters
    ----------
    fit : with a polynomial of degree 8
    key : field of `fit`

    """
    estimate: Estimate = getattr(fit, key)
    shift, factor = CALIBRATION.get(key, Calibration(0.0, 1.0))
    value = estimate.value + shift * estimate.error
    if key in {"a_v", "ebv"}:
        value = np.maximum(value, 0.0)
    return Estimate(value, estimate.error * factor)


def dispersion(fit: StellarFit, redshift: FloatArray) -> Estimate:
    """σ* of N spectra as it is reported: with the errors of templates and instrument, σ_inst δσ_inst / σ*.

    Parameters
    ----------
    fit : without polynomials
    redshift : (N,)

    """
    sigma, noise = fit.sigma_kms
    instrument_kms2 = sigma_instrument_kms(_DISPERSION_AT_AA * (1 + redshift)) ** 2
    by_instrument = _INSTRUMENT_ERROR * instrument_kms2 / np.maximum(sigma, np.sqrt(instrument_kms2))
    return Estimate(sigma, np.sqrt(noise**2 + by_instrument**2 + (_TEMPLATE_ERROR * sigma) ** 2))


def _measured(estimate: Estimate, unit: str, method: str, quality: FitQuality) -> Measurement:
    value, error = float(estimate.value[0]), float(estimate.error[0])
    if not np.isfinite([value, error]).all():
        return missing(unit, Flag.LOW_CONFIDENCE, method=method)
    flag = Flag.LOW_CONFIDENCE if quality & _DOUBTFUL else Flag.OK
    return gaussian(value, error, unit=unit, method=method, flag=flag)


def _exponential(measured: Measurement) -> Measurement:
    """The same quantity from its decimal logarithm."""
    if measured.value is None or measured.lower is None or measured.upper is None:
        return measured
    lower, value, upper = 10 ** np.array([measured.lower, measured.value, measured.upper])
    return between(lower, value, upper, unit=measured.unit, method=measured.method, flag=measured.flag)
