"""All measurements of one observed spectrum at a known redshift, with errors from its inverse variance.

Imports the neighbouring rooms of `analysis`, the nouns and numpy only.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from fiberless.analysis.continuum import FIT_WAVE_AA
from fiberless.analysis.derived import derived_classes, derived_quantities
from fiberless.analysis.lick import composite_indices
from fiberless.analysis.line_fit import SpectralFit, fit_spectra
from fiberless.analysis.measure import (
    EW_UNIT,
    FLUX_UNIT,
    LICK_METHOD,
    LINE_METHOD,
    VELOCITY_SEARCH_KMS,
    lick_unit,
    lick_values,
    values_of_fit,
)
from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.reported_lines import REPORTED_LINES
from fiberless.analysis.synthetic_photometry import magnitudes
from fiberless.arrays import FloatArray, significant
from fiberless.lines import line
from fiberless.properties import Classification, Flag, LineMeasurement, Measurement, summarise
from fiberless.wavelength import sigma_instrument_kms

__all__ = ["SpectrumMeasurements", "measure_observed", "measure_predicted"]

LEVEL: Final = 0.68
_ONE_SIDED: Final = 0.99865
_SIGMA_OF_LEVEL: Final = 0.994458
_DETECTION_SIGMA: Final = 3.0
_DRAWS: Final = 500
_REALISATIONS: Final = 16
_LSF_ERROR: Final = 0.05
_VELOCITY_STEP_KMS: Final = 10.0
_FEW: Final = (-40.0, -20.0, 0.0, 20.0, 40.0)


@dataclass(frozen=True, eq=False)
class SpectrumMeasurements:
    """Everything measured on a spectrum, and the fit that it rests on.

    Parameters
    ----------
    quantities, classes, lines, lick : by name
    fit : of the N spectra measured, one unless they are candidates
    wave_aa : (P,) observed wavelengths of the first spectrum's fit

    """

    quantities: dict[str, Measurement]
    classes: dict[str, Classification]
    lines: dict[str, LineMeasurement]
    lick: dict[str, Measurement]
    fit: SpectralFit
    wave_aa: FloatArray


def measure_observed(
    wave_aa: FloatArray, flux: FloatArray, ivar: FloatArray, redshift: float, *, seed: int = 0
) -> SpectrumMeasurements:
    """Measure one observed spectrum.

    Lines below 3 σ have no value but an upper limit, `max(flux, 0) + 3 σ`, and the flag `not_detected`.
    Quantities that follow from lines have the median and interval of 500 draws of the line fluxes within
    their errors.

    Parameters
    ----------
    wave_aa : (L,) ascending observed vacuum Å
    flux : (L,) 1e-17 erg/(s cm2 Å)
    ivar : (L,) inverse variance, 0 where a pixel is not to be used
    redshift : of the stars; the gas may be up to 200 km/s off
    seed : of the draws

    """
    pixels = PixelFlux.of(wave_aa, flux[None], ivar[None])
    z = np.array([redshift])
    fit = fit_spectra(pixels, z, velocities_kms=VELOCITY_SEARCH_KMS)
    values = values_of_fit(pixels, z, fit)
    rng = np.random.default_rng(seed)
    lines = {name: _observed_line(values, name) for name in REPORTED_LINES}
    draws = _line_draws(values, rng)
    classes = derived_classes(draws, lines)
    quantities = {"dn4000": _with_error(values, "dn4000", unit="", method="mean F_nu ratio, Balogh+99")}
    quantities |= _kinematics(pixels, z, fit, lines, rng)
    quantities |= derived_quantities(
        draws, np.full(_DRAWS, redshift), lines=lines, ionisation=classes["bpt_nii"], level=LEVEL
    )
    quantities |= magnitudes(pixels, level=LEVEL)
    lick = _observed_lick(pixels, z, fit, rng)
    return SpectrumMeasurements(quantities, classes, lines, lick, fit, FIT_WAVE_AA * (1 + redshift))


def measure_predicted(wave_aa: FloatArray, flux: FloatArray, redshift: FloatArray) -> SpectrumMeasurements:
    """Measure the K candidates of a predicted spectrum; medians and intervals over them.

    Parameters
    ----------
    wave_aa : (L,) ascending observed vacuum Å
    flux : (K, L) 1e-17 erg/(s cm2 Å); NaN where the model does not reach
    redshift : (K,)

    """
    pixels = PixelFlux.of(wave_aa, flux)
    fit = fit_spectra(pixels, redshift)
    values = values_of_fit(pixels, redshift, fit)
    lines = {name: _predicted_line(values, name) for name in REPORTED_LINES}
    classes = derived_classes(values, lines)
    gas_method = "width shared by all lines, instrument taken out"
    quantities = {
        "dn4000": summarise(values["dn4000"], unit="", method="mean F_nu ratio, Balogh+99"),
        "gas_sigma": summarise(values["gas_sigma"], unit="km / s", method=gas_method),
    }
    quantities |= derived_quantities(
        values, redshift, lines=lines, ionisation=classes["bpt_nii"], level=LEVEL
    )
    quantities |= magnitudes(pixels, level=LEVEL)
    lick = {
        name: summarise(samples, unit=lick_unit(name), method=LICK_METHOD)
        for name, samples in lick_values(pixels, redshift, fit).items()
    }
    wave_fit_aa = FIT_WAVE_AA * (1 + redshift[0])
    return SpectrumMeasurements(quantities, classes, lines, lick, fit, wave_fit_aa)


def _observed_line(values: dict[str, FloatArray], name: str) -> LineMeasurement:
    flux, error = float(values[f"flux_{name}"][0]), float(values[f"flux_{name}_error"][0])
    is_detected = flux > _DETECTION_SIGMA * error
    return LineMeasurement(
        flux=_or_limit(values, f"flux_{name}", unit=FLUX_UNIT, is_detected=is_detected),
        ew=_or_limit(values, f"ew_{name}", unit=EW_UNIT, is_detected=is_detected),
    )


def _or_limit(values: dict[str, FloatArray], key: str, *, unit: str, is_detected: bool) -> Measurement:
    value, error = float(values[key][0]), float(values[f"{key}_error"][0])
    if is_detected or not np.isfinite(value + error):
        return _with_error(values, key, unit=unit, method=LINE_METHOD)
    limit = float(significant(np.array(max(value, 0.0) + _DETECTION_SIGMA * error)))
    return Measurement(
        value=None,
        lower=0.0,
        upper=limit,
        level=_ONE_SIDED,
        unit=unit,
        flag=Flag.NOT_DETECTED,
        method=f"{LINE_METHOD}; upper end: 3 sigma limit",
    )


def _predicted_line(values: dict[str, FloatArray], name: str) -> LineMeasurement:
    flux, ew = (
        summarise(values[f"{kind}_{name}"], unit=unit, method=LINE_METHOD)
        for kind, unit in (("flux", FLUX_UNIT), ("ew", EW_UNIT))
    )
    if flux.lower is None or flux.lower > 0:
        return LineMeasurement(flux=flux, ew=ew)
    missed = {"flag": Flag.NOT_DETECTED}
    return LineMeasurement(flux=flux.model_copy(update=missed), ew=ew.model_copy(update=missed))


def _with_error(values: dict[str, FloatArray], key: str, *, unit: str, method: str) -> Measurement:
    return _gaussian(float(values[key][0]), float(values[f"{key}_error"][0]), unit=unit, method=method)


def _gaussian(value: float, error: float, *, unit: str, method: str, flag: Flag = Flag.OK) -> Measurement:
    """Measurement with a symmetric interval; null and `out_of_band` if it is not finite."""
    if not np.isfinite(value + error):
        return Measurement(
            value=None, lower=None, upper=None, level=LEVEL, unit=unit, flag=Flag.OUT_OF_BAND, method=method
        )
    half = _SIGMA_OF_LEVEL * error
    lower, middle, upper = (float(v) for v in significant(np.array([value - half, value, value + half])))
    return Measurement(
        value=middle, lower=lower, upper=upper, level=LEVEL, unit=unit, flag=flag, method=method
    )


def _line_draws(values: dict[str, FloatArray], rng: np.random.Generator) -> dict[str, FloatArray]:
    """Fluxes and widths (500,) of each line within their errors; lines tied to each other move together."""
    noise = {item.fitted: rng.standard_normal(_DRAWS) for item in REPORTED_LINES.values()}
    return {
        f"{kind}_{name}": values[f"{kind}_{name}"] + values[f"{kind}_{name}_error"] * noise[item.fitted]
        for name, item in REPORTED_LINES.items()
        for kind in ("flux", "ew")
    }


def _kinematics(
    pixels: PixelFlux,
    z: FloatArray,
    fit: SpectralFit,
    lines: dict[str, LineMeasurement],
    rng: np.random.Generator,
) -> dict[str, Measurement]:
    """Dispersion and velocity of the gas, errors from the scatter over spectra with noise added.

    To the dispersion's error is added what 5 % of the instrument's own leave.
    """
    sigma_method = "width shared by all lines, instrument taken out"
    velocity_method = "shift shared by all lines against the redshift, in steps of 20 km/s"
    strongest = (lines[name].flux.flag for name in ("Halpha", "OIII_5007", "NII_6583"))
    if Flag.OK not in strongest:
        return {
            "gas_sigma": _missing("km / s", Flag.NOT_DETECTED, sigma_method),
            "gas_velocity": _missing("km / s", Flag.NOT_DETECTED, velocity_method),
        }
    noise = np.zeros((_REALISATIONS, pixels.flux.shape[1]))
    if pixels.ivar is not None:
        np.divide(rng.standard_normal(noise.shape), np.sqrt(pixels.ivar), out=noise, where=pixels.valid)
    ivar = None if pixels.ivar is None else np.repeat(pixels.ivar, _REALISATIONS, axis=0)
    noisy = PixelFlux(
        pixels.edges_aa, pixels.flux + noise, np.repeat(pixels.valid, _REALISATIONS, axis=0), ivar
    )
    velocity, sigma = float(fit.velocity_kms[0]), float(fit.gas_sigma_kms[0])
    instrument = _LSF_ERROR * float(sigma_instrument_kms(line("Halpha").wave_aa * (1 + z))[0]) ** 2 / sigma
    near = tuple(velocity + step for step in _FEW)
    again = fit_spectra(noisy, np.repeat(z, _REALISATIONS), velocities_kms=near)
    velocity_error = max(float(again.velocity_kms.std()), _VELOCITY_STEP_KMS)
    is_inside = abs(velocity) < max(VELOCITY_SEARCH_KMS)
    flag = Flag.OK if is_inside else Flag.LOW_CONFIDENCE
    return {
        "gas_sigma": _gaussian(
            sigma,
            float(np.hypot(again.gas_sigma_kms.std(), instrument)),
            unit="km / s",
            method=sigma_method,
            flag=flag,
        ),
        "gas_velocity": _gaussian(velocity, velocity_error, unit="km / s", method=velocity_method, flag=flag),
    }


def _missing(unit: str, flag: Flag, method: str) -> Measurement:
    return Measurement(value=None, lower=None, upper=None, level=LEVEL, unit=unit, flag=flag, method=method)


def _observed_lick(
    pixels: PixelFlux, z: FloatArray, fit: SpectralFit, rng: np.random.Generator
) -> dict[str, Measurement]:
    values = lick_values(pixels, z, fit)
    found = {
        name: _with_error(values, name, unit=lick_unit(name), method=LICK_METHOD)
        for name in values
        if f"{name}_error" in values
    }
    return found | _composites(values, rng)


def _composites(values: dict[str, FloatArray], rng: np.random.Generator) -> dict[str, Measurement]:
    draws = {
        name: values[name] + values[f"{name}_error"] * rng.standard_normal(_DRAWS)
        for name in ("Mgb", "Fe5270", "Fe5335")
    }
    return {
        name: summarise(samples, unit=lick_unit(name), method=LICK_METHOD)
        for name, samples in composite_indices(draws).items()
    }
