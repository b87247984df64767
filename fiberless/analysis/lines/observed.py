"""Lines and breaks of one observed spectrum with all their errors: noise, continuum, flux calibration."""

from typing import Final

import numpy as np

from fiberless.analysis.calibration import CALIBRATION_DEGREE, calibration_modes
from fiberless.analysis.indices.breaks import break_bands
from fiberless.analysis.intervals import with_error
from fiberless.analysis.lines.reported import REPORTED_LINES
from fiberless.analysis.measure import EW_UNIT, FLUX_UNIT, LINE_METHOD
from fiberless.arrays import FloatArray, significant
from fiberless.astro.lines import line
from fiberless.contract.properties import Flag, LineMeasurement, Measurement

__all__ = ["line_draws", "observed_line", "with_calibration"]

_ONE_SIDED: Final = 0.99865
_DETECTION_SIGMA: Final = 3.0


def with_calibration(values: dict[str, FloatArray], redshift: float) -> dict[str, FloatArray]:
    """Values of one spectrum whose errors hold the shape of the flux calibration.

    Parameters
    ----------
    values : (1,) of `measure.values_of_fit` and `measure.break_values`, with errors
    redshift : of the spectrum

    Returns
    -------
    The same; errors of line fluxes without the calibration are under `flux_<line>_noise`.

    """
    widened = dict(values)
    for key, name in (("dn4000", "Dn4000"), ("d4000", "D4000")):
        blue, red = (calibration_modes(band * (1 + redshift)).mean(axis=0) for band in break_bands(name))
        wrong = values[key] * np.linalg.norm(red - blue)
        widened[f"{key}_error"] = np.hypot(values[f"{key}_error"], wrong)
    for name, item in REPORTED_LINES.items():
        modes = calibration_modes(np.array(line(item.at).wave_aa * (1 + redshift)))
        widened[f"flux_{name}_noise"] = values[f"flux_{name}_error"]
        wrong = values[f"flux_{name}"] * np.linalg.norm(modes)
        widened[f"flux_{name}_error"] = np.hypot(values[f"flux_{name}_error"], wrong)
    return widened


def observed_line(values: dict[str, FloatArray], name: str) -> LineMeasurement:
    """Flux and width of a line of `REPORTED_LINES`, or limits to them below 3 σ of the noise."""
    flux, noise = float(values[f"flux_{name}"][0]), float(values[f"flux_{name}_noise"][0])
    is_detected = flux > _DETECTION_SIGMA * noise
    return LineMeasurement(
        flux=_or_limit(values, f"flux_{name}", unit=FLUX_UNIT, is_detected=is_detected),
        ew=_or_limit(values, f"ew_{name}", unit=EW_UNIT, is_detected=is_detected),
    )


def _or_limit(values: dict[str, FloatArray], key: str, *, unit: str, is_detected: bool) -> Measurement:
    value, error = float(values[key][0]), float(values[f"{key}_error"][0])
    if is_detected or not np.isfinite(value + error):
        return with_error(values, key, unit=unit, method=LINE_METHOD)
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


def line_draws(
    values: dict[str, FloatArray], redshift: float, *, rng: np.random.Generator, draws: int
) -> dict[str, FloatArray]:
    """Fluxes and widths (draws,) of each line within their errors.

    Lines tied to each other move together, and fluxes with the calibration, one curve a draw.
    """
    noise = {item.fitted: rng.standard_normal(draws) for item in REPORTED_LINES.values()}
    curves = rng.standard_normal((draws, CALIBRATION_DEGREE))
    drawn: dict[str, FloatArray] = {}
    for name, item in REPORTED_LINES.items():
        modes = calibration_modes(np.array(line(item.at).wave_aa * (1 + redshift)))
        flux = values[f"flux_{name}"] + values[f"flux_{name}_noise"] * noise[item.fitted]
        drawn[f"flux_{name}"] = flux * np.exp(curves @ modes)
        drawn[f"ew_{name}"] = values[f"ew_{name}"] + values[f"ew_{name}_error"] * noise[item.fitted]
    return drawn
