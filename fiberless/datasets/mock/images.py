"""Images of the simulated survey: a galaxy's sheets through the PSF, its field, and the detector's noise."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.fft

from fiberless.arrays import ComplexArray, FloatArray
from fiberless.astro.bands import N_BANDS, PIXEL_SCALE_ARCSEC
from fiberless.datasets.mock.detector import DARK_VARIANCE, GAIN, NMGY_PER_COUNT, expose
from fiberless.datasets.mock.field import add_neighbours, draw_neighbours
from fiberless.datasets.mock.population import Population
from fiberless.datasets.mock.profiles import GRID, elliptical, fibre_weights, shift, wave_numbers
from fiberless.datasets.mock.seeing import PSF_FWHM_ARCSEC, Seeing, draw_seeing
from fiberless.images.cutout import CUTOUT_PIXELS

__all__ = [
    "DARK_VARIANCE",
    "GAIN",
    "NMGY_PER_COUNT",
    "PSF_FWHM_ARCSEC",
    "Shapes",
    "fibre_fractions",
    "render",
    "shape_sheets",
]

_OFFSET_PX: Final = 0.5
_REGISTRATION_PX: Final = 0.06
"""Error of the bands' positions against each other: 25 mas (Pier et al. 2003, AJ 125, 1559)."""
_R_BAND: Final = 2
_CLUMPS: Final = 10
_CLUMP_REACH: Final = 1.9
_CLUMP_SIZE: Final = 0.15
"""Farthest clump and a clump's σ in half-light radii: points of light beyond the disk gave mocks away."""


@dataclass(frozen=True, eq=False)
class Shapes:
    """Where the light of N galaxies lies, each of unit flux about the grid's origin.

    Parameters
    ----------
    sheets : (N, 3, 128, 65) complex64 transforms of bulge, old disk and young disk
    psf : (N, 5, 128, 65) float32 transforms of the PSF in the five bands
    seeing : the PSFs as sums of Gaussians

    """

    sheets: ComplexArray
    psf: FloatArray
    seeing: Seeing


def shape_sheets(rng: np.random.Generator, population: Population) -> Shapes:
    """Draw shapes and seeing."""
    n = len(population)
    disk_r50 = np.clip(population.disk_r50, 0.1, 12.0) / PIXEL_SCALE_ARCSEC
    bulge_r50 = np.clip(population.bulge_r50, 0.05, 12.0) / PIXEL_SCALE_ARCSEC
    angle = population.position_angle
    sheets = np.empty((n, 3, GRID, GRID // 2 + 1), np.complex64)
    sheets[:, 0] = elliptical(bulge_r50, population.bulge_sersic, population.bulge_axis_ratio, angle)
    sheets[:, 1] = elliptical(disk_r50, np.ones(n), population.disk_axis_ratio, angle)
    sheets[:, 2] = _young_disk(rng, population, disk_r50)
    seeing = draw_seeing(rng, n)
    return Shapes(sheets=sheets, psf=seeing.transforms(), seeing=seeing)


def _young_disk(rng: np.random.Generator, population: Population, r50: FloatArray) -> FloatArray:
    """Disk 1.15 times the old one's size with logarithmic spiral arms, and clumps that follow it."""
    n = len(population)
    arms = _spiral(rng, population, 1.15 * r50)
    radius = 1.15 * r50[:, None] * np.minimum(rng.gamma(2.0, 0.6, (n, _CLUMPS)), _CLUMP_REACH)
    phase = rng.uniform(0, 2 * np.pi, (n, _CLUMPS))
    along, across = radius * np.cos(phase), radius * np.sin(phase) * population.disk_axis_ratio[:, None]
    cosine, sine = np.cos(population.position_angle)[:, None], np.sin(population.position_angle)[:, None]
    dx, dy = along * cosine - across * sine, along * sine + across * cosine
    share = rng.lognormal(0.0, 0.8, (n, _CLUMPS))
    share *= (rng.uniform(0.0, 0.4, n) / share.sum(axis=1))[:, None]
    clumps = np.zeros(arms.shape, np.complex64)
    for clump in range(_CLUMPS):
        inside = np.clip(dx[:, clump], -60, 60), np.clip(dy[:, clump], -60, 60)
        clumps += share[:, clump, None, None].astype(np.float32) * shift(*inside)
    ky, kx = wave_numbers()
    blur = (-2 * np.pi**2 * (_CLUMP_SIZE * r50) ** 2).astype(np.float32)[:, None, None]
    clumps *= np.exp(blur * (kx**2 + ky**2))
    return (1 - share.sum(axis=1))[:, None, None].astype(np.float32) * arms + clumps


def _spiral(rng: np.random.Generator, population: Population, r50: FloatArray) -> FloatArray:
    """Exponential disk with arms, drawn on the pixel grid and transformed; unit flux. (N, 128, 65)"""
    n = len(population)
    axis = (np.fft.fftfreq(GRID) * GRID).astype(np.float32)
    y, x = axis[:, None], axis[None, :]
    cosine, sine = (f(population.position_angle).astype(np.float32)[:, None, None] for f in (np.cos, np.sin))
    ratio = population.disk_axis_ratio.astype(np.float32)[:, None, None]
    along, across = x * cosine + y * sine, (y * cosine - x * sine) / ratio
    radius = np.sqrt(along**2 + across**2 + np.float32(0.3))
    scale = np.maximum(r50 / 1.678, 0.4).astype(np.float32)[:, None, None]
    strength = rng.uniform(0.0, 0.9, n).astype(np.float32)[:, None, None]
    pitch = np.tan(np.radians(rng.uniform(12, 30, n))).astype(np.float32)[:, None, None]
    number = rng.choice([2, 2, 3, 4], n).astype(np.float32)[:, None, None]
    start = rng.uniform(0, 2 * np.pi, n).astype(np.float32)[:, None, None]
    phase = number * (np.arctan2(across, along) - np.log(radius / scale) / pitch) + start
    image = np.exp(-radius / scale) * (1 + strength * np.cos(phase))
    transform = scipy.fft.rfft2(image)
    unit: FloatArray = transform / np.maximum(transform[:, :1, :1].real, 1e-12)
    return unit


def fibre_fractions(shapes: Shapes) -> FloatArray:
    """Share of the PSF-convolved light of each sheet, and of a point, inside the 3" fibre. (N, 4)"""
    seen = shapes.psf[:, _R_BAND] * fibre_weights()
    sheets = np.einsum("nsyx,nyx->ns", shapes.sheets.real, seen, optimize=True)
    return np.concatenate([sheets, seen.sum(axis=(1, 2))[:, None]], axis=1)


def render(rng: np.random.Generator, shapes: Shapes, band_nmgy: FloatArray) -> FloatArray:
    """Noisy images.

    Parameters
    ----------
    shapes : of N galaxies
    band_nmgy : (N, 4, 5) fluxes of the three sheets and of the nucleus

    Returns
    -------
    (N, 5, 64, 64) float32 nanomaggies a pixel, the galaxy within 0.5 px of the point (31.5, 31.5)

    """
    n = len(band_nmgy)
    middle = rng.uniform(-_OFFSET_PX, _OFFSET_PX, (2, n, 1)) + (GRID - 1) / 2
    centre = middle + rng.normal(0, _REGISTRATION_PX, (2, n, N_BANDS))
    first = (GRID - CUTOUT_PIXELS) // 2
    window = slice(first, first + CUTOUT_PIXELS)
    images = np.empty((n, N_BANDS, CUTOUT_PIXELS, CUTOUT_PIXELS), np.float32)
    flux = band_nmgy.astype(np.float32)
    for band in range(N_BANDS):
        galaxy = np.einsum("nsyx,ns->nyx", shapes.sheets, flux[:, :3, band], optimize=True)
        galaxy += flux[:, 3, band, None, None]
        galaxy *= shapes.psf[:, band] * shift(*centre[..., band])
        images[:, band] = scipy.fft.irfft2(galaxy, s=(GRID, GRID))[:, window, window]
    add_neighbours(images, draw_neighbours(rng, flux[..., _R_BAND].sum(axis=1)), shapes.seeing)
    return expose(rng, images)
