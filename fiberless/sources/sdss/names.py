"""What the SDSS calls its objects, fields and files."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Self

from fiberless.errors import UsageError

__all__ = [
    "FIELD_LIST_PATH",
    "OBJECT_NAMESPACE",
    "FieldName",
    "SdssObject",
    "frame_path",
    "object_table_path",
]

OBJECT_NAMESPACE: Final = "sdss:"
FIELD_LIST_PATH: Final = PurePosixPath("eboss/resolve/2013-07-29/window_flist.fits")
"""The list of all fields, below the root of a data release (DR13 to DR17)."""
_PHOTOMETRY: Final = PurePosixPath("eboss/photoObj")
_DIGITS: Final = re.compile(r"[0-9]{1,19}")
_BARE_OBJID: Final = re.compile(r"[0-9]{18,19}")
_SKY_VERSION: Final = 2


@dataclass(frozen=True)
class FieldName:
    """Which field of which run, in which of its reductions."""

    run: int
    rerun: int
    camcol: int
    field: int

    def __str__(self) -> str:
        return f"run {self.run} rerun {self.rerun} camcol {self.camcol} field {self.field}"


@dataclass(frozen=True)
class SdssObject:
    """An object of the imaging catalogue (`objID` of DR8 and later).

    Parameters
    ----------
    number : the 64-bit identifier
    field : the field that it was found in
    index : its number within the field

    """

    number: int
    field: FieldName
    index: int

    @staticmethod
    def is_objid(name: str) -> bool:
        """Whether a name is meant as an objID."""
        return name.startswith(OBJECT_NAMESPACE) or _BARE_OBJID.fullmatch(name) is not None

    @classmethod
    def parse(cls, object_id: str) -> Self:
        """Object named `sdss:<objID>`, or by a bare objID of 18 or 19 digits.

        From the highest bit: 1 unused, 4 sky version, 11 rerun, 16 run, 3 camcol, 1 first field, 12 field,
        16 object (SkyServer, function `fObjidFromSDSS`).

        Raises
        ------
        UsageError
            `not-found` if the name is of another namespace; `invalid-object-id` if the digits are no objID
            of DR8 or later.

        """
        digits = object_id.removeprefix(OBJECT_NAMESPACE)
        if digits == object_id and not _BARE_OBJID.fullmatch(digits):
            raise UsageError(
                "not-found", f"{object_id}: of all catalogues only {OBJECT_NAMESPACE}<objID> is known"
            )
        number = int(digits) if _DIGITS.fullmatch(digits) else -1
        if not 0 < number < 2**63:
            raise UsageError("invalid-object-id", f"{object_id}: an objID is an integer of 64 bits")
        field = FieldName(
            run=number >> 32 & 0xFFFF,
            rerun=number >> 48 & 0x7FF,
            camcol=number >> 29 & 0x7,
            field=number >> 16 & 0xFFF,
        )
        if number >> 59 != _SKY_VERSION or not 1 <= field.camcol <= 6:
            raise UsageError("invalid-object-id", f"{object_id} is no objID of DR8 or a later release")
        return cls(number, field, number & 0xFFFF)


def frame_path(band: str, field: FieldName) -> PurePosixPath:
    """Path of a corrected frame below the root of a data release."""
    name = f"frame-{band}-{field.run:06d}-{field.camcol}-{field.field:04d}.fits.bz2"
    return _PHOTOMETRY / "frames" / str(field.rerun) / str(field.run) / str(field.camcol) / name


def object_table_path(field: FieldName) -> PurePosixPath:
    """Path of the table of a field's objects below the root of a data release."""
    name = f"photoObj-{field.run:06d}-{field.camcol}-{field.field:04d}.fits"
    return _PHOTOMETRY / str(field.rerun) / str(field.run) / str(field.camcol) / name
