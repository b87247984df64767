"""Images of the simulated survey: sheets through the PSF, neighbours, photon and read noise."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.fft

from fiberless.arrays import ComplexArray, FloatArray
from fiberless.bands import N_BANDS, PIXEL_SCALE_ARCSEC
from fiberless.cutout import CUTOUT_PIXELS
from fiberless.datasets.mock.population import Population
from fiberless.datasets.mock.profiles import GRID, elliptical, fibre_weights, psf, shift, wave_numbers

__all__ = ["Shapes", "fibre_fractions", "render", "shape_sheets"]

PSF_FWHM_ARCSEC: Final = np.array([1.46, 1.37, 1.29, 1.24, 1.25])
GAIN: Final = np.array([1.6, 3.9, 4.7, 4.9, 4.8])
DARK_VARIANCE: Final = np.array([9.3, 1.5, 1.2, 3.0, 1.1])
NMGY_PER_COUNT: Final = np.array([0.0088, 0.0038, 0.0047, 0.0056, 0.0255])
SKY_MAG_ARCSEC2: Final = np.array([22.05, 21.85, 20.87, 20.25, 19.00])
CALIBRATION_SIGMA: Final = np.array([0.015, 0.003, 0.003, 0.003, 0.003])
"""Relative error of the zero points since DR13: per-run residuals of 15 mmag in u and 3 mmag in griz
(Finkbeiner et al. 2016, ApJ 822, 66)."""
_R_BAND: Final = 2
_CLUMPS: Final = 10
_NEIGHBOURS: Final = 4


@dataclass(frozen=True, eq=False)
class Shapes:
    """Where the light of N galaxies lies, each of unit flux about the grid's origin.

    Parameters
    ----------
    sheets : (N, 3, 128, 65) complex64 transforms of bulge, old disk and young disk
    psf : (N, 5, 128, 65) float32 transforms of the PSF in the five bands

    """

    sheets: ComplexArray
    psf: FloatArray


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
    seeing = 10 ** rng.normal(0, 0.043, (n, 1)) * 10 ** rng.normal(0, 0.01, (n, N_BANDS))
    fwhm = PSF_FWHM_ARCSEC * seeing / PIXEL_SCALE_ARCSEC
    return Shapes(sheets=sheets, psf=np.stack([psf(fwhm[:, b]) for b in range(N_BANDS)], axis=1))


def _young_disk(rng: np.random.Generator, population: Population, r50: FloatArray) -> FloatArray:
    """Disk 1.15 times the old one's size with logarithmic spiral arms, and clumps that follow it."""
    n = len(population)
    arms = _spiral(rng, population, 1.15 * r50)
    radius = 1.15 * r50[:, None] * rng.gamma(2.0, 0.6, (n, _CLUMPS))
    phase = rng.uniform(0, 2 * np.pi, (n, _CLUMPS))
    along, across = radius * np.cos(phase), radius * np.sin(phase) * population.disk_axis_ratio[:, None]
    cosine, sine = np.cos(population.position_angle)[:, None], np.sin(population.position_angle)[:, None]
    dx, dy = along * cosine - across * sine, along * sine + across * cosine
    share = rng.lognormal(0.0, 1.0, (n, _CLUMPS))
    share *= (rng.uniform(0.0, 0.5, n) / share.sum(axis=1))[:, None]
    transform = (1 - share.sum(axis=1))[:, None, None].astype(np.float32) * arms
    for clump in range(_CLUMPS):
        inside = np.clip(dx[:, clump], -60, 60), np.clip(dy[:, clump], -60, 60)
        transform += share[:, clump, None, None].astype(np.float32) * shift(*inside)
    return transform


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
    offset = rng.uniform(-0.5, 0.5, (2, n)) + (GRID - 1) / 2
    centre = shift(offset[0], offset[1])
    neighbours, colours = _neighbours(rng, n)
    first = (GRID - CUTOUT_PIXELS) // 2
    window = slice(first, first + CUTOUT_PIXELS)
    images = np.empty((n, N_BANDS, CUTOUT_PIXELS, CUTOUT_PIXELS), np.float32)
    flux = band_nmgy.astype(np.float32)
    for band in range(N_BANDS):
        sky = flux[:, 3, band, None, None] * np.ones((1, 1), np.float32)
        galaxy = np.einsum("nsyx,ns->nyx", shapes.sheets, flux[:, :3, band], optimize=True) + sky
        scene = galaxy * centre + np.einsum("njyx,nj->nyx", neighbours, colours[..., band], optimize=True)
        images[:, band] = scipy.fft.irfft2(scene * shapes.psf[:, band], s=(GRID, GRID))[:, window, window]
    return _observe(rng, images)


def _neighbours(rng: np.random.Generator, n: int) -> tuple[FloatArray, FloatArray]:
    """Stars and galaxies in the field: transforms (N, J, 128, 65) and fluxes (N, J, 5) nmgy.

    About one object brighter than r = 23 a cutout; none closer than 4" to the centre.
    """
    present = rng.uniform(size=(n, _NEIGHBOURS)) < 0.35
    magnitude = 23.0 + np.log10(rng.uniform(1e-3, 1, (n, _NEIGHBOURS))) / 0.35
    r_flux = np.where(present, 10 ** (0.4 * (22.5 - magnitude)), 0.0)
    redness = rng.normal(0.75, 0.35, (n, _NEIGHBOURS))
    colour = np.stack([1.6 * redness + 0.2, redness, 0.45 * redness, 0.25 * redness], axis=-1)
    relative = np.stack([-colour[..., 0] - colour[..., 1], -colour[..., 1]], axis=-1)
    redder = np.stack([colour[..., 2], colour[..., 2] + colour[..., 3]], axis=-1)
    lg_ratio = np.concatenate([relative, np.zeros((n, _NEIGHBOURS, 1)), redder], axis=-1)
    flux = (r_flux[..., None] * 10 ** (0.4 * lg_ratio)).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi, (n, _NEIGHBOURS))
    distance = np.sqrt(rng.uniform((4 / 0.396) ** 2, 46.0**2, (n, _NEIGHBOURS)))
    dx, dy = distance * np.cos(angle) + (GRID - 1) / 2, distance * np.sin(angle) + (GRID - 1) / 2
    sigma = np.where(rng.uniform(size=(n, _NEIGHBOURS)) < 0.4, 0.0, rng.uniform(0.5, 3.0, (n, _NEIGHBOURS)))
    ky, kx = wave_numbers()
    blur = np.exp((-2 * np.pi**2 * sigma[..., None, None] ** 2).astype(np.float32) * (kx**2 + ky**2))
    points = shift(dx.ravel(), dy.ravel()).reshape(n, _NEIGHBOURS, GRID, GRID // 2 + 1)
    return points * blur, flux


def _observe(rng: np.random.Generator, images: FloatArray) -> FloatArray:
    """Add photon noise of source and sky, dark noise, and the photometric calibration's error."""
    n = len(images)
    sky_mag = SKY_MAG_ARCSEC2 + rng.normal(0, 0.15, (n, N_BANDS))
    sky = 10 ** (0.4 * (22.5 - sky_mag)) * PIXEL_SCALE_ARCSEC**2
    scale = NMGY_PER_COUNT * 10 ** rng.normal(0, 0.03, (n, N_BANDS))
    calibration = 1 + rng.normal(0, CALIBRATION_SIGMA, (n, N_BANDS))
    shape = (n, N_BANDS, 1, 1)
    counts = (np.maximum(images, 0) + sky.reshape(shape)) / scale.reshape(shape)
    variance = counts / GAIN.reshape(1, -1, 1, 1) + DARK_VARIANCE.reshape(1, -1, 1, 1)
    noise = rng.standard_normal(images.shape, np.float32) * np.sqrt(variance) * scale.reshape(shape)
    return ((images * calibration.reshape(shape)) + noise).astype(np.float32)
