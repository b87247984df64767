"""The target of a submission as people write it: a line, or an object with numbers or text."""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from fiberless.contract import OBJECT_ID_PATTERN, Target
from fiberless.errors import UsageError
from fiberless.targets.angles import Axis, degrees_of
from fiberless.targets.by_hand import position_in, read_target
from fiberless.targets.positions import checked_position

__all__ = ["GivenTarget"]

_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 256}
_NAME: Final = {"type": "string", "pattern": OBJECT_ID_PATTERN}
_ABSENT: Final = {"type": "null"}


def _angle(low: float, high: float, *, excludes_high: bool) -> dict[str, Any]:
    above = {"exclusiveMaximum": high} if excludes_high else {"maximum": high}
    return {"anyOf": [{"type": "number", "minimum": low, **above}, _TEXT]}


def _form(title: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    closed = {"type": "object", "additionalProperties": False, "title": title}
    return closed | {"properties": properties, "required": required}


_RA: Final = _angle(0, 360, excludes_high=True)
_DEC: Final = _angle(-90, 90, excludes_high=False)
_SCHEMA: Final[dict[str, Any]] = {
    "description": "A position (ICRS degrees, or text like 02:33:25.2), a name, or a line that holds either: "
    "`02:33:25.2 -00:09:20`, `38.355 -0.156`, `SDSS J023325.21-000920.5`, `NGC 1068`",
    "oneOf": [
        _TEXT | {"title": "Line"},
        _form("Position", {"ra": _RA, "dec": _DEC, "object_id": _ABSENT}, ["ra", "dec"]),
        _form("NamedObject", {"ra": _ABSENT, "dec": _ABSENT, "object_id": _NAME}, ["object_id"]),
    ],
}


def _read(given: Any) -> Any:
    """Target of what a person wrote; what is no text is left for `Target` to judge."""
    try:
        if isinstance(given, str):
            return read_target(given)
        if isinstance(given, dict):
            _refuse_position_as_name(given.get("object_id"))
            return _in_degrees(given)
    except UsageError as error:
        raise PydanticCustomError(
            "not_a_target", "{reason}", {"reason": error.detail, "slug": error.slug}
        ) from error
    return given


def _in_degrees(given: dict[str, Any]) -> dict[str, Any]:
    """Target with the text of an angle as degrees."""
    angles = {axis: given.get(axis) for axis in ("ra", "dec")}
    if not any(isinstance(value, str) for value in angles.values()) or None in angles.values():
        return given
    if any(isinstance(value, bool) or not isinstance(value, str | int | float) for value in angles.values()):
        return given
    ra, dec = (degrees_of(angles[axis], axis) for axis in _AXES)
    ra, dec = checked_position(ra, dec)
    return given | {"ra": ra, "dec": dec}


def _refuse_position_as_name(name: Any) -> None:
    """A position in the place of a name is not asked for as a name."""
    if not isinstance(name, str) or name[:1].isalpha():
        return
    try:
        is_position = position_in(name) is not None
    except UsageError:
        is_position = True
    if is_position:
        raise UsageError(
            "invalid-object-id", "object_id looks like a position; give ra and dec, or target as a text"
        )


_AXES: Final[tuple[Axis, Axis]] = ("ra", "dec")
GivenTarget = Annotated[Target, BeforeValidator(_read), WithJsonSchema(_SCHEMA)]
