"""Polar moments of images: what light goes with cos mθ and sin mθ around the middle, ring by ring.

A rotation of the image turns each pair (cos, sin) of order m by m times the angle, a reflection changes the
sign of the sines, and neither does more: orientations cost nothing.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from fiberless.arrays import FloatArray, IntArray

__all__ = ["ORDERS", "RADII_PX", "PolarBasis", "polar_basis", "project"]

RADII_PX: Final = (0.0, 0.8, 1.6, 2.6, 3.8, 5.2, 7.0, 9.2, 12.0, 15.5, 20.0, 26.0)
"""Radii of the rings in pixels of 0.396 arcsec; weights fall linearly to zero at the neighbours' radii."""
ORDERS: Final = 4
"""Largest m: dipole to quadrupole tell centre, axis ratio and companions, m = 3, 4 arms and boxes."""
_INNERMOST: Final = {0: 0, 1: 1, 2: 1}
_INNERMOST_ELSE: Final = 3  # inside of it pixels are too coarse for three waves around


@dataclass(frozen=True, eq=False)
class PolarBasis:
    """Q vectors on S × S pixels, each of unit length.

    Parameters
    ----------
    vectors : (S², Q) float32, rows of pixels as numpy ravels them
    order : (Q,) m of each vector
    partner : (Q,) index of the vector with the same ring and order, a quarter of a wave away; own at m = 0
    sign : (Q,) −1 for cosines, +1 for sines, 0 at m = 0: under a rotation by α moment x becomes
        cos(mα) x + sign sin(mα) x[partner]

    """

    vectors: FloatArray
    order: IntArray
    partner: IntArray
    sign: FloatArray


@cache
def polar_basis(size: int = 64, radii_px: tuple[float, ...] = RADII_PX, orders: int = ORDERS) -> PolarBasis:
    """Vectors for images of `size` × `size` pixels around their middle, ((size − 1)/2, (size − 1)/2)."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    rings = _rings(np.hypot(y, x).ravel(), np.array(radii_px))
    angle = np.arctan2(y, x).ravel()
    vectors, order, partner, sign = (
        [rings],
        [0] * len(radii_px),
        list(range(len(radii_px))),
        [0.0] * len(radii_px),
    )
    for m in range(1, orders + 1):
        kept = rings[:, _INNERMOST.get(m, _INNERMOST_ELSE) :]
        first, n = len(order), kept.shape[1]
        vectors += [kept * np.cos(m * angle)[:, None], kept * np.sin(m * angle)[:, None]]
        order += [m] * (2 * n)
        partner += [*range(first + n, first + 2 * n), *range(first, first + n)]
        sign += [-1.0] * n + [1.0] * n
    joined = np.concatenate(vectors, axis=1)
    unit = (joined / np.linalg.norm(joined, axis=0)).astype(np.float32)
    return PolarBasis(unit, np.array(order), np.array(partner), np.array(sign, dtype=np.float32))


def project(image: FloatArray) -> FloatArray:
    """Moments of images.

    Parameters
    ----------
    image : (B, C, S, S)

    Returns
    -------
    (B, C, Q) float32

    """
    pixels = np.asarray(image, dtype=np.float32).reshape(*image.shape[:2], -1)
    moments: FloatArray = pixels @ polar_basis(image.shape[-1]).vectors
    return moments


def _rings(radius_px: FloatArray, radii_px: FloatArray) -> FloatArray:
    """Weights (P, R) of pixels at a radius in each ring: hats that add up to one inside the last radius."""
    hats = np.eye(len(radii_px))
    columns = [np.interp(radius_px, radii_px, hat, right=0.0) for hat in hats]
    return np.stack(columns, axis=1)
