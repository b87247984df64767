"""World coordinates from a few checked numbers of a header, never from the header's text.

wcslib is handed numbers only.
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from astropy.wcs import WCS

from fiberless.arrays import FloatArray
from fiberless.astro.bands import PIXEL_SCALE_ARCSEC
from fiberless.errors import UsageError
from fiberless.images.cutout import TangentWcs
from fiberless.images.fits.cards import CardValue

__all__ = [
    "astropy_wcs",
    "card_position_deg",
    "check_pixel_scale",
    "pixel_position",
    "read_wcs",
    "rounded_position",
    "shifted",
    "sky_position_deg",
]

SCALE_TOLERANCE: Final = 0.2
_MAX_CRPIX: Final = 1e5
_PROJECTIONS: Final = frozenset({"TAN", "TAN-SIP"})
_FRAMES: Final = frozenset({"ICRS", "FK5", ""})


def read_wcs(header: Mapping[str, CardValue]) -> TangentWcs | None:
    """Gnomonic world coordinates of a header, or None if it holds none that are understood.

    Distortion terms are ignored: over a cutout they move nothing by a pixel.

    Raises
    ------
    UsageError
        `invalid-wcs` if the numbers are not finite, out of range or singular.

    """
    if "CRVAL1" not in header or not _is_tangent(header):
        return None
    crval = (_number(header, "CRVAL1") % 360.0, _number(header, "CRVAL2"))
    crpix = (_number(header, "CRPIX1"), _number(header, "CRPIX2"))
    cd = _cd_matrix(header)
    if abs(crval[1]) > 90:
        raise UsageError("invalid-wcs", f"CRVAL2 = {crval[1]:g} is no declination")
    if max(abs(value) for value in crpix) > _MAX_CRPIX:
        raise UsageError("invalid-wcs", f"CRPIX = {crpix} lies far outside any frame")
    scales = _scales_arcsec(cd)
    if not all(1e-3 < scale < 3600 for scale in scales) or _skew(cd) > 0.1:
        raise UsageError("invalid-wcs", f"the pixel matrix {cd} is singular, skewed or absurd")
    return TangentWcs(crval_deg=crval, crpix=crpix, cd_deg=cd)


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
    """Position in the cards RA and DEC, if both are numbers.

    Raises
    ------
    UsageError
        `invalid-wcs` if they are no position.

    """
    ra, dec = header.get("RA"), header.get("DEC")
    if not _is_number(ra) or not _is_number(dec):
        return None
    ra_deg, dec_deg = _number(header, "RA"), _number(header, "DEC")
    if not (-360 <= ra_deg <= 360 and -90 <= dec_deg <= 90):
        raise UsageError("invalid-wcs", f"RA = {ra_deg:g}, DEC = {dec_deg:g} is no position in degrees")
    return ra_deg % 360.0, dec_deg


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


def _is_tangent(header: Mapping[str, CardValue]) -> bool:
    """Whether the axes are (RA, Dec), gnomonic, in degrees of ICRS or FK5."""
    first, second = str(header.get("CTYPE1", "")), str(header.get("CTYPE2", ""))
    frame = str(header.get("RADESYS", header.get("RADECSYS", ""))).strip().upper()
    units = {str(header.get(card, "deg")).strip().lower() for card in ("CUNIT1", "CUNIT2")}
    return (
        first[:5] == "RA---"
        and second[:5] == "DEC--"
        and first[5:].strip() == second[5:].strip()
        and first[5:].strip() in _PROJECTIONS
        and frame in _FRAMES
        and units <= {"deg", "degree", "degrees"}
    )


def _cd_matrix(header: Mapping[str, CardValue]) -> tuple[float, float, float, float]:
    """Pixel matrix from CDi_j, or CDELTi with PCi_j or CROTA2 (Calabretta & Greisen 2002, A&A 395, 1077)."""
    if any(f"CD{i}_{j}" in header for i in (1, 2) for j in (1, 2)):
        return _four([_number(header, f"CD{i}_{j}", 0.0) for i in (1, 2) for j in (1, 2)])
    steps = np.array([_number(header, "CDELT1"), _number(header, "CDELT2")])
    if "CROTA2" in header:
        angle = math.radians(_number(header, "CROTA2"))
        ratio = steps[1] / steps[0] if steps[0] else 0.0
        turned = [
            math.cos(angle),
            -math.sin(angle) * ratio,
            math.sin(angle) / (ratio or 1.0),
            math.cos(angle),
        ]
        matrix = np.array(turned).reshape(2, 2)
    else:
        turned = [_number(header, f"PC{i}_{j}", float(i == j)) for i in (1, 2) for j in (1, 2)]
        matrix = np.array(turned).reshape(2, 2)
    return _four((steps[:, None] * matrix).ravel().tolist())


def _four(values: list[float]) -> tuple[float, float, float, float]:
    a, b, c, d = values
    return a, b, c, d


def _scales_arcsec(cd: tuple[float, float, float, float]) -> tuple[float, float]:
    return math.hypot(cd[0], cd[2]) * 3600, math.hypot(cd[1], cd[3]) * 3600


def _skew(cd: tuple[float, float, float, float]) -> float:
    """Cosine of the angle between the two pixel axes on the sky."""
    matrix: FloatArray = np.array(cd).reshape(2, 2)
    x, y = matrix[:, 0], matrix[:, 1]
    return float(abs(x @ y) / (math.hypot(*x) * math.hypot(*y)))


def _is_number(value: CardValue | None) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(header: Mapping[str, CardValue], keyword: str, default: float | None = None) -> float:
    value = header.get(keyword, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e30:
        raise UsageError("invalid-wcs", f"{keyword} = {value!r} is not a usable number")
    return float(value)
