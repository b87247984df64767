"""All measurements of one observed spectrum at a known redshift, with errors from its inverse variance."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from fiberless.analysis.gas.derived import DerivedQuantities, derived_classes, derived_quantities
from fiberless.analysis.indices.breaks import Breaks
from fiberless.analysis.indices.lick import (
    COMPOSED_OF,
    COMPOSITES,
    LickValues,
    composites,
    lick_indices,
)
from fiberless.analysis.indices.lick_system import lick_system_scatter, lick_system_values
from fiberless.analysis.lines.continuum import FIT_WAVE_AA
from fiberless.analysis.lines.fit import SpectralFit, fit_spectra
from fiberless.analysis.lines.kinematics import gas_kinematics
from fiberless.analysis.lines.observed import (
    breaks_with_calibration,
    line_draws,
    lines_with_calibration,
    observed_line,
)
from fiberless.analysis.lines.reported import REPORTED_LINES, without_lines
from fiberless.analysis.measure import (
    BREAK_METHODS,
    LICK_METHOD,
    VELOCITY_SEARCH_KMS,
    gas_sigma,
    lick_system_method,
    lick_unit,
    lick_values,
    predicted_breaks,
    predicted_indices,
    predicted_line,
    values_of_fit,
)
from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.synthetic_photometry import magnitudes
from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import PREDICTED_RESAMPLING_KMS
from fiberless.contract.measurements import gaussian, scatter, summarise
from fiberless.contract.properties import Classification, LineMeasurement, Measurement
from fiberless.errors import FatalError

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
    # starlight and lines, with errors that hold the calibration
    fit = fit_spectra(pixels, z, velocities_kms=VELOCITY_SEARCH_KMS, resampling_kms=resampling_kms)
    values = values_of_fit(pixels, z, fit)
    table = lines_with_calibration(values.lines, redshift)
    rng = np.random.default_rng(seed)
    # lines, and draws of them within their errors
    lines = {name: observed_line(table, name) for name in REPORTED_LINES}
    draws = line_draws(table, redshift, rng=rng, draws=_DRAWS)
    classes = derived_classes(draws, lines)
    # then the breaks, the gas, abundances and magnitudes
    quantities = _observed_breaks(breaks_with_calibration(values.breaks, redshift))
    quantities |= gas_kinematics(pixels, z, fit, lines, rng=rng, resampling_kms=resampling_kms)
    derived = derived_quantities(draws, np.full(_DRAWS, redshift), lines=lines, ionisation=classes["bpt_nii"])
    quantities |= _named(derived, magnitudes(pixels))
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


def measure_predicted(
    wave_aa: FloatArray,
    flux: FloatArray,
    redshift: FloatArray,
    *,
    sigma_star_kms: FloatArray | None = None,
) -> SpectrumMeasurements:
    """Measure the K candidates of a predicted spectrum; medians and intervals over them.

    Parameters
    ----------
    wave_aa : (L,) ascending observed vacuum Å
    flux : (K, L) 1e-17 erg/(s cm2 Å); NaN where the model does not reach
    redshift : (K,)
    sigma_star_kms : (K,) dispersion of the stars, or None; takes their motions out of `lick_system`

    """
    pixels = PixelFlux.of(wave_aa, flux)
    fit = fit_spectra(pixels, redshift, resampling_kms=PREDICTED_RESAMPLING_KMS)
    values = values_of_fit(pixels, redshift, fit)
    lines = {name: predicted_line(values.lines, name) for name in REPORTED_LINES}
    classes = derived_classes(values.lines, lines)
    narrow, wide = predicted_breaks(values.breaks)
    quantities = {"dn4000": narrow, "d4000": wide, "gas_sigma": gas_sigma(values.gas_sigma, lines)}
    derived = derived_quantities(values.lines, redshift, lines=lines, ionisation=classes["bpt_nii"])
    quantities |= _named(derived, magnitudes(pixels))
    system = lick_system_values(
        pixels, redshift, fit, sigma_star_kms=sigma_star_kms, resampling_kms=PREDICTED_RESAMPLING_KMS
    )
    return SpectrumMeasurements(
        quantities,
        classes,
        lines,
        predicted_indices(lick_values(pixels, redshift, fit), LICK_METHOD),
        predicted_indices(system, lick_system_method(is_at_rest=sigma_star_kms is not None)),
        fit,
        FIT_WAVE_AA * (1 + redshift[0]),
    )


def _named(derived: DerivedQuantities, found: dict[str, Measurement]) -> dict[str, Measurement]:
    """Quantities by the paths that they have in a prediction's properties."""
    return {
        "balmer_decrement": derived.balmer_decrement,
        "ebv_gas": derived.ebv_gas,
        "log_sfr_halpha": derived.log_sfr_halpha,
        **{f"abundances.{name}": value for name, value in derived.abundances.items()},
        **{f"magnitudes.{band}": value for band, value in found.items()},
    }


def _observed_breaks(found: Breaks) -> dict[str, Measurement]:
    if found.dn4000_error is None or found.d4000_error is None:
        raise FatalError("internal-error", "the breaks of an observed spectrum need errors")
    pairs = {"dn4000": (found.dn4000, found.dn4000_error), "d4000": (found.d4000, found.d4000_error)}
    return {
        name: gaussian(float(value[0]), float(error[0]), unit="", method=BREAK_METHODS[name])
        for name, (value, error) in pairs.items()
    }


def _observed_lick(
    pixels: PixelFlux, z: FloatArray, fit: SpectralFit, rng: np.random.Generator
) -> dict[str, Measurement]:
    values = lick_indices(without_lines(pixels, fit, z), z)
    if values.error is None:
        raise FatalError("internal-error", "the indices of an observed spectrum need errors")
    found = {
        name: gaussian(float(value), float(error), unit=lick_unit(name), method=LICK_METHOD)
        for name, value, error in zip(values.names, values.value[0], values.error[0], strict=True)
    }
    return found | _composites(*_drawn(values, values.error, rng))


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
        name: gaussian(
            float(values.of(name)[0]), scatter(draws.of(name)), unit=lick_unit(name), method=method
        )
        for name in values.names
    }


def _drawn(values: LickValues, error: FloatArray, rng: np.random.Generator) -> list[FloatArray]:
    """Draws of the indices that composites are made of, within their errors."""
    columns = [values.names.index(name) for name in COMPOSED_OF]
    return [values.value[0, j] + error[0, j] * rng.standard_normal(_DRAWS) for j in columns]


def _composites(mgb: FloatArray, fe5270: FloatArray, fe5335: FloatArray) -> dict[str, Measurement]:
    found = composites(mgb, fe5270, fe5335)
    return {
        name: summarise(samples, unit=lick_unit(name), method=LICK_METHOD)
        for name, samples in zip(COMPOSITES, found, strict=True)
    }
