"""The linear part of world coordinates: CTYPE, CUNIT, CRPIX and the pixel matrix, range-checked."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from fiberless.errors import UsageError
from fiberless.images.fits.cards import CardValue

__all__ = ["Axes", "Matrix", "card_text", "is_number", "number", "read_axes"]

Matrix: TypeAlias = tuple[float, float, float, float]
"""(longitude by x, longitude by y, latitude by x, latitude by y)."""

_MAX_CRPIX: Final = 1e5
_UNITS_DEG: Final = {
    "": 1.0,
    "deg": 1.0,
    "degree": 1.0,
    "degrees": 1.0,
    "arcmin": 1 / 60,
    "arcsec": 1 / 3600,
    "mas": 1 / 3.6e6,
    "rad": math.degrees(1.0),
    "radian": math.degrees(1.0),
    "radians": math.degrees(1.0),
}
_CELESTIAL = re.compile(r"(RA|DEC|[A-Z]LON|[A-Z]LAT)-+([A-Z]{3})?(-[A-Z]{3})?")
_LATITUDES: Final = ("DEC", "LAT")


@dataclass(frozen=True)
class Axes:
    """Two celestial axes of an image, longitude first in whichever order the header has them.

    Parameters
    ----------
    names : of longitude and latitude, e.g. (`RA`, `DEC`)
    projection : three letters, with `-SIP` behind them where the header has it; empty if none is named
    lon_axis, lat_axis : their numbers in the header, 1 and 2 or 2 and 1
    unit_deg : degrees in the units of the two axes
    crpix : (x, y) of the reference point, the centre of the first pixel being 1
    matrix_deg : degrees per pixel

    """

    names: tuple[str, str]
    projection: str
    lon_axis: int
    lat_axis: int
    unit_deg: tuple[float, float]
    crpix: tuple[float, float]
    matrix_deg: Matrix


def read_axes(header: Mapping[str, CardValue]) -> Axes | None:
    """Celestial axes among the first two of an image; None if those axes are not on the sky.

    CRPIX is 0 and CDELT 1 where they are absent, as the standard has it (Greisen & Calabretta 2002,
    A&A 395, 1061).

    Raises
    ------
    UsageError
        `invalid-wcs` if a number is not usable, a unit is unknown, or there is no pixel matrix.

    """
    matches = [_CELESTIAL.fullmatch(card_text(header, f"CTYPE{axis}").upper()) for axis in (1, 2)]
    if not (matches[0] and matches[1]):
        return None
    names = [match[1] for match in matches if match]
    is_latitude = [name.endswith(_LATITUDES) for name in names]
    if is_latitude[0] == is_latitude[1]:
        return None
    lat, lon = (1, 2) if is_latitude[0] else (2, 1)
    codes = {(match[2] or "") + (match[3] or "") for match in matches if match}
    return Axes(
        names=(names[lon - 1], names[lat - 1]),
        projection=codes.pop() if len(codes) == 1 else "",
        lon_axis=lon,
        lat_axis=lat,
        unit_deg=(_unit_deg(header, lon), _unit_deg(header, lat)),
        crpix=_crpix(header),
        matrix_deg=_matrix(header, lon=lon, lat=lat),
    )


def card_text(header: Mapping[str, CardValue], keyword: str) -> str:
    """Text of a card; empty if it is absent or blank."""
    return str(header.get(keyword, "")).strip()


def is_number(value: CardValue | None) -> bool:
    """Whether a card holds a number, T and F being none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(header: Mapping[str, CardValue], keyword: str, default: float | None = None) -> float:
    """Finite number of a card.

    Raises
    ------
    UsageError
        `invalid-wcs` if it is absent without a default, or no usable number.

    """
    value = header.get(keyword, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e30:
        raise UsageError("invalid-wcs", f"{keyword} = {value!r} is not a usable number")
    return float(value)


def _crpix(header: Mapping[str, CardValue]) -> tuple[float, float]:
    crpix = (number(header, "CRPIX1", 0.0), number(header, "CRPIX2", 0.0))
    if max(abs(value) for value in crpix) > _MAX_CRPIX:
        raise UsageError("invalid-wcs", f"CRPIX = {crpix} lies far outside any frame")
    return crpix


def _unit_deg(header: Mapping[str, CardValue], axis: int) -> float:
    unit = card_text(header, f"CUNIT{axis}").lower()
    if unit not in _UNITS_DEG:
        raise UsageError("invalid-wcs", f"CUNIT{axis} = {unit!r}; known are deg, arcmin, arcsec, mas and rad")
    return _UNITS_DEG[unit]


def _matrix(header: Mapping[str, CardValue], *, lon: int, lat: int) -> Matrix:
    """Pixel matrix from CDi_j, or CDELTi with PCi_j or CROTAi (Calabretta & Greisen 2002, A&A 395, 1077)."""
    rows = _cd_rows(header) or _turned_rows(header, lon=lon, lat=lat)
    (a, b), (c, d) = ([value * _unit_deg(header, axis) for value in rows[axis]] for axis in (lon, lat))
    return a, b, c, d


def _cd_rows(header: Mapping[str, CardValue]) -> dict[int, list[float]] | None:
    for form in ("CD{}_{}", "CD{:03d}{:03d}"):
        cards = {i: [form.format(i, j) for j in (1, 2)] for i in (1, 2)}
        if any(card in header for row in cards.values() for card in row):
            return {i: [number(header, card, 0.0) for card in row] for i, row in cards.items()}
    return None


def _turned_rows(header: Mapping[str, CardValue], *, lon: int, lat: int) -> dict[int, list[float]]:
    step = {axis: number(header, f"CDELT{axis}", 1.0) for axis in (1, 2)}
    for form in ("PC{}_{}", "PC{:03d}{:03d}"):
        cards = {i: [form.format(i, j) for j in (1, 2)] for i in (1, 2)}
        if any(card in header for row in cards.values() for card in row):
            return {
                i: [step[i] * number(header, card, float(i == j)) for j, card in enumerate(row, 1)]
                for i, row in cards.items()
            }
    if not {"CDELT1", "CDELT2"} & set(header):
        raise UsageError("invalid-wcs", "there is no pixel matrix: neither CDi_j nor CDELTi nor PCi_j")
    turn = f"CROTA{lat}" if f"CROTA{lat}" in header else f"CROTA{lon}"
    angle = math.radians(number(header, turn, 0.0))
    row = {
        lon: {lon: step[lon] * math.cos(angle), lat: -step[lat] * math.sin(angle)},
        lat: {lon: step[lon] * math.sin(angle), lat: step[lat] * math.cos(angle)},
    }
    return {axis: [row[axis][1], row[axis][2]] for axis in (1, 2)}
