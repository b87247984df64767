"""Cells of VOTable's BINARY and BINARY2 serializations (VOTable 1.4 §5.3, §5.4).

Astropy believes what a head declares: it asks for 512 rows of the declared width before it has read a byte,
and for `nrows` rows where that is given. 373 bytes that declare one wide field cost it 8 s and 3 GB, then it
asks for 477 GiB. Here a cell costs what is there of it.
"""

import base64
import binascii
import re
import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Final

from fiberless.errors import UsageError

__all__ = ["BinaryField", "binary_cells"]

_BITS: Final = MappingProxyType(
    {
        "bit": 1,
        "boolean": 8,
        "unsignedByte": 8,
        "char": 8,
        "short": 16,
        "unicodeChar": 16,
        "int": 32,
        "float": 32,
        "long": 64,
        "double": 64,
        "floatComplex": 64,
        "doubleComplex": 128,
    }
)
_FORMATS: Final = MappingProxyType(
    {"unsignedByte": ">B", "short": ">h", "int": ">i", "long": ">q", "float": ">f", "double": ">d"}
)
_TEXTS: Final = MappingProxyType({"char": "utf-8", "unicodeChar": "utf-16-be"})
_ARRAYSIZE: Final = re.compile(r"(?:\d{1,9}x)*(?:\d{1,9}\*?|\*)", re.ASCII)


@dataclass(frozen=True)
class BinaryField:
    """Type of a field, in the words of its attributes."""

    datatype: str
    arraysize: str = ""

    @cached_property
    def bits(self) -> int:
        """Bits of one element; UsageError `bad-table` if the type is unknown."""
        if self.datatype not in _BITS or not _ARRAYSIZE.fullmatch(self.arraysize or "1"):
            raise UsageError("bad-table", "a field of the VOTable has no type that can be read")
        return _BITS[self.datatype]

    @cached_property
    def fixed_count(self) -> int | None:
        """Elements of a cell; None where each cell says it itself; raises as `bits`."""
        if not self.bits or "*" in self.arraysize:
            return None
        count = 1
        for length in (self.arraysize or "1").split("x"):
            count *= int(length)
        return count

    def value(self, data: bytes) -> str | float | None:
        """Number or text of a cell, None for an empty one; UsageError `bad-table` for any other type."""
        if self.datatype in _TEXTS:
            text = data.decode(_TEXTS[self.datatype], errors="replace")
            return text.partition("\0")[0].strip() or None
        layout = _FORMATS.get(self.datatype)
        if not data:
            return None
        if layout is None or len(data) != struct.calcsize(layout):
            kind = f"{self.datatype}[{self.arraysize}]" if self.arraysize else self.datatype
            raise UsageError("bad-table", f"cells of type {kind[:64]} hold no identifier and no angle")
        number: float = struct.unpack(layout, data)[0]
        return number


def binary_cells(
    text: str, fields: Sequence[BinaryField], places: Collection[int], *, has_nulls: bool
) -> Iterator[list[str | float | None]]:
    """Cells of each row; only those at `places` are read, the others are None.

    Parameters
    ----------
    text : base64
    has_nulls : whether each row begins with a bit for each field that is null (BINARY2)

    Raises
    ------
    UsageError
        `bad-table` if the data are cut short or no base64.

    """
    try:
        data = base64.b64decode(text)
    except (binascii.Error, ValueError) as error:
        raise UsageError("bad-table", "the VOTable's binary data are not base64") from error
    if not fields or all(field.fixed_count == 0 for field in fields):
        return
    at = 0
    while at < len(data):
        nulls = data[at : at + (len(fields) + 7) // 8] if has_nulls else b""
        at += len(nulls)
        cells: list[str | float | None] = [None] * len(fields)
        for place, field in enumerate(fields):
            begin, at = _extent(data, at, field)
            if place in places and not _is_null(nulls, place):
                cells[place] = field.value(data[begin:at])
        if at > len(data):
            raise UsageError("bad-table", "the VOTable's binary data are cut short")
        yield cells


def _extent(data: bytes, at: int, field: BinaryField) -> tuple[int, int]:
    """Where a cell's elements begin and end."""
    count = field.fixed_count
    if count is None:
        if at + 4 > len(data):
            raise UsageError("bad-table", "the VOTable's binary data are cut short")
        count = int.from_bytes(data[at : at + 4], "big")
        at += 4
    return at, at + (count * field.bits + 7) // 8


def _is_null(nulls: bytes, place: int) -> bool:
    return bool(nulls) and place // 8 < len(nulls) and bool(nulls[place // 8] >> (7 - place % 8) & 1)
