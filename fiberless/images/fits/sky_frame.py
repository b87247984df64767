"""The celestial frame that a header declares, and positions in it converted to ICRS."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from astropy import units as u
from astropy.coordinates import FK4, FK5, BaseCoordinateFrame, FK4NoETerms, Galactic, SkyCoord
from astropy.time import Time

from fiberless.arrays import FloatArray
from fiberless.errors import UsageError
from fiberless.images.fits.cards import CardValue
from fiberless.images.fits.linear import card_text

__all__ = ["SkyFrame", "read_frame"]

_EQUINOX = re.compile(r"([JB]?)([0-9]{4}(?:\.[0-9]*)?)")
_FK4_BEFORE: Final = 1984.0
_EQUINOX_CARDS: Final = ("EQUINOX", "EPOCH")


@dataclass(frozen=True)
class SkyFrame:
    """A celestial frame: its name for a reader, and astropy's frame; None for ICRS, and FK5 J2000 beside it.

    FK5 J2000 differs from ICRS by 0.02 arcsec.
    """

    name: str
    frame: BaseCoordinateFrame | None

    def to_icrs_deg(self, lon_deg: FloatArray, lat_deg: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(ra, dec) in degrees of positions in this frame, of their shape."""
        if self.frame is None:
            return lon_deg, lat_deg
        placed = SkyCoord(np.asarray(lon_deg) * u.deg, np.asarray(lat_deg) * u.deg, frame=self.frame).icrs
        return placed.ra.deg, placed.dec.deg


def read_frame(header: Mapping[str, CardValue], longitude: str = "RA") -> SkyFrame | None:
    """Frame of a header's celestial axes; None for one that is not known.

    Parameters
    ----------
    header : RADESYS or RADECSYS, EQUINOX or EPOCH
    longitude : name of the longitude axis, `RA` or `GLON`

    Raises
    ------
    UsageError
        `invalid-wcs` if the equinox is no year.

    """
    if longitude == "GLON":
        return SkyFrame("galactic", Galactic())
    if longitude != "RA":
        return None
    equinox = _equinox(header)
    system = (card_text(header, "RADESYS") or card_text(header, "RADECSYS")).upper()
    if not system and equinox is not None:
        system = "FK4" if equinox < _FK4_BEFORE else "FK5"
    match system:
        case "ICRS" | "":
            return SkyFrame("ICRS", None)
        case "FK5":
            year = 2000.0 if equinox is None else equinox
            return SkyFrame(
                f"FK5 J{year:g}", None if year == 2000 else FK5(equinox=Time(year, format="jyear"))
            )  # J2000
        case "FK4" | "FK4-NO-E":
            year = 1950.0 if equinox is None else equinox
            kind = FK4 if system == "FK4" else FK4NoETerms
            return SkyFrame(f"{system} B{year:g}", kind(equinox=Time(year, format="byear")))
    return None


def _equinox(header: Mapping[str, CardValue]) -> float | None:
    """Year of EQUINOX or its older name EPOCH."""
    card = next((card for card in _EQUINOX_CARDS if card_text(header, card)), None)
    if card is None:
        return None
    match = _EQUINOX.fullmatch(card_text(header, card).upper())
    if not match or not 1800 <= float(match[2]) <= 2200:  # years
        raise UsageError("invalid-wcs", f"{card} = {header[card]!r} is no year such as 2000.0 or J2000")
    return float(match[2])
