"""All measurements of one observed spectrum at a known redshift, with errors from its inverse variance."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from fiberless.analysis.gas.derived import derived_classes, derived_quantities
from fiberless.analysis.indices.lick import composite_indices
from fiberless.analysis.indices.lick_system import lick_system_scatter, lick_system_values
from fiberless.analysis.intervals import LEVEL, gaussian, scatter, with_error
from fiberless.analysis.lines.continuum import FIT_WAVE_AA
from fiberless.analysis.lines.fit import SpectralFit, fit_spectra
from fiberless.analysis.lines.kinematics import gas_kinematics
from fiberless.analysis.lines.observed import line_draws, observed_line, with_calibration
from fiberless.analysis.lines.reported import REPORTED_LINES
from fiberless.analysis.measure import (
    BREAK_METHODS,
    LICK_METHOD,
    VELOCITY_SEARCH_KMS,
    break_values,
    gas_sigma,
    lick_system_method,
    lick_unit,
    lick_values,
    predicted_line,
    values_of_fit,
)
from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.synthetic_photometry import magnitudes
from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import PREDICTED_RESAMPLING_KMS
from fiberless.contract.properties import Classification, LineMeasurement, Measurement, summarise

__all__ = ["SpectrumMeasurements", "measure_observed", "measure_predicted"]

_DRAWS: Final = 500
_SYSTEM_DRAWS: Final = 64


@dataclass(frozen=True, eq=False)
class SpectrumMeasurements:
    """Everything measured on a spectrum, and the fit that it rests on.

    Parameters
    ----------
    quantities, classes, lines : by name
    lick, lick_system : by name, at the spectrum's own resolution and at that of the Lick system
    fit : of the N spectra measured, one unless they are candidates
    wave_aa : (P,) observed wavelengths of the first spectrum's fit

    """

    quantities: dict[str, Measurement]
    classes: dict[str, Classification]
    lines: dict[str, LineMeasurement]
    lick: dict[str, Measurement]
    lick_system: dict[str, Measurement]
    fit: SpectralFit
    wave_aa: FloatArray


def measure_observed(
    wave_aa: FloatArray,
    flux: FloatArray,
    ivar: FloatArray,
    redshift: float,
    *,
    sigma_star_kms: float | None = None,
    resampling_kms: float = 0.0,
    seed: int = 0,
) -> SpectrumMeasurements:
    """Measure one observed spectrum.

    Lines below 3 σ have no value but an upper limit, `max(flux, 0) + 3 σ`, and the flag `not_detected`.
    Quantities that follow from lines have the median and interval of 500 draws of the line fluxes within
    their errors. Errors hold noise, what the fit of the continuum leaves, and 2 % for the shape of the flux
    calibration.

    Parameters
    ----------
    wave_aa : (L,) ascending observed vacuum Å
    flux : (L,) 1e-17 erg/(s cm2 Å)
    ivar : (L,) inverse variance, 0 where a pixel is not to be used
    redshift : of the stars; the gas may be up to 200 km/s off
    sigma_star_kms : dispersion of the stars, or None; takes their motions out of `lick_system`
    resampling_kms : as in `lines.fit.fit_spectra`, 0 for native pixels
    seed : of the draws

    """
    pixels = PixelFlux.of(wave_aa, flux[None], ivar[None])
    z = np.array([redshift])
    fit = fit_spectra(pixels, z, velocities_kms=VELOCITY_SEARCH_KMS, resampling_kms=resampling_kms)
    values = with_calibration(values_of_fit(pixels, z, fit) | break_values(pixels, z), redshift)
    rng = np.random.default_rng(seed)
    lines = {name: observed_line(values, name) for name in REPORTED_LINES}
    draws = line_draws(values, redshift, rng=rng, draws=_DRAWS)
    classes = derived_classes(draws, lines)
    quantities = {
        name: with_error(values, name, unit="", method=method) for name, method in BREAK_METHODS.items()
    }
    quantities |= gas_kinematics(pixels, z, fit, lines, rng=rng, resampling_kms=resampling_kms)
    quantities |= derived_quantities(
        draws, np.full(_DRAWS, redshift), lines=lines, ionisation=classes["bpt_nii"], level=LEVEL
    )
    quantities |= magnitudes(pixels, level=LEVEL)
    return SpectrumMeasurements(
        quantities,
        classes,
        lines,
        _observed_lick(pixels, z, fit, rng),
        _observed_system(
            pixels, z, fit, rng=rng, sigma_star_kms=sigma_star_kms, resampling_kms=resampling_kms
        ),
        fit,
        FIT_WAVE_AA * (1 + redshift),
    )


def measure_predicted(wave_aa: FloatArray, flux: FloatArray, redshift: FloatArray) -> SpectrumMeasurements:
    """Measure the K candidates of a predicted spectrum; medians and intervals over them.

    Parameters
    ----------
    wave_aa : (L,) ascending observed vacuum Å
    flux : (K, L) 1e-17 erg/(s cm2 Å); NaN where the model does not reach
    redshift : (K,)

    """
    pixels = PixelFlux.of(wave_aa, flux)
    fit = fit_spectra(pixels, redshift, resampling_kms=PREDICTED_RESAMPLING_KMS)
    values = values_of_fit(pixels, redshift, fit) | break_values(pixels, redshift)
    lines = {name: predicted_line(values, name, level=LEVEL) for name in REPORTED_LINES}
    classes = derived_classes(values, lines)
    quantities = {
        name: summarise(values[name], unit="", method=method) for name, method in BREAK_METHODS.items()
    }
    quantities["gas_sigma"] = gas_sigma(values, lines)
    quantities |= derived_quantities(
        values, redshift, lines=lines, ionisation=classes["bpt_nii"], level=LEVEL
    )
    quantities |= magnitudes(pixels, level=LEVEL)
    system = lick_system_values(pixels, redshift, fit, resampling_kms=PREDICTED_RESAMPLING_KMS)
    return SpectrumMeasurements(
        quantities,
        classes,
        lines,
        _of_candidates(lick_values(pixels, redshift, fit), LICK_METHOD),
        _of_candidates(system, lick_system_method(is_at_rest=False)),
        fit,
        FIT_WAVE_AA * (1 + redshift[0]),
    )


def _of_candidates(values: dict[str, FloatArray], method: str) -> dict[str, Measurement]:
    return {name: summarise(samples, unit=lick_unit(name), method=method) for name, samples in values.items()}


def _observed_lick(
    pixels: PixelFlux, z: FloatArray, fit: SpectralFit, rng: np.random.Generator
) -> dict[str, Measurement]:
    values = lick_values(pixels, z, fit)
    found = {
        name: with_error(values, name, unit=lick_unit(name), method=LICK_METHOD)
        for name in values
        if f"{name}_error" in values
    }
    return found | _composites(values, rng)


def _observed_system(
    pixels: PixelFlux,
    z: FloatArray,
    fit: SpectralFit,
    *,
    rng: np.random.Generator,
    sigma_star_kms: float | None,
    resampling_kms: float,
) -> dict[str, Measurement]:
    """Indices at the Lick resolution, errors from the scatter over spectra with noise added."""
    stars = None if sigma_star_kms is None else np.array([sigma_star_kms])
    values = lick_system_values(pixels, z, fit, sigma_star_kms=stars, resampling_kms=resampling_kms)
    draws = lick_system_scatter(
        pixels,
        z,
        fit,
        rng=rng,
        draws=_SYSTEM_DRAWS,
        sigma_star_kms=stars,
        resampling_kms=resampling_kms,
    )
    method = lick_system_method(is_at_rest=sigma_star_kms is not None)
    return {
        name: gaussian(float(value[0]), scatter(draws[name]), unit=lick_unit(name), method=method)
        for name, value in values.items()
    }


def _composites(values: dict[str, FloatArray], rng: np.random.Generator) -> dict[str, Measurement]:
    draws = {
        name: values[name] + values[f"{name}_error"] * rng.standard_normal(_DRAWS)
        for name in ("Mgb", "Fe5270", "Fe5335")
    }
    return {
        name: summarise(samples, unit=lick_unit(name), method=LICK_METHOD)
        for name, samples in composite_indices(draws).items()
    }
