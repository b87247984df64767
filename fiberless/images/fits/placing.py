"""Where the five planes of an image lie on the sky: one grid for all, and the position of its middle."""

from collections.abc import Mapping, Sequence
from math import cos, hypot, radians
from typing import Final

from fiberless.astro.bands import PIXEL_SCALE_ARCSEC
from fiberless.errors import UsageError
from fiberless.images.cutout import TangentWcs
from fiberless.images.fits.cards import CardValue
from fiberless.images.fits.pixels import central_start
from fiberless.images.fits.planes import Plane
from fiberless.images.fits.sky_grid import read_grid
from fiberless.images.fits.wcs import (
    card_position_deg,
    check_pixel_scale,
    pixel_position,
    rounded_position,
    shifted,
    sky_position_deg,
)

__all__ = ["common_wcs", "image_position"]

_ALIGNMENT_PX: Final = 0.5
_CARD_POSITION_ARCSEC: Final = 3.0
_SCALE_NOTED: Final = 0.01


def common_wcs(planes: Sequence[Plane], side: int) -> tuple[TangentWcs | None, tuple[str, ...]]:
    """World coordinates of the window, from r or the first band that has them, and what is to be told.

    Parameters
    ----------
    planes : all of one size
    side : of the images, in pixels

    Raises
    ------
    UsageError
        `invalid-wcs` if a header has unusable numbers or the bands are not aligned, `wrong-pixel-scale`.

    """
    grids = {plane.band: read_grid(plane.header) for plane in planes}
    placed = {band: grid.wcs for band, grid in grids.items() if grid.wcs}
    unplaced = {band: grid.unplaced for band, grid in grids.items() if grid.unplaced}
    notes = [note for grid in grids.values() for note in grid.notes]
    scales = [_scale_arcsec(known, side) for known in (placed, unplaced) if known]
    if 0 < len(placed) + len(unplaced) < len(planes) or (placed and unplaced):
        notes.append("not all bands have world coordinates to compare")
    if scales and abs(scales[0] / PIXEL_SCALE_ARCSEC - 1) > _SCALE_NOTED:
        notes.append(f"pixels of {scales[0]:.3f} arcsec taken as {PIXEL_SCALE_ARCSEC}")
    start = central_start(side)
    return (shifted(_reference(placed), x=start, y=start) if placed else None), tuple(dict.fromkeys(notes))


def image_position(
    wcs: TangentWcs | None, headers: Sequence[Mapping[str, CardValue]], side: int
) -> tuple[tuple[float, float] | None, str | None]:
    """ICRS position of an image's middle, and what is to be told of it.

    The cards RA and DEC count where they agree with the world coordinates, or where there are none.

    Raises
    ------
    UsageError
        `invalid-wcs` if RA and DEC are no position and nothing else gives one.

    """
    try:
        cards = next((found for header in headers if (found := card_position_deg(header))), None)
    except UsageError:
        if wcs is None:
            raise
        return _middle_deg(wcs, side), "cards RA and DEC not understood; not used"
    if wcs is None:
        return cards and rounded_position(*cards), None
    centre = _middle_deg(wcs, side)
    if cards is None:
        return centre, None
    if _separation_arcsec(cards, centre) <= _CARD_POSITION_ARCSEC:
        return rounded_position(*cards), None
    return centre, "cards RA and DEC lie off the image's middle; not used"


def _scale_arcsec(known: Mapping[str, TangentWcs], side: int) -> float:
    """Pixel scale of the reference band, when all are aligned with it and none is off the scale."""
    reference = _reference(known)
    scale = check_pixel_scale(reference)
    middle = (side - 1) / 2
    position = sky_position_deg(reference, middle, middle)
    for band, other in known.items():
        check_pixel_scale(other)
        x, y = pixel_position(other, *position)
        if not hypot(x - middle, y - middle) <= _ALIGNMENT_PX:
            raise UsageError(
                "invalid-wcs", f"{band} is not aligned with the other bands; resample it to their grid"
            )
    return scale


def _reference(known: Mapping[str, TangentWcs]) -> TangentWcs:
    return known.get("r") or next(iter(known.values()))


def _middle_deg(wcs: TangentWcs, side: int) -> tuple[float, float]:
    middle = (side - 1) / 2 - central_start(side)
    return rounded_position(*sky_position_deg(wcs, middle, middle))


def _separation_arcsec(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Distance of two near positions on the tangent plane."""
    d_ra = (first[0] - second[0] + 180) % 360 - 180
    return hypot(d_ra * cos(radians(second[1])), first[1] - second[1]) * 3600
