"""Spectrum files of many kinds, read into one: surveys' layouts, our products, tables, images, specutils."""

import io
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.io import fits
from astropy.io.votable import parse as parse_votable
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from fiberless.arrays import FloatArray
from fiberless.errors import UsageError
from fiberless.measuring.formats.columns import TableColumn
from fiberless.measuring.formats.compressed import unpacked
from fiberless.measuring.formats.fits_file import described_hdus, fits_spectrum
from fiberless.measuring.formats.product import (
    is_product,
    is_product_columns,
    product_of_columns,
    product_of_fits,
)
from fiberless.measuring.formats.spectrum_file import (
    CandidateSpectra,
    FoundSpectrum,
    Medium,
    SpectrumFile,
    finished,
)
from fiberless.measuring.formats.table import medium_of_cards, spectrum_of_columns
from fiberless.measuring.formats.text import decoded, text_table
from fiberless.measuring.formats.unit_text import FLUX_UNIT

__all__ = [
    "CandidateSpectra",
    "SpectrumFile",
    "check_spectrum",
    "convert_specutils",
    "read_spectrum_file",
    "read_table",
]


def read_spectrum_file(path: Path, *, air: bool = False) -> SpectrumFile:
    """Read a spectrum, whatever kind of file it is in.

    Surveys' FITS files by their layouts; tables (FITS, VOTable, ECSV, CSV, text, Parquet) by the names, UCDs
    and units of their columns; images by their wavelength axis; our own products as predicted. What is found
    and not used is named in the notes. What nothing here knows is left to specutils.

    Parameters
    ----------
    path : of the file, perhaps compressed
    air : whether the wavelengths are those in air, where the file does not say

    Raises
    ------
    UsageError
        `not-a-spectrum` if nothing here can read the file, `unknown-unit`, `no-valid-pixels`.

    """
    content = unpacked(path)
    try:
        with warnings.catch_warnings(action="ignore", category=AstropyWarning):
            return _read(path, content, air=air)
    except UsageError:
        raise
    except Exception as error:
        # of astropy, numpy and csv on other people's bytes
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError("not-a-spectrum", f"{path.name}: {first}") from error


def _read(path: Path, content: bytes, *, air: bool) -> SpectrumFile:
    start = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if content.startswith(b"SIMPLE  ="):
        return _from_fits(path, content, air=air)
    if start.startswith(b"<"):
        return _from_votable(path, content, air=air)
    if content.startswith(b"PAR1"):
        return _from_parquet(path, content, air=air)
    text = decoded(content)
    if text.lstrip().startswith("# %ECSV"):
        return read_table(path.name, Table.read(text.lstrip(), format="ascii.ecsv"), air=air)
    described = _described_format(text)
    if described is not None:
        return read_table(path.name, Table.read(text, format=described), air=air)
    return _from_text(path, text, air=air)


def _described_format(text: str) -> str | None:
    """Name in astropy of a format of text whose head describes the columns: of journals and archives."""
    head = text[:20_000]
    if "Byte-by-byte Description" in head:
        return "ascii.mrt" if head.lstrip().startswith("Title:") else "ascii.cds"
    lines = [line for line in head.splitlines() if line.strip() and not line.startswith("\\")]
    is_ipac = len(lines) > 4 and lines[0].startswith("|") and lines[1].startswith("|")
    return "ascii.ipac" if is_ipac and not lines[4].startswith("|") else None


def _from_fits(path: Path, content: bytes, *, air: bool) -> SpectrumFile:
    with fits.open(io.BytesIO(content)) as hdus:
        if is_product(hdus[0].header):
            _refuse_air(path.name, air=air)
            return product_of_fits(path.name, hdus)
        found = fits_spectrum(path.name, hdus)
        held = described_hdus(hdus) if found is None else ""
    if found is None:
        return _from_specutils(path, held, air=air)
    return finished(path.name, found, air=air)


def _refuse_air(name: str, *, air: bool) -> None:
    if air:
        raise UsageError("invalid-parameter", f"{name} is in vacuum: leave out --air")


def _from_votable(path: Path, content: bytes, *, air: bool) -> SpectrumFile:
    try:
        tree = parse_votable(io.BytesIO(content), verify="ignore")
    except Exception as error:
        # its parser raises faults of XML, of numbers and of its own
        raise UsageError("not-a-spectrum", f"{path.name} is no VOTable: {error}") from error
    tables = [table for table in tree.iter_tables() if len(table.array)]
    if len(tables) != 1:
        raise UsageError("not-a-spectrum", f"{path.name} holds {len(tables)} tables: one spectrum a file")
    table = tables[0].to_table(use_names_over_ids=True)
    facts = {param.name: param.value for param in tables[0].params}
    return read_table(path.name, table, air=air, facts=facts)


def _from_parquet(path: Path, content: bytes, *, air: bool) -> SpectrumFile:
    try:
        import_module("pyarrow")
    except ImportError as error:
        detail = f"{path.name}: Parquet needs pyarrow: pip install 'fiberless[parquet]'"
        raise UsageError("not-a-spectrum", detail) from error
    return read_table(path.name, Table.read(io.BytesIO(content), format="parquet"), air=air)


def _from_text(path: Path, text: str, *, air: bool) -> SpectrumFile:
    found = text_table(path.name, text)
    columns = list(found.columns)
    if is_product_columns(columns):
        _refuse_air(path.name, air=air)
        return product_of_columns(path.name, columns, {})
    cards = {"comments": found.comments}
    spectrum = spectrum_of_columns(path.name, columns, cards=cards, notes=found.notes)
    return finished(path.name, spectrum, air=air)


def read_table(
    name: str, table: Table, *, air: bool = False, facts: Mapping[str, Any] | None = None
) -> SpectrumFile:
    """Spectrum of an astropy table in memory; parameters and errors as of `read_spectrum_file`."""
    known = {**table.meta, **(facts or {})}
    columns = list(_columns(table))
    if is_product(known) or is_product_columns(columns):
        _refuse_air(name, air=air)
        return product_of_columns(name, columns, known)
    return finished(name, spectrum_of_columns(name, columns, cards=known), air=air)


def _columns(table: Table) -> Iterator[TableColumn]:
    for title in table.colnames:
        column = table[title]
        values = np.ma.asarray(getattr(column, "value", column))
        if values.ndim == 2 and values.shape[0] == 1:
            values = values[0]
        if values.ndim != 1:
            continue
        meta = getattr(getattr(column, "info", None), "meta", None) or {}
        words = {key: str(meta.get(key, "")) for key in ("ucd", "utype")}
        unit = None if column.unit is None else str(column.unit)
        description = str(getattr(column.info, "description", None) or "")
        yield TableColumn.titled(title, values, unit, description=description, **words)


def _from_specutils(path: Path, held: str, *, air: bool) -> SpectrumFile:
    try:
        specutils = import_module("specutils")
    except ImportError as error:
        detail = f"{path.name} holds {held}: other layouts need specutils: pip install specutils"
        raise UsageError("not-a-spectrum", detail) from error
    try:
        with warnings.catch_warnings(action="ignore"):
            return convert_specutils(specutils.Spectrum.read(str(path)), path, air=air)
    except UsageError as refusal:
        detail = f"{path.name} holds {held}; as specutils reads it: {refusal.detail}"
        raise UsageError(refusal.slug, detail) from refusal
    except Exception as error:
        # its many loaders raise whatever their authors' code met with
        detail = f"{path.name} holds {held}: no layout known here, and specutils cannot read it: {error}"
        raise UsageError("not-a-spectrum", detail) from error


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
            flux = np.asarray(read.flux.to_value(FLUX_UNIT, equivalencies=density))
            deviation = _specutils_error(read, density)
    except units.UnitConversionError as error:
        raise UsageError("unknown-unit", f"{path.name}: {error}") from error
    if read.mask is not None:
        flux = np.where(read.mask, np.nan, flux)
    medium, remarks = medium_of_cards(_specutils_cards(read))
    found = FoundSpectrum(wave_aa, flux, deviation, medium, ("read by specutils", *remarks))
    return finished(path.name, found, air=air)


def _specutils_cards(read: Any) -> Mapping[str, Any]:
    meta = getattr(read, "meta", None) or {}
    header = meta.get("header", {})
    return {**(dict(header) if isinstance(header, Mapping | fits.Header) else {}), **meta}


def _specutils_error(read: Any, density: Any) -> FloatArray | None:
    if read.uncertainty is None:
        return None
    nddata = import_module("astropy.nddata")
    deviation = read.uncertainty.represent_as(nddata.StdDevUncertainty)
    unit = deviation.unit or read.flux.unit
    return np.asarray((deviation.array * unit).to_value(FLUX_UNIT, equivalencies=density))


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
    medium = Medium.AIR if air else Medium.SURVEY_VACUUM
    return finished(path.name, FoundSpectrum(wave_aa, flux, error, medium, tuple(notes)), air=False)
