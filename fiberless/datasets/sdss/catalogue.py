"""`Catalogue`: galaxies with spectra, one row each, with identifiers that never pass through a float."""

import csv
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.datasets.sdss.options import EBV_PER_EXTINCTION_R, Selection
from fiberless.errors import UsageError

__all__ = ["Catalogue", "Dropped", "Galaxy", "catalogue_of", "read_catalogue", "read_csv_columns"]

_Column = Sequence[Any] | npt.NDArray[Any]

_ALIASES: Final = MappingProxyType(
    {
        "object_id": ("object_id", "objid", "bestobjid"),
        "spec_obj_id": ("spec_obj_id", "specobjid"),
        "plate": ("plate",),
        "mjd": ("mjd",),
        "fiber": ("fiber", "fiberid", "fiber_id"),
        "run2d": ("run2d",),
        "run": ("run",),
        "rerun": ("rerun",),
        "camcol": ("camcol",),
        "field": ("field",),
        "ra": ("ra", "plug_ra"),
        "dec": ("dec", "plug_dec"),
        "redshift": ("redshift", "z"),
        "sn": ("sn", "snmedian", "sn_median", "sn_median_all"),
        "log_stellar_mass": ("log_stellar_mass", "lgm_tot_p50"),
        "log_sfr": ("log_sfr", "sfr_tot_p50"),
        "oxygen": ("oxygen", "oh_p50"),
        "sigma_star": ("sigma_star", "veldisp", "vdisp"),
        "r_mag": ("r_mag", "petromag_r"),
        "ebv": ("ebv", "e_bv"),
        "extinction_r": ("extinction_r",),
        "class": ("class",),
        "zwarning": ("zwarning",),
    }
)
_INTEGERS: Final = ("object_id", "plate", "mjd", "fiber", "run", "camcol", "field")
_NUMBERS: Final = ("ra", "dec", "redshift")
_OPTIONAL: Final = ("sn", "log_stellar_mass", "log_sfr", "oxygen", "sigma_star", "r_mag", "ebv")
_NO_RERUN: Final = "301"
_NO_RUN2D: Final = "26"
_MAX_SIGMA_KMS: Final = 849.0
"""The survey's fit stops at 850 km/s: a value there is a failure."""


@dataclass(frozen=True)
class Dropped:
    """Rows of a catalogue that are not wanted, by reason."""

    counts: Mapping[str, int]


@dataclass(frozen=True)
class Galaxy:
    """One row of a catalogue.

    Parameters
    ----------
    row : place in the catalogue
    ra, dec : ICRS degrees
    known : values of the truth columns that the catalogue gives, NaN unknown

    """

    row: int
    object_id: int
    plate: int
    mjd: int
    fiber: int
    run2d: str
    rerun: str
    run: int
    camcol: int
    field: int
    ra: float
    dec: float
    redshift: float
    known: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Galaxies sorted by object id, which in SDSS sorts them by run, camera column and field.

    Parameters
    ----------
    table : astropy Table with object_id int64; spec_obj_id uint64, 0 unknown; plate, mjd, fiber, run,
        camcol, field int64; run2d, rerun text; ra, dec ICRS degrees, redshift, and sn,
        log_stellar_mass (lg M☉), log_sfr (lg M☉/yr), oxygen (12 + lg O/H), sigma_star (km/s), ebv,
        r_mag (mag) float64, NaN unknown

    """

    table: Table

    def __len__(self) -> int:
        return len(self.table)

    def ints(self, name: str) -> IntArray:
        """One integer column. (N,)"""
        values: IntArray = np.asarray(self.table[name])
        return values

    def floats(self, name: str) -> FloatArray:
        """One column of numbers. (N,) float64"""
        return np.asarray(self.table[name], dtype=np.float64)

    def texts(self, name: str) -> list[str]:
        """One column of text."""
        return [str(value) for value in self.table[name]]

    def take(self, rows: slice | IntArray | BoolArray) -> "Catalogue":
        """Some of the rows."""
        return Catalogue(self.table[rows])

    def galaxies(self, rows: range) -> list[Galaxy]:
        """Some rows one by one."""
        return [self._galaxy(row) for row in rows]

    def _galaxy(self, row: int) -> Galaxy:
        line = self.table[row]
        known = {name: float(line[name]) for name in ("redshift", *_OPTIONAL)}
        integers = {name: int(line[name]) for name in _INTEGERS}
        numbers = {name: float(line[name]) for name in _NUMBERS}
        texts = {name: str(line[name]) for name in ("run2d", "rerun")}
        return Galaxy(row=row, known=known, **integers, **numbers, **texts)  # type: ignore[arg-type]

    def select(self, selection: Selection) -> tuple["Catalogue", Dropped]:
        """Rows inside the limits that a catalogue can tell; the first of several spectra of an object."""
        z, sn = self.floats("redshift"), self.floats("sn")
        low, high = selection.redshift
        tests = {
            "redshift": (z > low) & (z < high),
            "signal-to-noise": ~(sn < selection.min_sn),
            "class": np.array([name == "GALAXY" for name in self.texts("class")], dtype=bool),
            "zwarning": self.ints("zwarning") == 0,
            "second spectrum of an object": _first_of_each(self.ints("object_id")),
        }
        kept, counts = np.ones(len(self), dtype=bool), {}
        for reason, passed in tests.items():
            counts[reason] = int(np.sum(kept & ~passed))
            kept &= passed
        rows = np.flatnonzero(kept)
        if selection.limit is not None and len(rows) > selection.limit:
            places = np.arange(selection.limit) * len(rows) // selection.limit
            counts["beyond the limit asked for"] = len(rows) - selection.limit
            rows = rows[places]
        return self.take(rows), Dropped(counts)

    @property
    def sha256(self) -> str:
        """Hash of every value, the same wherever the catalogue was read from."""
        digest = hashlib.sha256()
        for name in self.table.colnames:
            digest.update(name.encode())
            column = np.asarray(self.table[name])
            raw = "\0".join(self.texts(name)).encode() if column.dtype.kind in "SUO" else column.tobytes()
            digest.update(raw)
        return digest.hexdigest()

    def write(self, path: Path) -> None:
        """Write as a FITS table, under a temporary name first."""
        temporary = path.with_suffix(".tmp")
        self.table.write(temporary, format="fits", overwrite=True)
        temporary.rename(path)


def read_catalogue(path: Path) -> Catalogue:
    """Read a catalogue of one's own: CSV, FITS or ECSV, by its ending.

    Names are those of the catalogue archive or of `Catalogue`, in any case. Needed: object id, plate, mjd,
    fibre, run, camcol, field, ra, dec, redshift. −9999 and empty mean unknown. Without `rerun` 301, without
    `run2d` 26, without `ebv` extinction_r / 2.285. `r_mag` is as observed, extinction not corrected.

    Raises
    ------
    UsageError
        `invalid-parameter` if the file cannot be read, a column is missing, or an identifier is stored as a
        floating-point number, which has lost its last digits.

    """
    try:
        columns = read_csv_columns(path) if path.suffix.lower() == ".csv" else _table_columns(path)
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError("invalid-parameter", f"{path.name} cannot be read as a table: {error}") from error
    return catalogue_of(columns)


def read_csv_columns(path: Path) -> dict[str, _Column]:
    """Columns of a CSV file as text; lines that start with # are skipped."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(line for line in stream if line.strip() and not line.startswith("#")))
    if not rows:
        raise ValueError("it is empty")
    header, *body = rows
    if any(len(row) != len(header) for row in body):
        raise ValueError("its rows differ in length")
    return {name.strip(): [row[i] for row in body] for i, name in enumerate(header)}


def catalogue_of(columns: Mapping[str, _Column]) -> Catalogue:
    """Catalogue of columns under any of their usual names."""
    found = _recognised(columns)
    table = Table()
    n = len(next(iter(columns.values()), ()))
    for name in _INTEGERS:
        table[name] = _exact_integers(_needed(found, name), name, np.int64)
    table["spec_obj_id"] = _exact_integers(found.get("spec_obj_id", ["0"] * n), "spec_obj_id", np.uint64)
    table["rerun"] = _texts(found.get("rerun", [_NO_RERUN] * n))
    table["run2d"] = _texts(found.get("run2d", [_NO_RUN2D] * n))
    table["class"] = _texts(found.get("class", ["GALAXY"] * n))
    table["zwarning"] = _exact_integers(found.get("zwarning", ["0"] * n), "zwarning", np.int64)
    for name in _NUMBERS:
        table[name] = _numbers(_needed(found, name), name)
    for name in _OPTIONAL:
        table[name] = _numbers(found[name], name) if name in found else np.full(n, np.nan)
    if "ebv" not in found and "extinction_r" in found:
        table["ebv"] = _numbers(found["extinction_r"], "extinction_r") * EBV_PER_EXTINCTION_R
    sigma = table["sigma_star"]
    sigma[~((sigma > 0) & (sigma < _MAX_SIGMA_KMS))] = np.nan
    _check_positions(table)
    order = np.lexsort([table[name] for name in ("fiber", "mjd", "plate", "object_id")])
    return Catalogue(table[order])


def _check_positions(table: Table) -> None:
    ra, dec = np.asarray(table["ra"]), np.asarray(table["dec"])
    bad = ~((ra >= 0) & (ra < 360) & (np.abs(dec) <= 90))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise UsageError("invalid-parameter", f"ra = {ra[row]:g}, dec = {dec[row]:g} is no position")


def _first_of_each(ids: IntArray) -> BoolArray:
    """True at the first row of each run of equal, sorted ids."""
    return np.concatenate([np.ones(min(len(ids), 1), dtype=bool), ids[1:] != ids[:-1]])


def _recognised(columns: Mapping[str, _Column]) -> dict[str, _Column]:
    lower = {name.lower(): values for name, values in columns.items()}
    found = {}
    for name, aliases in _ALIASES.items():
        for alias in aliases:
            if alias in lower:
                found[name] = lower[alias]
                break
    return found


def _needed(found: Mapping[str, _Column], name: str) -> _Column:
    if name not in found:
        names = ", ".join(_ALIASES[name])
        raise UsageError("invalid-parameter", f"the catalogue has no column {name} (known as {names})")
    return found[name]


def _exact_integers(values: _Column, name: str, dtype: type[np.integer[Any]]) -> IntArray:
    """Integers from integers or text, digit by digit."""
    array = np.asarray(values)
    if array.dtype.kind == "f":
        raise UsageError("invalid-parameter", f"{name} is stored as floating point: ids lose digits in it")
    bounds = np.iinfo(dtype)
    parsed = _parse(values, int, name)
    if parsed and not bounds.min <= min(parsed) <= max(parsed) <= bounds.max:
        raise UsageError("invalid-parameter", f"{name} does not fit into {bounds.bits} bits")
    exact: IntArray = np.array(parsed, dtype=dtype)
    return exact


def _numbers(values: _Column, name: str) -> FloatArray:
    """float64, NaN where empty, null or −9999 and below."""
    numbers = np.array(_parse(values, _float_or_nan, name), dtype=np.float64)
    return np.where(numbers > -999.0, numbers, np.nan)


def _float_or_nan(value: Any) -> float:
    text = str(value).strip()
    return float("nan") if text.lower() in {"", "null", "none", "--", "nan"} else float(text)


def _parse(values: _Column, kind: Callable[[Any], Any], name: str) -> list[Any]:
    try:
        return [kind(value) for value in values]
    except ValueError as error:
        raise UsageError("invalid-parameter", f"{name} of the catalogue: {error}") from error


def _texts(values: Iterable[Any]) -> list[str]:
    return [str(value).strip() for value in values]


def _table_columns(path: Path) -> dict[str, _Column]:
    """Columns of a FITS or ECSV table; masked numbers become NaN, bytes become text."""
    table = Table.read(path, format="ascii.ecsv" if path.suffix.lower() == ".ecsv" else "fits")
    table.convert_bytestring_to_unicode()
    return {
        name: column.filled(np.nan) if column.dtype.kind == "f" and hasattr(column, "filled") else column
        for name, column in zip(table.colnames, table.itercols(), strict=True)
    }
