"""`measure`: a spectrum in memory or in a file measured, for a script or a notebook."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from astropy.table import Table

from fiberless.analysis.spectrum import Spectrum
from fiberless.errors import UsageError
from fiberless.measuring.document import MeasuredSpectrum
from fiberless.measuring.files import measure_spectrum
from fiberless.measuring.readers import (
    SpectrumFile,
    check_spectrum,
    convert_specutils,
    read_spectrum_file,
    read_table,
)

__all__ = ["SpecutilsSpectrum", "measure"]

_NAME = "spectrum"


class SpecutilsSpectrum(Protocol):
    """What a `Spectrum` of specutils is to us, who do not load specutils for it."""

    @property
    def spectral_axis(self) -> Any:
        """Wavelengths or frequencies, with a unit."""

    @property
    def flux(self) -> Any:
        """Flux density, with a unit."""

    @property
    def uncertainty(self) -> Any:
        """Its error, or None."""

    @property
    def mask(self) -> Any:
        """True where a pixel is not to be used, or None."""


def measure(
    spectrum: Spectrum | SpecutilsSpectrum | Table | str | Path,
    *,
    redshift: float | None = None,
    air: bool = False,
    ebv: float = 0.0,
) -> MeasuredSpectrum:
    """Measure a spectrum: redshift, stars, lines, indices, classes, abundances, star formation, magnitudes.

    Parameters
    ----------
    spectrum : what to measure
        A `Spectrum` in the observed frame, one of specutils, an astropy `Table`, or a file: of a survey, a
        table or an image of a spectrum, a prediction in any format (FITS has its candidates).
    redshift : heliocentric, if it is known
        Else it is found in 0 < z < 1. The candidates of a prediction bring their own.
    air : whether the wavelengths are those in air, where the file does not say
    ebv : Milky Way's E(B−V) in front of an observed spectrum, mag, to be taken off

    Raises
    ------
    UsageError
        `not-a-spectrum`, `unknown-unit`, `no-valid-pixels`, or `invalid-parameter` for an option.

    Examples
    --------
    Old stars at z = 0.08 with a signal-to-noise ratio of about 25:

    >>> import fiberless, numpy as np
    >>> from fiberless.astro.ssp import load_ssp
    >>> ssp, rng = load_ssp(), np.random.default_rng(1)
    >>> wave_aa = 10 ** (3.581 + 1e-4 * np.arange(3840))
    >>> stars = np.interp(wave_aa / 1.08, ssp.wave_aa, ssp.flux[4, 22] / ssp.flux[4, 22].mean())
    >>> error = np.ones(wave_aa.size)
    >>> measured = fiberless.measure(fiberless.Spectrum(wave_aa, 25 * stars + rng.normal(size=3840), error))
    >>> abs(measured.redshift.value - 0.08) < 0.001
    True
    >>> measured.lines["Halpha"].flux.flag.value
    'not_detected'

    """
    return measure_spectrum(_source(spectrum, air=air), redshift=redshift, ebv=ebv).document


def _source(spectrum: Spectrum | SpecutilsSpectrum | Table | str | Path, *, air: bool) -> SpectrumFile:
    match spectrum:
        case str() | Path():
            return read_spectrum_file(Path(spectrum), air=air)
        case Table():
            return read_table(_NAME, spectrum, air=air)
        case Spectrum():
            return _in_memory(spectrum, air=air)
        case _ if hasattr(spectrum, "spectral_axis"):
            return convert_specutils(spectrum, Path(_NAME), air=air)
        case _:
            raise UsageError("not-a-spectrum", f"a {type(spectrum).__name__} is no spectrum")


def _in_memory(spectrum: Spectrum, *, air: bool) -> SpectrumFile:
    if spectrum.kind == "predicted":
        detail = "a predicted spectrum is measured over its candidates: give the prediction's FITS file"
        raise UsageError("not-a-spectrum", detail)
    if spectrum.frame == "rest":
        raise UsageError("not-a-spectrum", "the spectrum must be in the observed frame")
    if air:
        raise UsageError("invalid-parameter", "a Spectrum is in vacuum: leave out air")
    masked = np.zeros(np.shape(spectrum.flux), dtype=bool) if spectrum.mask is None else spectrum.mask
    flux = np.where(masked, np.nan, np.asarray(spectrum.flux, dtype=np.float64))
    return check_spectrum(
        Path(_NAME), spectrum.wave_aa, flux, error=spectrum.uncertainty, air=False, notes=[]
    )
