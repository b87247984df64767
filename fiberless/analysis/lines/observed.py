"""Lines and breaks of one observed spectrum with all their errors: noise, continuum, flux calibration."""

from dataclasses import replace
from typing import Final

import numpy as np

from fiberless.analysis.calibration import CALIBRATION_DEGREE, calibration_modes
from fiberless.analysis.indices.breaks import Breaks, break_bands
from fiberless.analysis.lines.reported import COLUMN_OF_LINE, REPORTED_LINES, LineTable
from fiberless.analysis.measure import EW_UNIT, LINE_FLUX_UNIT, LINE_METHOD
from fiberless.arrays import FloatArray
from fiberless.astro.lines import line
from fiberless.contract.measurements import gaussian, upper_limit
from fiberless.contract.properties import LineMeasurement, Measurement
from fiberless.errors import FatalError

__all__ = ["breaks_with_calibration", "line_draws", "lines_with_calibration", "observed_line"]

_ONE_SIDED: Final = 0.99865
_DETECTION_SIGMA: Final = 3.0


def breaks_with_calibration(found: Breaks, redshift: float) -> Breaks:
    """Breaks of one spectrum whose errors hold the shape of the flux calibration.

    Parameters
    ----------
    found : (1,) with errors
    redshift : of the spectrum

    """
    if found.dn4000_error is None or found.d4000_error is None:
        raise FatalError("internal-error", "breaks without errors have no calibration to add")
    return replace(
        found,
        dn4000_error=np.hypot(found.dn4000_error, found.dn4000 * _tilt("Dn4000", redshift)),
        d4000_error=np.hypot(found.d4000_error, found.d4000 * _tilt("D4000", redshift)),
    )


def lines_with_calibration(found: LineTable, redshift: float) -> LineTable:
    """Lines (1, J) of one spectrum whose errors hold the shape of the flux calibration; the rest is noise."""
    flux_error, _ = _errors(found)
    wrong = np.array([np.linalg.norm(modes) for modes in _line_modes(redshift)])
    return replace(found, flux_error=np.hypot(flux_error, found.flux * wrong), flux_noise=flux_error)


def observed_line(found: LineTable, name: str) -> LineMeasurement:
    """Flux and width of a line of `REPORTED_LINES`, or limits to them below 3 σ of the noise.

    Parameters
    ----------
    found : (1, J) of `lines_with_calibration`

    """
    j = COLUMN_OF_LINE[name]
    flux_error, ew_error = _errors(found)
    is_detected = bool(found.flux[0, j] > _DETECTION_SIGMA * _noise(found)[0, j])
    return LineMeasurement(
        flux=_or_limit(found.flux[0, j], flux_error[0, j], unit=LINE_FLUX_UNIT, is_detected=is_detected),
        ew=_or_limit(found.ew[0, j], ew_error[0, j], unit=EW_UNIT, is_detected=is_detected),
    )


def line_draws(found: LineTable, redshift: float, *, rng: np.random.Generator, draws: int) -> LineTable:
    """Fluxes and widths (draws, J) of the lines of one spectrum within their errors.

    Lines tied to each other move together, and fluxes with the calibration, one curve a draw.
    """
    noise = {item.fitted: rng.standard_normal(draws) for item in REPORTED_LINES.values()}
    curves = rng.standard_normal((draws, CALIBRATION_DEGREE))
    shared = np.stack([noise[item.fitted] for item in REPORTED_LINES.values()], axis=-1)
    calibration = np.stack([np.exp(curves @ modes) for modes in _line_modes(redshift)], axis=-1)
    _, ew_error = _errors(found)
    return LineTable(
        flux=(found.flux + _noise(found) * shared) * calibration, ew=found.ew + ew_error * shared
    )


def _line_modes(redshift: float) -> list[FloatArray]:
    """Modes of the calibration (M,) at each reported line."""
    return [
        calibration_modes(np.array(line(item.at).wave_aa * (1 + redshift)))
        for item in REPORTED_LINES.values()
    ]


def _tilt(name: str, redshift: float) -> float:
    """Relative error of a break that the shape of the calibration leaves."""
    blue, red = (calibration_modes(band * (1 + redshift)).mean(axis=0) for band in break_bands(name))
    return float(np.linalg.norm(red - blue))


def _errors(found: LineTable) -> tuple[FloatArray, FloatArray]:
    if found.flux_error is None or found.ew_error is None:
        raise FatalError("internal-error", "the lines of an observed spectrum need errors")
    return found.flux_error, found.ew_error


def _noise(found: LineTable) -> FloatArray:
    return _errors(found)[0] if found.flux_noise is None else found.flux_noise


def _or_limit(value: float, error: float, *, unit: str, is_detected: bool) -> Measurement:
    if is_detected or not np.isfinite(value + error):
        return gaussian(float(value), float(error), unit=unit, method=LINE_METHOD)
    limit = float(max(value, 0.0) + _DETECTION_SIGMA * error)
    method = f"{LINE_METHOD}; upper end: 3 sigma limit"
    return upper_limit(limit, unit=unit, method=method, level=_ONE_SIDED)
