"""Damages images as surveys, pipelines and users do, class by class, to test what calls an image unusual.

Each function takes a generator and (B, 5, 64, 64) nanomaggies and returns a damaged copy. Strengths are
stated where each is made; σ is the sky noise of one pixel in that band and image.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
import scipy.fft
import scipy.ndimage

from fiberless.arrays import FloatArray
from fiberless.astro.bands import BANDS, N_BANDS, PIXEL_SCALE_ARCSEC
from fiberless.datasets.mock.detector import NMGY_PER_COUNT, expose
from fiberless.datasets.mock.profiles import GRID, shift
from fiberless.datasets.mock.seeing import draw_seeing
from fiberless.images.apertures import sky_sigma_nmgy
from fiberless.images.cutout import CUTOUT_PIXELS

__all__ = ["ARTEFACTS", "Damage", "blank_sky", "stars"]

Damage: TypeAlias = Callable[[np.random.Generator, FloatArray], FloatArray]

_SIDE: Final = CUTOUT_PIXELS
_MIDDLE: Final = (_SIDE - 1) / 2
_STELLAR_G_R: Final = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4])
_STELLAR_U_G: Final = np.array([1.1, 0.9, 1.1, 1.5, 1.9, 2.2, 2.45, 2.6])
_STELLAR_R_I: Final = np.array([-0.1, 0.05, 0.13, 0.21, 0.29, 0.40, 0.52, 0.90])
_STELLAR_I_Z: Final = np.array([-0.1, 0.0, 0.03, 0.08, 0.14, 0.2, 0.28, 0.5])
"""Median stellar locus in SDSS colours, to 0.1 mag (after Covey et al. 2007, AJ 134, 2398, table 3)."""


def stars(rng: np.random.Generator, n: int) -> FloatArray:
    """Images of single stars, r = 14.5–17.7, on the stellar locus, under the simulated survey's PSF.

    Returns
    -------
    (n, 5, 64, 64) float32 nanomaggies

    """
    return expose(rng, _stellar_nmgy(rng, n)[..., None, None] * _star_shapes(rng, n))


def blank_sky(rng: np.random.Generator, n: int) -> FloatArray:
    """Images of nothing but the sky's noise. (n, 5, 64, 64) float32"""
    return expose(rng, np.zeros((n, N_BANDS, _SIDE, _SIDE), np.float32))


def _star_shapes(rng: np.random.Generator, n: int) -> FloatArray:
    """Point sources of unit flux within 0.5 px of the middle. (n, 5, 64, 64)"""
    offset = rng.uniform(-0.5, 0.5, (2, n)) + (GRID - 1) / 2
    transforms = draw_seeing(rng, n).transforms() * shift(*offset)[:, None]
    first = (GRID - _SIDE) // 2
    window = slice(first, first + _SIDE)
    images = scipy.fft.irfft2(transforms, s=(GRID, GRID))[..., window, window]
    return np.asarray(images, dtype=np.float32)


def _stellar_nmgy(rng: np.random.Generator, n: int) -> FloatArray:
    g_r = rng.uniform(0.2, 1.4, n)
    u_g, r_i, i_z = (
        np.interp(g_r, _STELLAR_G_R, locus) + rng.normal(0, 0.03, n)
        for locus in (_STELLAR_U_G, _STELLAR_R_I, _STELLAR_I_Z)
    )
    r = rng.uniform(14.5, 17.7, n)
    magnitudes = np.stack([r + g_r + u_g, r + g_r, r, r - r_i, r - r_i - i_z], axis=1)
    flux: FloatArray = 10 ** (0.4 * (22.5 - magnitudes))
    return flux


def _saturated(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """A star of r = 10.5–13 before the galaxy; all bands cut off at 150–200 nmgy, with 0.3 % scatter."""
    brightness = 10 ** (0.4 * (22.5 - rng.uniform(10.5, 13.0, (len(flux), 1, 1, 1))))
    bright = flux + (brightness * _star_shapes(rng, len(flux))).astype(np.float32)
    level = rng.uniform(150, 200, (len(flux), 1, 1, 1))
    ceiling = level * (1 + 0.003 * rng.standard_normal(flux.shape))
    return np.where(bright > level, ceiling, bright).astype(np.float32)


def _trail(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """Satellite or meteor in one of g, r, i: straight, 4 px wide, 5–50 σ high, within 10" of the middle."""
    away = _distance_to_lines(rng, len(flux), reach_px=25.0)
    return _add(flux, rng, np.exp(-(away**2) / (2 * (4 / 2.3548) ** 2)), rng.uniform(5, 50, len(flux)))


def _bleed(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """Charge bled along 3 columns in one of g, r, i, 30–300 σ high, anywhere but in the middle 8 px."""
    side = rng.choice([-1, 1], len(flux))
    column = np.rint(_MIDDLE + side * rng.uniform(5, 29, len(flux)))
    x = np.arange(_SIDE)
    stripe = (np.abs(x - column[:, None]) <= 1)[:, None, :] * np.ones((1, _SIDE, 1))
    return _add(flux, rng, stripe, rng.uniform(30, 300, len(flux)))


def _cosmic_rays(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """Three to eight tracks of 1–4 px in one of g, r, i, 30–300 σ a pixel, not smoothed by the PSF."""
    hits = np.zeros((len(flux), _SIDE, _SIDE))
    for galaxy in range(len(flux)):
        for _ in range(rng.integers(3, 9)):
            y, x, angle = rng.uniform(4, 60), rng.uniform(4, 60), rng.uniform(0, np.pi)
            steps = np.arange(rng.integers(1, 5))
            rows, columns = np.rint(y + steps * np.sin(angle)), np.rint(x + steps * np.cos(angle))
            hits[galaxy, rows.astype(int).clip(0, 63), columns.astype(int).clip(0, 63)] = 1
    return _add(flux, rng, hits, rng.uniform(30, 300, len(flux)))


def _missing_band(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """One of the five bands holds noise alone."""
    band = rng.integers(0, N_BANDS, len(flux))
    damaged = flux.copy()
    rows = np.arange(len(flux))
    sigma = sky_sigma_nmgy(flux)[rows, band][:, None, None]
    damaged[rows, band] = sigma * rng.standard_normal((len(flux), _SIDE, _SIDE))
    return damaged


def _displaced_band(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """One of g, r, i, z shifted by 3–11 px: frames stacked without aligning them are off by up to 11."""
    damaged = flux.copy()
    for galaxy in range(len(flux)):
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(3, 11)
        dy, dx = round(distance * np.sin(angle)), round(distance * np.cos(angle))
        band = rng.integers(1, N_BANDS)
        damaged[galaxy, band] = np.roll(flux[galaxy, band], (dy, dx), axis=(0, 1))
    return damaged


def _reversed_bands(_rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """Bands in the order z, i, r, g, u."""
    return flux[:, ::-1].copy()


def _swapped_bands(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """Two neighbouring bands exchanged: u–g, g–r, r–i or i–z."""
    damaged = flux.copy()
    for galaxy, first in enumerate(rng.integers(0, N_BANDS - 1, len(flux))):
        damaged[galaxy, [first, first + 1]] = flux[galaxy, [first + 1, first]]
    return damaged


def _counts(_rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """Detector counts in place of nanomaggies."""
    damaged: FloatArray = flux / NMGY_PER_COUNT[:, None, None]
    return damaged.astype(np.float32)


def _ten_times(_rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """All fluxes ten times too high."""
    return flux * np.float32(10)


def _binned(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """Pixels of 0.79", each the sum of four; the frame filled with noise."""
    half = _SIDE // 2
    small = flux.reshape(len(flux), N_BANDS, half, 2, half, 2).sum(axis=(3, 5))
    noise = 2 * sky_sigma_nmgy(flux)[..., None, None] * rng.standard_normal(flux.shape)
    start = half // 2
    noise[..., start : start + half, start : start + half] = small
    return noise.astype(np.float32)


def _magnified(_rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """Pixels of 0.198", interpolated linearly, the total flux kept."""
    quarter = _SIDE // 4
    core = flux[..., quarter:-quarter, quarter:-quarter]
    large = scipy.ndimage.zoom(core, (1, 1, 2, 2), order=1, mode="nearest", grid_mode=True) / 4
    return np.asarray(large, dtype=np.float32)


def _border(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """Zeros beyond a frame's edge that passes 0–20 px from the middle, on one of the four sides."""
    edge = np.rint(_MIDDLE + rng.uniform(0, 20, len(flux)))
    y = np.arange(_SIDE)
    kept = (y <= edge[:, None])[:, None, :, None]
    turns = int(rng.integers(0, 4))
    return np.rot90(np.rot90(flux, -turns, axes=(-2, -1)) * kept, turns, axes=(-2, -1)).copy()


def _sky_left_in(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """Sky of 5–50 σ a pixel not subtracted."""
    height = rng.uniform(5, 50, (len(flux), 1)) * sky_sigma_nmgy(flux)
    return (flux + height[..., None, None]).astype(np.float32)


def _blend(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """Another galaxy of the set 3–5" from the middle, its central r light 0.7–1 of this one's."""
    damaged = flux.copy()
    core = slice(_SIDE // 2 - 4, _SIDE // 2 + 4)
    light = np.maximum(flux[:, BANDS.index("r"), core, core].sum(axis=(-2, -1)), 1e-3)
    for galaxy in range(len(flux)):
        other = (galaxy + 1) % len(flux)
        ratio = rng.uniform(0.7, 1.0) * light[galaxy] / light[other]
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(3.0, 5.0) / PIXEL_SCALE_ARCSEC
        move = (0, round(distance * np.sin(angle)), round(distance * np.cos(angle)))
        damaged[galaxy] += ratio * scipy.ndimage.shift(flux[other], move, order=0)
    return damaged


def _off_centre(rng: np.random.Generator, flux: FloatArray) -> FloatArray:
    """The whole image shifted by 5–15 px."""
    damaged = flux.copy()
    for galaxy in range(len(flux)):
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(5, 15)
        dy, dx = round(distance * np.sin(angle)), round(distance * np.cos(angle))
        damaged[galaxy] = np.roll(flux[galaxy], (dy, dx), axis=(1, 2))
    return damaged


def _distance_to_lines(rng: np.random.Generator, n: int, *, reach_px: float) -> FloatArray:
    """Distance (n, 64, 64) in px of each pixel from a random line that passes near the middle."""
    angle = rng.uniform(0, np.pi, (n, 1, 1))
    impact = rng.uniform(-reach_px, reach_px, (n, 1, 1))
    axis = np.arange(_SIDE) - _MIDDLE
    away: FloatArray = axis[:, None] * np.cos(angle) - axis[None, :] * np.sin(angle) - impact
    return away


def _add(flux: FloatArray, rng: np.random.Generator, shape: FloatArray, height: FloatArray) -> FloatArray:
    """Add shapes (B, 64, 64) of a height (B,) in σ to one of g, r, i."""
    rows, band = np.arange(len(flux)), rng.integers(1, 4, len(flux))
    damaged = flux.copy()
    sigma = sky_sigma_nmgy(flux)[rows, band]
    damaged[rows, band] += (height * sigma)[:, None, None] * shape
    return damaged


ARTEFACTS: Final[Mapping[str, Damage]] = MappingProxyType(
    {
        "saturated": _saturated,
        "trail": _trail,
        "bleed": _bleed,
        "cosmic rays": _cosmic_rays,
        "missing band": _missing_band,
        "displaced band": _displaced_band,
        "reversed bands": _reversed_bands,
        "swapped bands": _swapped_bands,
        "counts": _counts,
        "ten times": _ten_times,
        "binned": _binned,
        "magnified": _magnified,
        "border": _border,
        "sky left in": _sky_left_in,
        "blend": _blend,
        "off centre": _off_centre,
    }
)
"""Ways to damage an image, by name."""
