"""The sky in HEALPix cells: the cell of a position, and the cells that hold a cone.

Cells are numbered in the nested scheme of order 20 (0.2 arcsec), where the cells inside a coarser one
follow each other: a cone is a few ranges of numbers, whatever its size.
"""

from typing import Final

import numpy as np
from astropy import units
from astropy.coordinates import angular_separation
from astropy_healpix import HEALPix

from fiberless.arrays import FloatArray, IntArray

__all__ = ["CELL_ORDER", "cell_of", "cone_ranges", "separation_arcsec"]

CELL_ORDER: Final = 20
_CELL_DEG: Final = 58.6323
"""Side of a cell of order 0, √(4π/12) rad; each order halves it."""
_MARGIN: Final = 1.0
"""In sides of a cell, added to a cone's radius before its cells are looked up."""


def cell_of(ra_deg: FloatArray | float, dec_deg: FloatArray | float) -> IntArray:
    """Number of the cell that a position lies in.

    Parameters
    ----------
    ra_deg, dec_deg : any shape, ICRS degrees

    Returns
    -------
    int64 of the same shape, below 12·4^20

    """
    return np.asarray(_grid(CELL_ORDER).lonlat_to_healpix(ra_deg * units.deg, dec_deg * units.deg), np.int64)


def cone_ranges(ra_deg: float, dec_deg: float, radius_deg: float) -> list[tuple[int, int]]:
    """Ranges of cells, both ends included, that hold every position of a cone, and some more around it.

    Parameters
    ----------
    ra_deg, dec_deg : centre, ICRS degrees
    radius_deg : 0–180

    """
    order = _search_order(radius_deg)
    # The library looks for cells that overlap; with a margin, its rounding at their edges cannot lose one.
    margin_deg = _MARGIN * _CELL_DEG / 2**order
    grid = _grid(order)
    if radius_deg + margin_deg >= 180:
        return [(0, 12 * 4**CELL_ORDER - 1)]
    cells = grid.cone_search_lonlat(
        ra_deg * units.deg, dec_deg * units.deg, radius=(radius_deg + margin_deg) * units.deg
    )
    return _merged(np.sort(cells), 2 * (CELL_ORDER - order))


def separation_arcsec(
    ra_deg: float, dec_deg: float, other_ra_deg: FloatArray, other_dec_deg: FloatArray
) -> FloatArray:
    """Great-circle distances from a position to others (N,), as `SkyCoord.separation` has them.

    Parameters
    ----------
    ra_deg, dec_deg : ICRS degrees
    other_ra_deg, other_dec_deg : (N,) ICRS degrees

    """
    # In degrees, as SkyCoord has them: in radians, close pairs at a pole would differ in the tenth digit.
    # The centre goes in as arrays too, since numpy's sine of one number may differ in its last digit.
    centre_ra, centre_dec = (np.full(np.shape(other_ra_deg), angle) for angle in (ra_deg, dec_deg))
    distance = angular_separation(
        centre_ra * units.deg, centre_dec * units.deg, other_ra_deg * units.deg, other_dec_deg * units.deg
    )
    return np.asarray(distance.to_value(units.arcsec), dtype=np.float64)


def _grid(order: int) -> HEALPix:
    return HEALPix(nside=2**order, order="nested")


def _search_order(radius_deg: float) -> int:
    """Order whose cells are about half as wide as the cone's radius."""
    wanted = np.floor(np.log2(2 * _CELL_DEG / max(radius_deg, 1e-9)))
    return int(np.clip(wanted, 0, CELL_ORDER))


def _merged(cells: IntArray, shift: int) -> list[tuple[int, int]]:
    """Ranges of fine cells inside sorted coarse ones; `shift` bits finer."""
    breaks = np.flatnonzero(np.diff(cells) > 1)
    starts = cells[np.concatenate(([0], breaks + 1))]
    ends = cells[np.concatenate((breaks, [len(cells) - 1]))]
    return [
        (int(first) << shift, ((int(last) + 1) << shift) - 1)
        for first, last in zip(starts, ends, strict=True)
    ]
