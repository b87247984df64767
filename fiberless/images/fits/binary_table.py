"""Rows of a FITS binary table that the gate let through, as a numpy structured array.

Imports numpy and the error tree.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fiberless.errors import UsageError
from fiberless.images.fits.cards import CardValue
from fiberless.images.fits.gate import RawHdu

__all__ = ["read_rows", "row_dtype"]

_FORMAT = re.compile(r"([0-9]{0,6})([LXBIJKAEDCMPQ])")
_NUMBERS: Final = {"L": "i1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_OPAQUE_BYTES: Final = {"C": 8, "M": 16, "P": 8, "Q": 16}
_MAX_COLUMNS: Final = 999


def read_rows(hdu: RawHdu) -> npt.NDArray[Any]:
    """Rows (N,) of a table, big-endian, a view of the file's bytes; column names in capitals.

    Raises
    ------
    UsageError
        `fits-unsupported` if the HDU is no binary table, `fits-header-invalid` if its columns do not fill
        its rows.

    """
    if hdu.kind != "BINTABLE" or len(hdu.shape) != 2:
        raise UsageError("fits-unsupported", f"HDU {hdu.index} is no binary table")
    dtype = row_dtype(hdu.header)
    return np.frombuffer(hdu.data[: dtype.itemsize * hdu.shape[0]], dtype=dtype)


def row_dtype(header: Mapping[str, CardValue]) -> np.dtype[Any]:
    """Layout of one row of a table (FITS standard 4.0, section 7.3); complex numbers and pointers stay bytes.

    Raises
    ------
    UsageError
        `fits-header-invalid` if the columns do not fill the row, or two have one name.

    """
    count = header.get("TFIELDS")
    if not isinstance(count, int) or not 0 < count <= _MAX_COLUMNS:
        raise UsageError("fits-header-invalid", f"TFIELDS = {count!r}")
    columns = [_column(header, number) for number in range(1, count + 1)]
    try:
        dtype = np.dtype([column for column in columns if column is not None])
    except ValueError as error:
        raise UsageError(
            "fits-header-invalid", f"the table's columns cannot be told apart: {error}"
        ) from error
    if dtype.itemsize != header.get("NAXIS1"):
        raise UsageError(
            "fits-header-invalid", f"the columns take {dtype.itemsize} bytes, not {header.get('NAXIS1')!r}"
        )
    return dtype


def _column(header: Mapping[str, CardValue], number: int) -> tuple[str, str, tuple[int, ...]] | None:
    """Name, type and shape of a column; None if it takes no room."""
    match = _FORMAT.match(str(header.get(f"TFORM{number}", "")))
    if not match:
        raise UsageError("fits-header-invalid", f"TFORM{number} = {header.get(f'TFORM{number}')!r}")
    repeat, kind = int(match[1] or 1), match[2]
    name = str(header.get(f"TTYPE{number}", f"COLUMN{number}")).strip().upper()
    if not repeat:
        return None
    if kind in _NUMBERS:
        return name, _NUMBERS[kind], () if repeat == 1 else (repeat,)
    if kind == "A":
        return name, f"S{repeat}", ()
    size = -(-repeat // 8) if kind == "X" else repeat * _OPAQUE_BYTES[kind]
    return name, f"V{size}", ()
