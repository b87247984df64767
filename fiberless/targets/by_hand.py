"""A target as a person types it: a position in any usual form, or a name."""

import re
from typing import Final

from pydantic import TypeAdapter, ValidationError

from fiberless.contract import OBJECT_ID_WORDS, ObjectId, Target
from fiberless.errors import UsageError
from fiberless.targets.angles import degrees_of
from fiberless.targets.positions import checked_position

__all__ = ["position_in", "read_position", "read_target"]

_OBJECT_ID: Final[TypeAdapter[str]] = TypeAdapter(ObjectId)
_LONGEST: Final = 256
_SKY_NAME: Final = re.compile(
    r"(?P<catalogue>[A-Za-z0-9.+-]*[A-Za-z][A-Za-z0-9.+-]*\s*)?J(?P<ra>\d{6}(?:\.\d*)?)(?P<dec>[+-]\d{6}(?:\.\d*)?)",
    re.ASCII,
)
"""IAU name of a galaxy whose digits are its position: SDSS J023325.21-000920.5."""
_BEGINS_LIKE_POSITION: Final = re.compile(
    r"[+-]?\d+(?:\.\d*)?\s*(?:[hd]\s*\d|[hd]\s+[+-]|[°:,])|[+-]?\d*\.?\d+\s+[+-]?\d", re.ASCII
)
_LONE_NUMBER: Final = re.compile(r"[+-]\d+|[+-]?(?:\d+\.\d*|\.\d+)", re.ASCII)
"""No name: an objID is a whole number without a sign."""
_MINUS: Final = str.maketrans({"\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{NO-BREAK SPACE}": " "})


def read_target(text: str) -> Target:
    """Target of a line: a position in any usual form, an objID, or the name of an object.

    Positions are like `38.355 -0.156`, `02:33:25.2 -00:09:20`, `2h33m25.2s -0d09m20s`, and the digits of
    `SDSS J023325.21-000920.5`; ICRS.

    Raises
    ------
    UsageError
        `invalid-coordinates` if it begins like a position and is none, or is a lone number;
        `invalid-object-id` if it is neither.

    """
    line = " ".join(text.translate(_MINUS).split())
    position = position_in(line)
    if position is not None:
        return Target(ra=position[0], dec=position[1])
    if _LONE_NUMBER.fullmatch(line):
        detail = f"{line[:64]} is one number; a position has two, right ascension and declination"
        raise UsageError("invalid-coordinates", detail)
    try:
        return Target(object_id=_OBJECT_ID.validate_python(line))
    except ValidationError as error:
        raise UsageError("invalid-object-id", f"neither a position nor a name: {OBJECT_ID_WORDS}") from error


def read_position(text: str) -> tuple[float, float]:
    """(ra, dec) of a text, ICRS degrees; UsageError `invalid-coordinates` if it holds no position."""
    position = position_in(text)
    if position is None:
        raise _no_position(text)
    return position


def position_in(text: str) -> tuple[float, float] | None:
    """(ra, dec) of a text, ICRS degrees; None where it does not begin like a position and so may be a name.

    Raises
    ------
    UsageError
        `invalid-coordinates` if it begins like a position and is none, or is out of range.

    """
    line = " ".join(text.translate(_MINUS).split()).strip("()[]")
    if len(line) > _LONGEST:
        raise UsageError("invalid-coordinates", f"a target has at most {_LONGEST} characters")
    if named := _SKY_NAME.fullmatch(line):
        return _of_digits(named["ra"], named["dec"])
    line = re.sub(
        r"^(?:ra|α)\s*[=:]?\s*|[\s,;]+(?:dec|de|δ)\s*[=:]?\s*", " ", line, flags=re.IGNORECASE
    ).strip()
    if not _BEGINS_LIKE_POSITION.match(line):
        return None
    first, second = _halves(line)
    return checked_position(degrees_of(first, "ra"), degrees_of(second, "dec"))


def _halves(line: str) -> tuple[str, str]:
    """Right ascension and declination: parted by a comma, a sign, or the middle of the words."""
    for parted in (re.split(r"\s*[,;]\s*", line), re.split(r"\s+(?=[+-])", line)):
        if len(parted) == 2:
            return parted[0], parted[1]
    words = line.split(" ")
    if len(words) % 2 == 0 and not re.search(r"[,;]", line):
        middle = len(words) // 2
        return " ".join(words[:middle]), " ".join(words[middle:])
    signed = re.fullmatch(r"(\S+?)([+-]\S+)", line)
    if signed is None:
        raise _no_position(line)
    return signed[1], signed[2]


def _of_digits(ra: str, dec: str) -> tuple[float, float]:
    """Position in the digits of a name, hhmmss.ss and ±ddmmss.s."""
    hours = f"{ra[:2]}:{ra[2:4]}:{ra[4:]}"
    degrees = f"{dec[:3]}:{dec[3:5]}:{dec[5:]}"
    return checked_position(degrees_of(hours, "ra"), degrees_of(degrees, "dec"))


def _no_position(text: str) -> UsageError:
    return UsageError(
        "invalid-coordinates",
        f"{text[:64]!r} is not read as a position; known are 38.355 -0.156 (degrees), 02:33:25.2 -00:09:20, "
        "2h33m25.2s -0d09m20s and SDSS J023325.21-000920.5",
    )
