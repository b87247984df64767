"""Spectrum files of many kinds, read into one: SDSS spec files, our product, tables, what specutils knows."""

import warnings
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from astropy import units
from astropy.io import ascii as ascii_tables
from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from fiberless.analysis.spectrum import Spectrum
from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import air_to_vacuum
from fiberless.contract.properties import FLUX_UNIT
from fiberless.errors import UsageError
from fiberless.sources.sdss.spec_file import BRIGHT_SKY, PipelineValues, is_sdss, read_sdss

__all__ = ["CandidateSpectra", "SpectrumFile", "check_spectrum", "convert_specutils", "read_spectrum_file"]

_FLUX_UNIT: Final = units.Unit(FLUX_UNIT)
_WAVE_NAMES: Final = ("wavelength", "wave", "lambda", "lam", "wl", "wavelength_aa", "wave_aa")
_FLUX_NAMES: Final = ("flux", "f_lambda", "flam", "flux_lambda", "fluxdensity", "flux_density")
_ERROR_NAMES: Final = ("uncertainty", "error", "err", "sigma", "flux_err", "flux_error", "e_flux", "std")
_RANGE_AA: Final = (1000.0, 50_000.0)
_MIN_PIXELS: Final = 100
_FAULTS: Final = (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError)


@dataclass(frozen=True, eq=False)
class CandidateSpectra:
    """The candidates of a predicted spectrum: flux (K, L) on the spectrum's wavelengths, redshift (K,)."""

    flux: FloatArray
    redshift: FloatArray


@dataclass(frozen=True, eq=False)
class SpectrumFile:
    """What a file held.

    Parameters
    ----------
    name : of the file, without its folder
    spectrum : observed frame, vacuum, 1e-17 erg/(s cm2 Å)
    candidates : of a predicted spectrum, else None
    pipeline : the survey's own results, to be compared with and never measured from
    notes : what had to be assumed

    """

    name: str
    spectrum: Spectrum
    candidates: CandidateSpectra | None = None
    pipeline: PipelineValues | None = None
    notes: tuple[str, ...] = ()


def read_spectrum_file(path: Path, *, air: bool = False) -> SpectrumFile:
    """Read a spectrum, whatever kind of file it is in.

    Tables are ECSV, CSV or plain text of two or three columns, or the first FITS table with columns of
    wavelength and flux: wavelength in Å and flux in 1e-17 erg/(s cm2 Å) unless the table gives other units,
    errors as standard deviations. All else is left to specutils.

    Parameters
    ----------
    path : of the file
    air : whether the wavelengths of a table are those in air; SDSS files and our product are in vacuum

    Raises
    ------
    UsageError
        `not-a-spectrum` if nothing here can read the file, `unknown-unit`, `no-valid-pixels`.

    """
    start = _first_bytes(path)
    if not start:
        raise UsageError("not-a-spectrum", f"{path.name} is empty")
    if start.startswith((b"SIMPLE  =", b"\x1f\x8b", b"BZh")):
        return _from_fits(path, air=air)
    return _from_text(path, air=air)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(9)
    except OSError as error:
        raise UsageError("not-a-spectrum", f"{path.name}: {error.strerror or error}") from error


def _from_fits(path: Path, *, air: bool) -> SpectrumFile:
    try:
        with warnings.catch_warnings(action="ignore", category=AstropyWarning), fits.open(path) as hdus:
            known_vacuum = is_sdss(hdus) or bool(hdus[0].header.get("PREDICT", False))
            if known_vacuum:
                _refuse_air(path, air=air)
                return _product(path, hdus) if not is_sdss(hdus) else _sdss(path)
            table = _fits_table(hdus)
    except UsageError:
        raise
    except _FAULTS as error:
        raise UsageError("not-a-spectrum", f"{path.name}: {error}") from error
    return _from_specutils(path, air=air) if table is None else _from_table(path, table, air=air)


def _refuse_air(path: Path, *, air: bool) -> None:
    if air:
        raise UsageError("invalid-parameter", f"{path.name} is in vacuum: leave out --air")


def _sdss(path: Path) -> SpectrumFile:
    found = read_sdss(path)
    usable = (found.ivar > 0) & (found.and_mask & BRIGHT_SKY == 0)
    sigma = np.divide(1.0, np.sqrt(np.where(usable, found.ivar, 1.0)))
    return SpectrumFile(
        path.name, Spectrum(found.wave_aa, found.flux, sigma, ~usable), pipeline=found.pipeline
    )


def _product(path: Path, hdus: fits.HDUList) -> SpectrumFile:
    shown, samples = hdus["SPECTRUM"].data, hdus["SAMPLES"].data
    flux = shown["flux"].astype(np.float64)
    spectrum = Spectrum(
        shown["wavelength"].astype(np.float64), flux, mask=~np.isfinite(flux), kind="predicted"
    )
    candidates = CandidateSpectra(samples["flux"].astype(np.float64), samples["redshift"].astype(np.float64))
    return SpectrumFile(path.name, spectrum, candidates)


def _fits_table(hdus: fits.HDUList) -> Table | None:
    """First table with named columns of wavelength and flux."""
    for hdu in hdus[1:]:
        if not isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
            continue
        names = {str(name).lower() for name in hdu.columns.names}
        if names & set(_WAVE_NAMES) and names & set(_FLUX_NAMES) and len(hdu.data) >= _MIN_PIXELS:
            return Table.read(hdu)
    return None


def _from_text(path: Path, *, air: bool) -> SpectrumFile:
    try:
        with warnings.catch_warnings(action="ignore", category=AstropyWarning):
            is_ecsv = path.read_text(encoding="utf-8").startswith("# %ECSV")
            table = Table.read(str(path), format="ascii.ecsv" if is_ecsv else "ascii")
    except (*_FAULTS, ascii_tables.InconsistentTableError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError("not-a-spectrum", f"{path.name} is no table of numbers: {first}") from error
    return _from_table(path, table, air=air)


def _from_table(path: Path, table: Table, *, air: bool) -> SpectrumFile:
    columns = _chosen_columns(path, table)
    notes = []
    wave_aa = _in_unit(path, columns[0], units.AA)
    flux = _in_unit(path, columns[1], _FLUX_UNIT)
    if columns[1].unit is None:
        notes.append("no flux unit given: taken as 1e-17 erg / (s cm2 Angstrom)")
    error = _in_unit(path, columns[2], _FLUX_UNIT) if len(columns) > 2 else None
    return check_spectrum(path, wave_aa, flux, error=error, air=air, notes=notes)


def _chosen_columns(path: Path, table: Table) -> list[Any]:
    """Columns of wavelength, flux and, if any, error: by name, else the first three."""
    by_name = {name.lower(): name for name in table.colnames}
    chosen = [
        next((by_name[name] for name in names if name in by_name), None)
        for names in (_WAVE_NAMES, _FLUX_NAMES, _ERROR_NAMES)
    ]
    if chosen[0] is None or chosen[1] is None:
        chosen = list(table.colnames[:3])
    if len(chosen) < 2:
        raise UsageError("not-a-spectrum", f"{path.name} has one column; wavelength and flux are needed")
    return [table[name] for name in chosen if name is not None]


def _in_unit(path: Path, column: Any, unit: Any) -> FloatArray:
    """Values of a column (L,) in a unit; a column without any is taken to be in it. NaN where masked."""
    try:
        values = np.ma.filled(np.ma.asarray(column.data, dtype=np.float64), np.nan)
        given = column.unit
        return values if given is None else np.asarray((values * units.Unit(given)).to_value(unit))
    except units.UnitConversionError as error:
        raise UsageError("unknown-unit", f"{path.name}: column {column.name}: {error}") from error
    except (ValueError, TypeError) as error:
        raise UsageError("not-a-spectrum", f"{path.name}: column {column.name} is not numbers") from error


def _from_specutils(path: Path, *, air: bool) -> SpectrumFile:
    try:
        specutils = import_module("specutils")
    except ImportError as error:
        detail = f"{path.name}: this layout needs specutils: pip install specutils"
        raise UsageError("not-a-spectrum", detail) from error
    try:
        with warnings.catch_warnings(action="ignore"):
            return convert_specutils(specutils.Spectrum.read(str(path)), path, air=air)
    except UsageError:
        raise
    except Exception as error:
        # its many loaders raise whatever their authors' code met with
        raise UsageError("not-a-spectrum", f"{path.name}: specutils cannot read it: {error}") from error


def convert_specutils(read: Any, path: Path, *, air: bool) -> SpectrumFile:
    """A spectrum of specutils in our units; `path` names it in messages. Raises as `check_spectrum`.

    Raises
    ------
    UsageError
        `unknown-unit` if axis or flux are of another kind.

    """
    try:
        with warnings.catch_warnings(action="ignore"):
            wave_aa = np.asarray(read.spectral_axis.to_value(units.AA, equivalencies=units.spectral()))
            density = units.spectral_density(read.spectral_axis)
            flux = np.asarray(read.flux.to_value(_FLUX_UNIT, equivalencies=density))
            deviation = _specutils_error(read, density)
    except units.UnitConversionError as error:
        raise UsageError("unknown-unit", f"{path.name}: {error}") from error
    if read.mask is not None:
        flux = np.where(read.mask, np.nan, flux)
    return check_spectrum(path, wave_aa, flux, error=deviation, air=air, notes=["read by specutils"])


def _specutils_error(read: Any, density: Any) -> FloatArray | None:
    if read.uncertainty is None:
        return None
    nddata = import_module("astropy.nddata")
    deviation = read.uncertainty.represent_as(nddata.StdDevUncertainty)
    unit = deviation.unit or read.flux.unit
    return np.asarray((deviation.array * unit).to_value(_FLUX_UNIT, equivalencies=density))


def check_spectrum(
    path: Path,
    wave_aa: FloatArray,
    flux: FloatArray,
    *,
    error: FloatArray | None,
    air: bool,
    notes: list[str],
) -> SpectrumFile:
    """The spectrum in ascending vacuum wavelengths, if it is one.

    Parameters
    ----------
    path : names the spectrum in messages
    wave_aa : (L,) Å, in any order
    flux : (L,) 1e-17 erg/(s cm2 Å); NaN where a pixel is not to be used
    error : (L,) standard deviation of `flux`, or None
    air : whether `wave_aa` are wavelengths in air
    notes : what had to be assumed

    Raises
    ------
    UsageError
        `not-a-spectrum`, `no-valid-pixels`.

    """
    if np.ndim(flux) != 1 or np.shape(wave_aa) != np.shape(flux):
        raise UsageError("not-a-spectrum", f"{path.name}: one spectrum a file, not of shape {np.shape(flux)}")
    if wave_aa.size < _MIN_PIXELS or not np.isfinite(wave_aa).all():
        raise UsageError("not-a-spectrum", f"{path.name}: fewer than {_MIN_PIXELS} known wavelengths")
    order = np.argsort(wave_aa)
    wave_aa, flux = wave_aa[order], flux[order]
    if not (_RANGE_AA[0] < wave_aa[0] and wave_aa[-1] < _RANGE_AA[1]) or (np.diff(wave_aa) == 0).any():
        shown = f"{wave_aa[0]:g}–{wave_aa[-1]:g}"
        raise UsageError("not-a-spectrum", f"{path.name}: wavelengths {shown} are not distinct values in Å")
    bad = ~np.isfinite(flux)
    if error is not None:
        error = error[order]
        bad |= ~np.isfinite(error) | ~(error > 0)
    if bad.all():
        raise UsageError("no-valid-pixels", f"{path.name}: no pixel has a flux and a positive error")
    wave_aa = air_to_vacuum(wave_aa) if air else wave_aa.astype(np.float64)
    return SpectrumFile(path.name, Spectrum(wave_aa, flux, error, bad), notes=tuple(notes))
