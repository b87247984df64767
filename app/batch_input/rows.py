"""One row of a table as what is to be done for it, or as what is wrong with it: no row can sink its batch."""

import math
import re
from collections.abc import Sequence
from typing import Final

from pydantic import TypeAdapter, ValidationError

from fiberless.contract import ErrorReport, ObjectId, Target
from fiberless.errors import ErrorKind, UsageError
from fiberless.service.storage import BatchRow

__all__ = ["as_object_id", "failed_row", "named_row", "position_row", "row_name"]

_LONGEST_NAME: Final = 128
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_OBJECT_ID: Final[TypeAdapter[str]] = TypeAdapter(ObjectId)


def position_row(name: object, ra: object, dec: object, *, scale: Sequence[float] = (1.0, 1.0)) -> BatchRow:
    """Row of a position.

    Parameters
    ----------
    name : identifier of any kind; None or blank is none
    ra, dec : numbers or their text, ICRS
    scale : degrees in a unit of ra and of dec

    """
    known = row_name(name)
    try:
        checked = _checked_name(name)
        ra_deg = _number(ra, "ra") * scale[0]
        dec_deg = _number(dec, "dec") * scale[1]
        _check_position(ra_deg, dec_deg)
    except UsageError as error:
        return failed_row(known, error)
    target = Target.model_construct(ra=ra_deg, dec=dec_deg, object_id=None)
    return BatchRow(name=checked, object_id=as_object_id(checked), target=target)


def named_row(name: object, object_id: object) -> BatchRow:
    """Row of an object that a survey knows by name."""
    known = row_name(name) or row_name(object_id)
    try:
        survey_name = _OBJECT_ID.validate_python(None if object_id is None else str(object_id))
        return BatchRow(name=known, object_id=survey_name, target=Target(object_id=survey_name))
    except ValidationError:
        error = UsageError(
            "invalid-object-id",
            "without ra and dec an object ID is needed: 1 to 128 of A–Z a–z 0–9 _ . + : -",
        )
        return failed_row(known, error)


def failed_row(name: str | None, error: UsageError) -> BatchRow:
    """Row that ends with an error before it begins."""
    report = ErrorReport(slug=error.slug, kind=ErrorKind.USAGE, detail=error.detail)
    return BatchRow(name=name, object_id=as_object_id(name), error=report)


def row_name(name: object) -> str | None:
    """Identifier as text that can be stored and shown, however long and strange it was; None if blank."""
    if name is None:
        return None
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(name)).strip()[:_LONGEST_NAME] or None


def _checked_name(name: object) -> str | None:
    """Identifier that could be kept as it was written."""
    kept = row_name(name)
    if kept is not None and kept != str(name).strip():
        raise UsageError(
            "invalid-object-id",
            f"an id has at most {_LONGEST_NAME} characters, none of them control characters",
        )
    return kept


def as_object_id(name: str | None) -> str | None:
    """The identifier, where it can name an object of this service."""
    try:
        return None if name is None else _OBJECT_ID.validate_python(name)
    except ValidationError:
        return None


def _check_position(ra: float, dec: float) -> None:
    if not 0 <= ra < 360 or not -90 <= dec <= 90:
        raise UsageError("invalid-coordinates", "ICRS degrees: 0 ≤ ra < 360, −90 ≤ dec ≤ 90")


def _number(value: object, what: str) -> float:
    if value is None or value == "":
        raise UsageError("invalid-coordinates", f"{what} is missing")
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever cannot become a number is told so
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError("invalid-coordinates", f"{what} is not a number") from error
    if not math.isfinite(number):
        raise UsageError("invalid-coordinates", f"{what} is not finite")
    return number
