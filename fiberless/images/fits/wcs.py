"""World coordinates of a tangent plane: scale, shift, positions; and the cards RA and DEC.

wcslib is handed numbers only.
"""

import math
import re
from collections.abc import Mapping
from typing import Final

import numpy as np
from astropy.wcs import WCS

from fiberless.arrays import FloatArray
from fiberless.astro.bands import PIXEL_SCALE_ARCSEC
from fiberless.errors import UsageError
from fiberless.images.cutout import TangentWcs
from fiberless.images.fits.cards import CardValue
from fiberless.images.fits.linear import Matrix, card_text, is_number, number
from fiberless.images.fits.sky_frame import read_frame

__all__ = [
    "astropy_wcs",
    "card_position_deg",
    "check_pixel_scale",
    "checked_wcs",
    "pixel_position",
    "rounded_position",
    "shifted",
    "sky_position_deg",
]

SCALE_TOLERANCE: Final = 0.2
_SEXAGESIMAL = re.compile(r"([+-]?)([0-9]{1,3})[: ]([0-9]{1,2})[: ]([0-9]{1,2}(?:\.[0-9]*)?)")


def checked_wcs(wcs: TangentWcs) -> TangentWcs:
    """Pass on world coordinates whose pixels could be an image's.

    Raises
    ------
    UsageError
        `invalid-wcs` if the matrix is not finite, singular, skewed, or of absurd pixels.

    """
    scales = _scales_arcsec(wcs.cd_deg)
    if not all(1e-3 < scale < 3600 for scale in scales) or not _skew(wcs.cd_deg) <= 0.1:
        raise UsageError("invalid-wcs", f"the pixel matrix {wcs.cd_deg} is singular, skewed or absurd")
    return wcs


def check_pixel_scale(wcs: TangentWcs) -> float:
    """Mean pixel scale in arcsec.

    Raises
    ------
    UsageError
        `wrong-pixel-scale` if either axis is off 0.396 arcsec by more than 20 %.

    """
    scales = _scales_arcsec(wcs.cd_deg)
    if any(abs(scale / PIXEL_SCALE_ARCSEC - 1) > SCALE_TOLERANCE for scale in scales):
        shown = " × ".join(f"{scale:.3f}″" for scale in scales)
        raise UsageError(
            "wrong-pixel-scale", f"pixels of {shown}; resample the image to {PIXEL_SCALE_ARCSEC}″"
        )
    return math.sqrt(scales[0] * scales[1])


def card_position_deg(header: Mapping[str, CardValue]) -> tuple[float, float] | None:
    """ICRS position in the cards RA and DEC: degrees, or sexagesimal text with RA in hours.

    None if either is absent or blank.

    Raises
    ------
    UsageError
        `invalid-wcs` if they are no position, or in a frame that is not known.

    """
    if not card_text(header, "RA") or not card_text(header, "DEC"):
        return None
    ra_deg, dec_deg = _card_angle(header, "RA", sexagesimal_deg=15.0), _card_angle(header, "DEC")
    if not (-360 <= ra_deg <= 360 and -90 <= dec_deg <= 90):
        raise UsageError("invalid-wcs", f"RA = {ra_deg:g}, DEC = {dec_deg:g} is no position in degrees")
    frame = read_frame(header)
    if frame is None:
        raise UsageError("invalid-wcs", f"RA and DEC are in the frame {header.get('RADESYS')!r}, not known")
    ra, dec = frame.to_icrs_deg(np.array(ra_deg % 360.0), np.array(dec_deg))
    return float(ra), float(dec)


def _card_angle(header: Mapping[str, CardValue], card: str, *, sexagesimal_deg: float = 1.0) -> float:
    """Angle of a card in degrees; a sexagesimal text counts units of the given number of degrees."""
    if is_number(header[card]):
        return number(header, card)
    text = card_text(header, card)
    if match := _SEXAGESIMAL.fullmatch(text):
        value = float(match[2]) + float(match[3]) / 60 + float(match[4]) / 3600
        return (-value if match[1] == "-" else value) * sexagesimal_deg
    try:
        value = float(text)
    except ValueError as error:
        raise UsageError(
            "invalid-wcs", f"{card} = {text[:30]!r} is neither degrees nor sexagesimal"
        ) from error
    return value


def rounded_position(ra_deg: float, dec_deg: float) -> tuple[float, float]:
    """Position to 1e-9 degrees, which a FITS card holds exactly: read back, it is the same number."""
    return round(ra_deg, 9) % 360.0, round(dec_deg, 9)


def shifted(wcs: TangentWcs, *, x: float, y: float) -> TangentWcs:
    """World coordinates of a window that starts at pixel (x, y) of the image."""
    crpix = (wcs.crpix[0] - x, wcs.crpix[1] - y)
    return TangentWcs(crval_deg=wcs.crval_deg, crpix=crpix, cd_deg=wcs.cd_deg)


def sky_position_deg(wcs: TangentWcs, x: float, y: float) -> tuple[float, float]:
    """(ra, dec) of a pixel position, the centre of the first pixel being 0."""
    ra, dec = astropy_wcs(wcs).pixel_to_world_values(x, y)
    return float(ra) % 360.0, float(dec)


def pixel_position(wcs: TangentWcs, ra_deg: float, dec_deg: float) -> tuple[float, float]:
    """(x, y) of a position, the centre of the first pixel being 0; NaN on the other half of the sky."""
    x, y = astropy_wcs(wcs).world_to_pixel_values(ra_deg, dec_deg)
    return float(x), float(y)


def astropy_wcs(wcs: TangentWcs) -> WCS:
    """Build astropy's world coordinates from the same numbers."""
    built = WCS(naxis=2)
    built.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    built.wcs.cunit = ["deg", "deg"]
    built.wcs.radesys = "ICRS"
    built.wcs.crval = wcs.crval_deg
    built.wcs.crpix = wcs.crpix
    built.wcs.cd = np.array(wcs.cd_deg).reshape(2, 2)
    built.wcs.set()
    return built


def _scales_arcsec(cd: Matrix) -> tuple[float, float]:
    return math.hypot(cd[0], cd[2]) * 3600, math.hypot(cd[1], cd[3]) * 3600


def _skew(cd: Matrix) -> float:
    """Cosine of the angle between the two pixel axes on the sky."""
    matrix: FloatArray = np.array(cd).reshape(2, 2)
    x, y = matrix[:, 0], matrix[:, 1]
    return float(abs(x @ y) / (math.hypot(*x) * math.hypot(*y)))
