"""Cut a galaxy from the five corrected frames of a field, all bands on the pixels of r."""

import math
from pathlib import Path

import numpy as np

from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.bands import BANDS
from fiberless.errors import UsageError
from fiberless.images.cutout import CUTOUT_PIXELS, Cutout, TangentWcs
from fiberless.images.fits.pixels import check_bands, decode, fill_invalid, pad_with_noise, stored_pixels
from fiberless.images.fits.units import nmgy_factor
from fiberless.images.fits.wcs import astropy_wcs, pixel_position, rounded_position, shifted
from fiberless.sources.sdss.frames import Field, Frame, edge_distance_px, nearest_field, read_frame

__all__ = ["cut_field", "cut_frames"]

_CENTRE_PX = CUTOUT_PIXELS // 2 - 1
_REACH_PX = CUTOUT_PIXELS // 2 + 12


def cut_frames(folder: Path, ra: float, dec: float) -> Cutout:
    """Cutout of 64×64 px around a position, from the corrected frames in a folder; see `cut_field`.

    Parameters
    ----------
    folder : holds `frame-[ugriz]-RRRRRR-C-FFFF.fits[.bz2]`, at any depth
    ra, dec : ICRS degrees

    Raises
    ------
    UsageError
        `outside-footprint` if no field shows the position in all bands; `empty-band` and the like if there
        is no usable image.
    FatalError
        `source-unavailable` if a frame cannot be read.

    """
    return _cut(nearest_field(folder, ra, dec), ra, dec)


def cut_field(field: Field, ra: float, dec: float) -> Cutout:
    """Cutout of 64×64 px around a position, from the five corrected frames of a field.

    r is cut as it is, so that the position lies between pixels 31 and 32 on both axes; the other bands,
    whose frames are shifted by up to 4 px in x and 11 px in y, are interpolated (cubic splines) onto the
    pixels of r. What lies beyond the edge of a frame is filled with noise of the sky, in all bands alike so
    that colours stay true, and said so.

    Parameters
    ----------
    field : which frames
    ra, dec : ICRS degrees

    Raises
    ------
    UsageError
        `outside-footprint` if a band does not show the position; `empty-band` and the like if there is no
        usable image.
    FatalError
        `source-unavailable` if a frame cannot be read.

    """
    if edge_distance_px(field, ra, dec) < 0:
        raise UsageError("outside-footprint", f"the frames do not show ra = {ra:.5f}, dec = {dec:.5f}")
    return _cut(field, ra, dec)


def _cut(field: Field, ra: float, dec: float) -> Cutout:
    r = read_frame(field.frames["r"])
    x, y = pixel_position(r.wcs, ra, dec)
    grid = shifted(r.wcs, x=math.floor(x) - _CENTRE_PX, y=math.floor(y) - _CENTRE_PX)
    position = rounded_position(ra, dec)
    # One frame in memory after the other: each has 12 MB.
    flux = np.stack(
        [_on_grid(read_frame(field.frames[band]), band, grid=grid, position=position) for band in BANDS]
    )
    missing = np.broadcast_to(np.isnan(flux).any(axis=0), flux.shape)
    known = np.where(missing, 0.0, flux)
    check_bands(known)
    return Cutout(
        flux_nmgy=pad_with_noise(known, missing),
        ra=position[0],
        dec=position[1],
        source="sdss",
        notes=_edge_notes(missing),
        wcs=grid,
    )


def _edge_notes(missing: BoolArray) -> tuple[str, ...]:
    share = float(np.mean(missing))
    return (f"{share:.0%} of the image is off the frame; noise was put there",) if share else ()


def _on_grid(frame: Frame, band: str, *, grid: TangentWcs, position: tuple[float, float]) -> FloatArray:
    """Flux (64, 64) of a band on the pixels of `grid`, NaN where the frame does not reach."""
    from reproject import reproject_interp  # noqa: PLC0415 (an extra, and slow to import)

    box, local = _box(frame, band, position)
    aligned: FloatArray = reproject_interp(
        (box, astropy_wcs(local)),
        astropy_wcs(grid),
        shape_out=(CUTOUT_PIXELS, CUTOUT_PIXELS),
        order="nearest-neighbor" if band == "r" else "bicubic",
        return_footprint=False,
    )
    return aligned


def _box(frame: Frame, band: str, position: tuple[float, float]) -> tuple[FloatArray, TangentWcs]:
    """Part of a frame around a position, in nanomaggies, and its world coordinates."""
    x, y = (math.floor(value) for value in pixel_position(frame.wcs, *position))
    rows = slice(max(0, y - _REACH_PX), y + _REACH_PX)
    columns = slice(max(0, x - _REACH_PX), x + _REACH_PX)
    flux = decode(stored_pixels(frame.image)[rows, columns], frame.image)
    flux *= nmgy_factor(frame.image.header, band)
    filled, _ = fill_invalid(flux[None])
    return filled[0], shifted(frame.wcs, x=columns.start, y=rows.start)
