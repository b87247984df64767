"""Angles as they stand in tables: units in all spellings, sexagesimal text, decimal commas.

Sexagesimal text is read here and not by astropy, whose parser takes half a millisecond an angle: a minute for
a batch of the largest size.
"""

import math
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from astropy import units as u

from fiberless.errors import UsageError

__all__ = ["DEGREES", "AngleUnit", "Axis", "angle_unit", "degrees_of", "is_angle_unit", "is_sexagesimal"]

Axis: TypeAlias = Literal["ra", "dec", "lon", "lat"]
"""Right ascension and declination, or the longitude and latitude of another system."""


@dataclass(frozen=True)
class AngleUnit:
    """Unit of a column.

    Parameters
    ----------
    degrees : degrees in a unit; None where cells are sexagesimal text
    is_declared : whether the table says so

    """

    degrees: float | None
    is_declared: bool = True


DEGREES: Final = AngleUnit(1.0, is_declared=False)
_DEGREES: Final = ("d", "dd", "deg", "degs", "degr", "degree", "degrees", "decimaldegrees", "ddeg", "°")
_HOURS: Final = ("h", "hr", "hrs", "hour", "hours", "hourangle", "hourangles", "decimalhours")
_PLAIN: Final = {
    **dict.fromkeys(_DEGREES, 1.0),
    **dict.fromkeys(("rad", "rads", "radian", "radians"), math.degrees(1.0)),
    **dict.fromkeys(("arcmin", "arcmins", "arcminute", "arcminutes", "amin"), 1 / 60),
    **dict.fromkeys(("arcsec", "arcsecs", "arcsecond", "arcseconds", "asec"), 1 / 3600),
}
_SEXAGESIMAL_UNITS: Final = {
    "ra": ("hms", "hhmmss", "hhmmsss", "hhmmssss", "sexagesimal", "sex"),
    "dec": ("dms", "ddmmss", "ddmmsss", "sexagesimal", "sex"),
    "lon": ("dms", "ddmmss", "ddmmsss"),
    "lat": ("dms", "ddmmss", "ddmmsss"),
}
_WRAPPED: Final = re.compile(r"angle\s*[\[(](.*)[\])]", re.ASCII)
_EQUINOX_BESIDE: Final = re.compile(r"[\s,(]+[jb]?(2000|1950)(\.0)?\)?$", re.ASCII)
_SEPARATORS: Final = re.compile(r"[\s:_.\"',+\-]")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_MARKED: Final = re.compile(r"(.*\d\.?)\s*(h|hr|d|deg|°)", re.ASCII | re.IGNORECASE)
_SEXAGESIMAL: Final = re.compile(
    r"(?P<sign>[+-]?)\s*(?P<whole>\d{1,3})\s*(?P<mark>[hd°:]|deg|(?<=\d)\s)\s*(?P<minutes>\d{1,2}(?:\.\d*)?)"
    r"(?:\s*(?:[m'′:]|min|(?<=\d)\s)\s*(?P<seconds>\d{1,2}(?:\.\d*)?)\s*(?:s|sec|\"|″|'')?|\s*[m'′:]?)",
    re.IGNORECASE,
)
_MINUS: Final = str.maketrans({"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{NO-BREAK SPACE}": " "})


def angle_unit(text: str, axis: Axis) -> AngleUnit:
    """Unit of an angle in any spelling; degrees where there is none.

    Raises
    ------
    UsageError
        `bad-table` if it is no unit of that angle, with the unit as it was found.

    """
    spelled = text.strip().lower()
    if wrapped := _WRAPPED.fullmatch(spelled):
        spelled = wrapped[1]
    spelled = spelled.strip("\"'[]()").strip()
    spelled = _EQUINOX_BESIDE.sub("", spelled)
    if not spelled:
        return DEGREES
    word = _SEPARATORS.sub("", spelled)
    if word in _PLAIN:
        return AngleUnit(_PLAIN[word])
    if axis == "ra" and word in _HOURS:
        return AngleUnit(15.0)
    if word in _SEXAGESIMAL_UNITS[axis]:
        return AngleUnit(None)
    try:
        return AngleUnit(float(u.Unit(text.strip()[:32]).to(u.deg)))
    except (ValueError, TypeError, u.UnitsError) as error:
        known = "deg, rad, arcsec" + (", h, h:m:s" if axis == "ra" else ", d:m:s")
        raise UsageError(
            "bad-table", f"the unit {text.strip()[:32]!r} is not one of {axis}; known are {known}"
        ) from error


def is_angle_unit(text: str) -> bool:
    """Whether a declared unit is one of angle."""
    try:
        return angle_unit(text, "ra").is_declared
    except UsageError:
        return False


def is_sexagesimal(text: str) -> bool:
    """Whether a text is an angle in sexagesimal form."""
    return _SEXAGESIMAL.fullmatch(text.strip().translate(_MINUS)) is not None


def degrees_of(value: object, axis: Axis, unit: AngleUnit = DEGREES) -> float:
    """Degrees of a cell: a number, its text, or sexagesimal text.

    Text with a colon or a blank is in hours where it is a right ascension; marks (h, d) go before.

    Raises
    ------
    UsageError
        `invalid-coordinates` if it is missing, no angle, or not finite.

    """
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        return _of_text(value.strip().translate(_MINUS), axis, unit)
    if value is None:
        raise UsageError("invalid-coordinates", f"{axis} is missing")
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever cannot become a number is told so
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError("invalid-coordinates", f"{axis} is not a number") from error
    return _scaled(number, axis, unit)


def _of_text(text: str, axis: Axis, unit: AngleUnit) -> float:
    if text.lower() in {"", "null", "none", "n/a", "--", "...", "\\n"}:
        raise UsageError("invalid-coordinates", f"{axis} is missing")
    plain = text.replace(",", ".") if text.count(",") == 1 and "." not in text else text
    if _NUMBER.fullmatch(plain):
        return _scaled(float(plain), axis, unit)
    if plain.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        raise UsageError("invalid-coordinates", f"{axis} is not finite")
    marked = _MARKED.fullmatch(plain)
    if marked and _NUMBER.fullmatch(marked[1]):
        in_hours = marked[2].lower().startswith("h")
        if in_hours and axis != "ra":
            raise UsageError("invalid-coordinates", f"{axis} is in hours")
        return _scaled(float(marked[1]), axis, AngleUnit(15.0 if in_hours else 1.0))
    return _of_sexagesimal(plain, axis, unit)


def _of_sexagesimal(text: str, axis: Axis, unit: AngleUnit) -> float:
    found = _SEXAGESIMAL.fullmatch(text)
    if found is None:
        raise UsageError("invalid-coordinates", f"{axis} is not a number, nor like 02:33:25.2 or 2h33m25.2s")
    mark = found["mark"].lower()
    is_marked = mark[0] in "hd°"
    in_hours = mark == "h" if is_marked else axis == "ra"
    if mark == "h" and axis != "ra":
        raise UsageError("invalid-coordinates", f"{axis} is in hours")
    if not is_marked and unit.is_declared and unit.degrees not in {None, 15.0 if in_hours else 1.0}:
        raise UsageError(
            "invalid-coordinates", f"{axis} is sexagesimal, its column in another unit; mark it with h or d"
        )
    minutes, seconds = float(found["minutes"]), float(found["seconds"] or 0.0)
    if minutes >= 60 or seconds > 60 or (found["seconds"] and "." in found["minutes"]):
        raise UsageError("invalid-coordinates", f"{axis} has 60 minutes or seconds, or more")
    size = (float(found["whole"]) + minutes / 60 + seconds / 3600) * (15.0 if in_hours else 1.0)
    return -size if found["sign"] == "-" else size


def _scaled(number: float, axis: Axis, unit: AngleUnit) -> float:
    if not math.isfinite(number):
        raise UsageError("invalid-coordinates", f"{axis} is not finite")
    if unit.degrees is None:
        raise UsageError("invalid-coordinates", f"{axis} is one number, its column says sexagesimal")
    return number * unit.degrees
