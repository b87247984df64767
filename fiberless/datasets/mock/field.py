"""What else is on a cutout: stars and galaxies of the field, also in front of the central galaxy.

Their light enters the image alone. A spectrum has none of it: one galaxy in a hundred would get more than 5 %
of its fibre's light from a neighbour (docs/mock-survey.md), and nothing in the image says what a blend does
to a spectrum, as the neighbour has another redshift.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.astro.bands import N_BANDS, PIXEL_SCALE_ARCSEC
from fiberless.datasets.mock.seeing import Seeing
from fiberless.images.cutout import CUTOUT_PIXELS

__all__ = ["FAINTEST_R", "Neighbours", "add_neighbours", "draw_neighbours"]

FAINTEST_R: Final = 23.5
_SLOPE: Final = 0.34
"""d lg N / dm of all objects; with the density below, the counts of the frames of run 2820, field 122:
1.0, 2.5, 5.1 an arcmin² brighter than r = 20.5, 21.5, 22.5."""
_SLOTS: Final = 8
_PRESENT: Final = 0.5
_DWARF_SHARE: Final = 0.5
"""M dwarfs among the stars: redder in r−i and i−z than any galaxy, as on three of six real cutouts."""
_HALF_SIDE_PX: Final = 38.0
_CLOSE_PX: Final = 10.0
_BRIGHTEST_CLOSE: Final = 0.4
_FAINT_NMGY: Final = 4.0
_FAINT_REACH_PX: Final = 12
"""At its edge the wing of an object of 4 nmgy is 0.001 nmgy a pixel, a twentieth of the noise in g."""
_MIDDLE: Final = (CUTOUT_PIXELS - 1) / 2
_EXPONENTIAL_SIGMAS: Final = np.array([0.558, 1.264])
_EXPONENTIAL_SHARES: Final = np.array([0.453, 0.547])
"""An exponential disk as two Gaussians, widths in half-light radii."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """M objects on the cutouts of a batch.

    Parameters
    ----------
    owner : (M,) row of the batch
    position_px : (M, 2) x and y from the middle of the cutout
    flux_nmgy : (M, 5)
    spread_px2 : (M, 3) variances along x and y and covariance of a circle of one half-light radius as it is
        seen, zero for a star

    """

    owner: IntArray
    position_px: FloatArray
    flux_nmgy: FloatArray
    spread_px2: FloatArray


def draw_neighbours(rng: np.random.Generator, central_r_nmgy: FloatArray) -> Neighbours:
    """Draw the field of each galaxy.

    Within 4" of the centre nothing is brighter than 0.4 of the galaxy: it would be the target itself.

    Parameters
    ----------
    central_r_nmgy : (N,) flux of the central galaxies in r

    """
    present = rng.uniform(size=(len(central_r_nmgy), _SLOTS)) < _PRESENT
    owner = np.nonzero(present)[0]
    m = len(owner)
    r_mag = FAINTEST_R + np.log10(rng.uniform(1e-3, 1, m)) / _SLOPE
    position = rng.uniform(-_HALF_SIDE_PX, _HALF_SIDE_PX, (m, 2))
    # half of the objects are stars at r = 18, a quarter at 22
    star = rng.uniform(size=m) < np.clip(0.5 - 0.07 * (r_mag - 18), 0.2, 0.7)
    flux = _flux(rng, r_mag, star)
    spread = _spread(rng, r_mag, star)
    close = np.hypot(*position.T) < _CLOSE_PX
    kept = ~(close & (flux[:, 2] > _BRIGHTEST_CLOSE * central_r_nmgy[owner]))
    return Neighbours(owner[kept], position[kept], flux[kept], spread[kept])


def _flux(rng: np.random.Generator, r_mag: FloatArray, star: BoolArray) -> FloatArray:
    """Fluxes in five bands: one sequence of colours for galaxies and early stars, one for M dwarfs. (M, 5)"""
    m = len(r_mag)
    dwarf = star & (rng.uniform(size=m) < _DWARF_SHARE)
    g_r = np.where(dwarf, rng.normal(1.42, 0.08, m), rng.normal(0.8, 0.38, m))
    r_i = np.where(dwarf, rng.uniform(0.7, 1.9, m), 0.45 * g_r)
    u_r, r_z = np.where(dwarf, 4.0, 2.6 * g_r + 0.2), np.where(dwarf, 1.55 * r_i, 0.70 * g_r)
    differences = np.stack([u_r, g_r, np.zeros(m), -r_i, -r_z], axis=1)
    flux: FloatArray = 10 ** (0.4 * (22.5 - r_mag[:, None] - differences))
    return flux


def _spread(rng: np.random.Generator, r_mag: FloatArray, star: BoolArray) -> FloatArray:
    """Stars are points; disks have half-light radii about 1" at r = 20 and are seen at any angle. (M, 3)"""
    m = len(r_mag)
    r50 = 10 ** (-0.12 * (r_mag - 20) + rng.normal(0, 0.15, m)) / PIXEL_SCALE_ARCSEC
    ratio2 = rng.uniform(0, 1, m) ** 2 * 0.94 + 0.06
    angle = rng.uniform(0, np.pi, m)
    mean, half = (1 + ratio2) / 2, (1 - ratio2) / 2
    shape = np.stack(
        [mean + half * np.cos(2 * angle), mean - half * np.cos(2 * angle), half * np.sin(2 * angle)]
    )
    spread: FloatArray = (np.where(star, 0.0, r50**2) * shape).T
    return spread


def add_neighbours(images: FloatArray, neighbours: Neighbours, seeing: Seeing) -> None:
    """Add the neighbours' light to noiseless images (N, 5, 64, 64) in place.

    Each is a sum of Gaussians: a disk's two convolved with the PSF's three.
    """
    covariances = seeing.covariances()
    for row, owner in enumerate(neighbours.owner):
        shares, spread = _profile(neighbours.spread_px2[row])
        covariance = covariances[owner][:, :, None, :] + spread
        flux = neighbours.flux_nmgy[row][:, None, None] * seeing.shares[owner][:, None] * shares
        rows, columns = _window(neighbours.position_px[row], neighbours.flux_nmgy[row])
        x = np.arange(CUTOUT_PIXELS)[columns] - _MIDDLE - neighbours.position_px[row, 0]
        y = np.arange(CUTOUT_PIXELS)[rows] - _MIDDLE - neighbours.position_px[row, 1]
        light = _sum_of_gaussians(x, y, covariance.reshape(N_BANDS, -1, 3), flux.reshape(N_BANDS, -1))
        images[owner, :, rows, columns] += light


def _profile(spread_px2: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shares (J,) and covariances (J, 3) of an object's own Gaussians: two, or one point."""
    if not spread_px2.any():
        return np.ones(1), np.zeros((1, 3))
    return _EXPONENTIAL_SHARES, _EXPONENTIAL_SIGMAS[:, None] ** 2 * spread_px2


def _window(position_px: FloatArray, flux_nmgy: FloatArray) -> tuple[slice, slice]:
    """Rows and columns that an object's light reaches: all of the cutout, or 12 px around a faint one."""
    if flux_nmgy.max() > _FAINT_NMGY:
        return slice(None), slice(None)
    start = np.rint(position_px + _MIDDLE).astype(int) - _FAINT_REACH_PX
    stop = start + 2 * _FAINT_REACH_PX + 1
    (left, bottom), (right, top) = np.maximum(start, 0), np.maximum(stop, 0)
    return slice(bottom, top), slice(left, right)


def _sum_of_gaussians(x: FloatArray, y: FloatArray, covariance: FloatArray, flux: FloatArray) -> FloatArray:
    """Light (C, Y, X) of K Gaussians a band at the origin, from covariances (C, K, 3) and fluxes (C, K)."""
    ones = np.ones((len(y), len(x)))
    monomials = np.stack([x * x * ones, (y * y)[:, None] * ones, y[:, None] * x])
    xx, yy, xy = np.moveaxis(covariance, -1, 0)
    determinant = xx * yy - xy**2
    quadratic = -0.5 * np.stack([yy, xx, -2 * xy], axis=-1) / determinant[..., None]
    height = (flux / (2 * np.pi * np.sqrt(determinant))).astype(np.float32)
    exponent = quadratic.astype(np.float32) @ monomials.reshape(3, -1).astype(np.float32)
    # far from an object the exponential underflows, and denormal numbers are slow
    light = height[:, None, :] @ np.exp(np.maximum(exponent, np.float32(-40.0)))
    image: FloatArray = light.reshape(-1, len(y), len(x))
    return image
