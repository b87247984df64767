"""A spectrum file measured: its redshift found or taken, then everything that the spectrum says."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from fiberless.analysis.observed import SpectrumMeasurements, measure_observed
from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.redshift.noise import neighbour_noise
from fiberless.analysis.redshift.search import FoundRedshift, find_redshift
from fiberless.arrays import FloatArray, significant
from fiberless.astro.dust import cardelli_curve
from fiberless.astro.extinction import MAX_EBV
from fiberless.contract.measurements import gaussian, given, missing
from fiberless.contract.properties import Flag, Measurement
from fiberless.errors import UsageError
from fiberless.measuring.document import MeasuredSpectrum
from fiberless.measuring.predicted import measure_prediction
from fiberless.measuring.readers import SpectrumFile, read_spectrum_file
from fiberless.measuring.stars import stellar_measurements

__all__ = ["MeasuredFile", "MeasuredFit", "measure_file", "measure_spectrum"]

_REDSHIFT_RANGE: Final = (-0.01, 1.5)
_AV_PER_EBV: Final = 2.742
"""A_V over the E(B−V) of Schlegel+98 (Schlafly & Finkbeiner 2011, ApJ 737, 103, table 6)."""
_SEARCH_METHOD: Final = "chi2 of stellar and line templates over 0 < z < 1"


@dataclass(frozen=True, eq=False)
class MeasuredFit:
    """Model of the spectrum under the measurements, on observed vacuum wavelengths. (P,) each

    Parameters
    ----------
    wave_aa : (P,)
    continuum, lines : (P,) starlight and emission, 1e-17 erg/(s cm2 Å)

    """

    wave_aa: FloatArray
    continuum: FloatArray
    lines: FloatArray


@dataclass(frozen=True, eq=False)
class MeasuredFile:
    """A file, what was measured on it and the fit, None where nothing could be fitted."""

    source: SpectrumFile
    document: MeasuredSpectrum
    fit: MeasuredFit | None


def measure_file(
    path: Path, *, redshift: float | None = None, air: bool = False, ebv: float = 0.0
) -> MeasuredFile:
    """Read and measure one file.

    Parameters
    ----------
    path : of any kind that `read_spectrum_file` knows
    redshift : heliocentric, if it is known; else it is found. Predicted spectra bring their own.
    air : whether the wavelengths of a table are those in air
    ebv : Milky Way's E(B−V) in front, on the scale of Schlegel+98, to be taken off an observed spectrum

    Raises
    ------
    UsageError
        `not-a-spectrum`, `unknown-unit`, `no-valid-pixels`, or `invalid-parameter` for redshift or E(B−V).

    """
    return measure_spectrum(read_spectrum_file(path, air=air), redshift=redshift, ebv=ebv)


def measure_spectrum(
    source: SpectrumFile, *, redshift: float | None = None, ebv: float = 0.0
) -> MeasuredFile:
    """Measure what was read; parameters and errors as of `measure_file`."""
    if redshift is not None and not _REDSHIFT_RANGE[0] <= redshift <= _REDSHIFT_RANGE[1]:
        low, high = _REDSHIFT_RANGE
        raise UsageError("invalid-parameter", f"z = {redshift:g} is outside {low:g} to {high:g}")
    if not 0.0 <= ebv <= MAX_EBV:
        raise UsageError("invalid-parameter", f"E(B-V) = {ebv:g} is outside 0 to {MAX_EBV:g}")
    if source.candidates is not None:
        document, measured = measure_prediction(source, redshift, ebv)
        return (
            MeasuredFile(source, document, None)
            if measured is None
            else _complete(source, document, measured)
        )
    return _observed(_with_noise(_dereddened(source, ebv)), redshift)


def _observed(source: SpectrumFile, redshift: float | None) -> MeasuredFile:
    pixels = _pixels(source)
    found = find_redshift(pixels)
    document = MeasuredSpectrum(
        file=source.name,
        kind="observed",
        redshift=_found(found) if redshift is None else given(redshift, unit=""),
        redshift_issues=tuple(issue.value for issue in found.issues) if redshift is None else (),
        snr=float(significant(np.array(found.snr), 3)),
        notes=(*source.notes, *(_doubted(found) if redshift is None else ())),
    )
    if document.redshift.value is None or document.redshift_issues:
        return MeasuredFile(source, document, None)
    stars = stellar_measurements(pixels, document.redshift.value)
    measured = measure_observed(
        source.spectrum.wave_aa,
        pixels.flux[0],
        _ivar(pixels),
        document.redshift.value,
        sigma_star_kms=stars["velocity_dispersion"].value,
    )
    return _complete(source, document.model_copy(update={"stars": stars}), measured)


def _doubted(found: FoundRedshift) -> tuple[str, ...]:
    """What is to be said of a redshift that only the pattern of its lines confirms."""
    if not found.doubts:
        return ()
    doubts = ", ".join(doubt.value for doubt in found.doubts)
    return (f"the redshift is confirmed by the pattern of its emission lines, in spite of {doubts}",)


def _complete(
    source: SpectrumFile, document: MeasuredSpectrum, measured: SpectrumMeasurements
) -> MeasuredFile:
    update = {
        name: getattr(measured, name) for name in ("quantities", "classes", "lines", "lick", "lick_system")
    }
    fit = MeasuredFit(
        wave_aa=measured.wave_aa, continuum=measured.fit.continuum[0], lines=measured.fit.lines[0]
    )
    if source.is_relative:
        update["quantities"] = _without_scale(update["quantities"])
    return MeasuredFile(source, document.model_copy(update=update), fit)


def _without_scale(quantities: dict[str, Measurement]) -> dict[str, Measurement]:
    """Quantities of a spectrum of relative flux: what needs its scale is flagged."""
    doubtful = {"flag": Flag.LOW_CONFIDENCE}
    return {
        name: found.model_copy(update=doubtful)
        if found.flag is Flag.OK and name.startswith(("log_sfr", "magnitudes."))
        else found
        for name, found in quantities.items()
    }


def _dereddened(source: SpectrumFile, ebv: float) -> SpectrumFile:
    """An observed spectrum without the Milky Way's dust."""
    if ebv == 0:
        return source
    spectrum = source.spectrum
    factor = 10 ** (0.4 * _AV_PER_EBV * ebv * cardelli_curve(spectrum.wave_aa))
    sigma = None if spectrum.uncertainty is None else spectrum.uncertainty * factor
    note = f"corrected for the Milky Way's E(B-V) = {ebv:g}"
    bright = replace(spectrum, flux=spectrum.flux * factor, uncertainty=sigma)
    return replace(source, spectrum=bright, notes=(*source.notes, note))


def _with_noise(source: SpectrumFile) -> SpectrumFile:
    """The file with errors; where it gives none, the same for all pixels, from neighbours."""
    spectrum = source.spectrum
    if spectrum.uncertainty is not None:
        return source
    valid = np.isfinite(spectrum.flux) if spectrum.mask is None else ~spectrum.mask
    sigma = np.full(spectrum.flux.shape, neighbour_noise(spectrum.flux, valid))
    has_others = any("not used" in note for note in source.notes)
    said = "nothing in the file is known as errors" if has_others else "no errors given"
    note = f"{said}: {sigma[0]:.3g} a pixel taken, from the scatter between neighbours"
    return replace(source, spectrum=replace(spectrum, uncertainty=sigma), notes=(*source.notes, note))


def _pixels(source: SpectrumFile) -> PixelFlux:
    spectrum = source.spectrum
    sigma = np.ones_like(spectrum.flux) if spectrum.uncertainty is None else spectrum.uncertainty
    usable = np.isfinite(sigma) & (sigma > 0)
    if spectrum.mask is not None:
        usable &= ~spectrum.mask
    ivar = np.divide(1.0, sigma**2, out=np.zeros_like(sigma), where=usable)
    return PixelFlux.of(spectrum.wave_aa, spectrum.flux[None], ivar[None])


def _ivar(pixels: PixelFlux) -> FloatArray:
    return np.ones_like(pixels.flux[0]) if pixels.ivar is None else pixels.ivar[0]


def _found(found: FoundRedshift) -> Measurement:
    if not np.isfinite(found.redshift):
        return missing("", Flag.OUT_OF_BAND, method=_SEARCH_METHOD)
    flag = Flag.LOW_CONFIDENCE if found.issues or found.doubts else Flag.OK
    return gaussian(found.redshift, found.error, unit="", method=_SEARCH_METHOD, flag=flag)
