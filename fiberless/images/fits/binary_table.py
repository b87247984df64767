"""Columns of a FITS binary table: the gate bounds what its headers ask for, then astropy reads."""

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from fiberless.errors import UsageError
from fiberless.images.fits.cards import CardValue
from fiberless.images.fits.gate import Limits, header_at

__all__ = ["read_columns"]

_LIMITS: Final = Limits()
_BLOCK_BYTES: Final = 2880
_HEAD_BYTES: Final = 2 * _LIMITS.header_blocks * _BLOCK_BYTES
_MAX_COLUMNS: Final = 999
_FAULTS: Final = (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, fits.VerifyError)


def read_columns(path: Path, names: Collection[str]) -> dict[str, npt.NDArray[Any]]:
    """Columns (N, …) of the table in HDU 1 of a file that may be too large to be read at once.

    Parameters
    ----------
    path : a plain FITS file without a primary image
    names : of the columns, in any case

    Returns
    -------
    dict
        The names as given; copies in the file's big-endian types, texts without their padding.

    Raises
    ------
    UsageError
        `not-fits`, `fits-unsupported` if HDU 1 is no binary table, `fits-truncated`, or `fits-header-invalid`
        if its columns do not fill its rows, two have one name, or one that is asked for is not there.

    """
    size = _checked_size(path)
    try:
        with (
            warnings.catch_warnings(action="ignore", category=AstropyWarning),
            fits.open(path, memmap=True) as hdus,
        ):
            table = hdus[1]
            _check_layout(table, size)
            return {name: np.array(table.data[name]) for name in names}
    except UsageError:
        raise
    except _FAULTS as error:
        raise UsageError("fits-header-invalid", f"the table cannot be read: {error}") from error


def _checked_size(path: Path) -> int:
    """Bytes of the table's data unit, which the file holds; nothing is read but two headers."""
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
        n_bytes = stream.seek(0, 2)
    if not head.startswith(b"SIMPLE  ="):
        raise UsageError("not-fits", "it is no FITS file")
    primary, at = header_at(head, 0, limits=_LIMITS)
    if primary.get("NAXIS") != 0:
        raise UsageError("fits-unsupported", "a table is expected behind an empty primary HDU")
    header, at = header_at(head, at, limits=_LIMITS)
    if [header.get(name) for name in ("XTENSION", "BITPIX", "NAXIS", "GCOUNT")] != ["BINTABLE", 8, 2, 1]:
        raise UsageError("fits-unsupported", "HDU 1 is no binary table")
    row, rows, heap = (_count(header, name) for name in ("NAXIS1", "NAXIS2", "PCOUNT"))
    if not 0 < _count(header, "TFIELDS") <= _MAX_COLUMNS:
        raise UsageError("fits-header-invalid", f"TFIELDS = {header['TFIELDS']!r}")
    size = row * rows + heap
    if at + -(-size // _BLOCK_BYTES) * _BLOCK_BYTES > n_bytes:
        raise UsageError("fits-truncated", "the table is cut short")
    return size


def _count(header: Mapping[str, CardValue], name: str) -> int:
    value = header.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError("fits-header-invalid", f"{name} = {value!r}")
    return value


def _check_layout(table: Any, size: int) -> None:
    """Refuse a table whose columns are not what its rows hold (FITS standard 4.0, section 7.3)."""
    names = [str(name).upper() for name in table.columns.names]
    if table.size != size or len(names) != table.header["TFIELDS"] or len(set(names)) != len(names):
        raise UsageError("fits-header-invalid", "the table's columns cannot be told apart")
    row = table.columns.dtype.itemsize
    if row != table.header["NAXIS1"]:
        raise UsageError("fits-header-invalid", f"the columns take {row} bytes, not {table.header['NAXIS1']}")
