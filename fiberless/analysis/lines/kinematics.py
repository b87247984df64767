"""Width and velocity of the gas of one observed spectrum."""

from typing import Final

import numpy as np

from fiberless.analysis.lines.fit import SpectralFit, fit_spectra
from fiberless.analysis.lines.templates import VELOCITY_STEP_KMS
from fiberless.analysis.measure import (
    GAS_SIGMA_METHOD,
    KINEMATIC_LINES,
    MIN_GAS_SIGMA_KMS,
    VELOCITY_SEARCH_KMS,
)
from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.redshift.noise import seen_again
from fiberless.arrays import FloatArray
from fiberless.astro.lines import line
from fiberless.astro.wavelength import sigma_instrument_kms
from fiberless.contract.measurements import gaussian, missing, scatter
from fiberless.contract.properties import Flag, LineMeasurement, Measurement

__all__ = ["gas_kinematics"]

_REALISATIONS: Final = 16
_LSF_ERROR: Final = 0.05
_MIN_VELOCITY_ERROR_KMS: Final = 3.0
_AT_END_KMS: Final = 10.0
_FEW: Final = (-2, -1, 0, 1, 2)
_VELOCITY_METHOD: Final = "shift shared by all lines against the redshift"


def gas_kinematics(
    pixels: PixelFlux,
    z: FloatArray,
    fit: SpectralFit,
    lines: dict[str, LineMeasurement],
    *,
    rng: np.random.Generator,
    resampling_kms: float,
) -> dict[str, Measurement]:
    """Dispersion and velocity of the gas, errors from the scatter over spectra with noise added.

    To the dispersion's error is added what 5 % of the instrument's own leave.

    Parameters
    ----------
    pixels : one spectrum with an inverse variance
    z : (1,)
    fit : of that spectrum, over `VELOCITY_SEARCH_KMS`
    lines : as reported
    rng : of the noise
    resampling_kms : as in `lines.fit.fit_spectra`

    """
    if Flag.OK not in (lines[name].flux.flag for name in KINEMATIC_LINES):
        return {
            "gas_sigma": missing("km / s", Flag.NOT_DETECTED, method=GAS_SIGMA_METHOD),
            "gas_velocity": missing("km / s", Flag.NOT_DETECTED, method=_VELOCITY_METHOD),
        }
    velocity, sigma = float(fit.velocity_kms[0]), float(fit.gas_sigma_kms[0])
    again = fit_spectra(
        seen_again(pixels, rng, count=_REALISATIONS),
        np.repeat(z, _REALISATIONS),
        velocities_kms=tuple(
            VELOCITY_STEP_KMS * (round(velocity / VELOCITY_STEP_KMS) + step) for step in _FEW
        ),
        resampling_kms=resampling_kms,
    )
    instrument = _LSF_ERROR * float(sigma_instrument_kms(line("Halpha").wave_aa * (1 + z))[0]) ** 2 / sigma
    sigma_error = float(np.hypot(scatter(again.gas_sigma_kms), instrument))
    velocity_error = max(scatter(again.velocity_kms), _MIN_VELOCITY_ERROR_KMS)
    is_inside = abs(velocity) < max(VELOCITY_SEARCH_KMS) - _AT_END_KMS
    flag = Flag.OK if is_inside else Flag.LOW_CONFIDENCE
    width_flag = flag if sigma >= MIN_GAS_SIGMA_KMS else Flag.LOW_CONFIDENCE
    return {
        "gas_sigma": gaussian(sigma, sigma_error, unit="km / s", method=GAS_SIGMA_METHOD, flag=width_flag),
        "gas_velocity": gaussian(velocity, velocity_error, unit="km / s", method=_VELOCITY_METHOD, flag=flag),
    }
