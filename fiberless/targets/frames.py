"""Frames that a table may declare for its positions, and their conversion to ICRS."""

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.errors import UsageError

__all__ = ["ICRS", "SkyFrame", "read_frame", "to_icrs"]

FrameName: TypeAlias = Literal["icrs", "fk5", "fk4", "galactic", "supergalactic"]


@dataclass(frozen=True)
class SkyFrame:
    """A frame of the sky.

    Parameters
    ----------
    name : as astropy names it
    equinox : like `J2000`, for FK4 and FK5

    """

    name: FrameName
    equinox: str = ""

    @property
    def is_equatorial(self) -> bool:
        """Whether its angles are a right ascension and a declination."""
        return self.name in {"icrs", "fk5", "fk4"}


ICRS: Final = SkyFrame("icrs")
_NAMES: Final[dict[str, FrameName]] = {
    **dict.fromkeys(("icrs", "icrf", "icrf2", "icrf3", "gappt", "bcrs"), "icrs"),
    **dict.fromkeys(("fk5", "eqfk5"), "fk5"),
    **dict.fromkeys(("fk4", "eqfk4"), "fk4"),
    **dict.fromkeys(("galactic", "gal", "galacticii"), "galactic"),
    **dict.fromkeys(("supergalactic", "sgal"), "supergalactic"),
}
_EQUINOX: Final = re.compile(r"([jb]?)(\d{4}(?:\.\d*)?)", re.ASCII)
_JULIAN_FROM: Final = 1984.0
"""Equinoxes from this year on are Julian, and of FK5 (FITS standard 4.0, section 8.3)."""


def read_frame(system: str, equinox: str = "") -> SkyFrame:
    """Frame of a table's words: `eq_FK5`, `FK4`, `ICRS`, `galactic`; an equinox alone tells FK4 from FK5.

    Raises
    ------
    UsageError
        `bad-table` if it is none that is known, with what was found.

    """
    word = re.sub(r"[^a-z0-9]", "", system.lower())
    year = _read_equinox(equinox)
    if not word:
        if not year:
            return ICRS
        return SkyFrame("fk4" if year.startswith("B") else "fk5", year)
    name = _NAMES.get(word.removesuffix("frame"))
    if name is None:
        known = "ICRS, FK5, FK4, galactic, supergalactic"
        raise UsageError(
            "bad-table", f"the system {system[:32]!r} of positions is not read; known are {known}"
        )
    if name in {"fk5", "fk4"}:
        return SkyFrame(name, year or ("J2000" if name == "fk5" else "B1950"))
    return SkyFrame(name)


def to_icrs(position_deg: FloatArray, frame: SkyFrame) -> FloatArray:
    """Positions (N, 2) in degrees of a frame, as ICRS degrees (N, 2)."""
    if frame == ICRS:
        return position_deg
    from astropy.coordinates import SkyCoord  # noqa: PLC0415  half a second that few tables need

    given = {"equinox": frame.equinox} if frame.equinox else {}
    icrs = SkyCoord(*position_deg.T, unit="deg", frame=frame.name, **given).icrs
    return np.column_stack([icrs.ra.deg, icrs.dec.deg])


def _read_equinox(text: str) -> str:
    spelled = re.sub(r"\s", "", text.lower())
    if not spelled:
        return ""
    found = _EQUINOX.fullmatch(spelled)
    if found is None or not 1800 <= float(found[2]) <= 2100:
        raise UsageError("bad-table", f"the equinox {text[:32]!r} is not read; known are J2000, B1950 …")
    letter = found[1].upper() or ("J" if float(found[2]) >= _JULIAN_FROM else "B")
    return f"{letter}{float(found[2]):g}"
