"""Pixels, point-spread functions and shapes of simulated images against real frames and stamps."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.bands import BANDS, N_BANDS, PIXEL_SCALE_ARCSEC, magnitude
from fiberless.datasets.mock.seeing import Seeing, draw_seeing
from fiberless.datasets.mock_report.real_images import RealImages, find_peaks, frame_planes
from fiberless.datasets.mock_report.shapes import adaptive_fwhm_px, axis_ratio, light_radii_arcsec
from fiberless.images.apertures import aperture_nmgy
from fiberless.images.cutout import CUTOUT_PIXELS

__all__ = ["PixelRow", "compare_pixels"]

_BORDER_PX: Final = 12
_CLIP_SIGMA: Final = 4.0
_SEEINGS: Final = 200
_FAR_ARCSEC: Final = 6.0
_WIDEST_PSF_ARCSEC: Final = 2.2


@dataclass(frozen=True)
class PixelRow:
    """One statistic of one band: 16, 50 and 84 % of images, None where none is at hand."""

    quantity: str
    band: str
    unit: str
    mock: tuple[float, float, float]
    frames: tuple[float, float, float] | None
    stamps: tuple[float, float, float] | None


def compare_pixels(mock: FloatArray, real: RealImages, folder: Path, *, seed: int) -> tuple[PixelRow, ...]:
    """Compare simulated images with the real files of a folder.

    Parameters
    ----------
    mock : (N, 5, 64, 64) nanomaggies
    real : galaxies and stars of that folder
    folder : with `frames/`
    seed : of the PSFs drawn

    """
    tiles = _tiles(frame_planes(folder / "frames"))
    stamps = real.galaxies[[not name.startswith("frame") for name in real.galaxy_names]]
    return (
        *_sky_rows(mock, tiles, stamps),
        *_psf_rows(real.star_stamps, seed),
        *_shape_rows(mock, real),
    )


def _tiles(planes: dict[str, FloatArray]) -> FloatArray:
    """Frames cut into squares of 64 px, bands not aligned. (T, 5, 64, 64)"""
    if not planes:
        return np.zeros((0, N_BANDS, CUTOUT_PIXELS, CUTOUT_PIXELS), np.float32)
    cut = []
    for band in BANDS:
        rows, columns = (length // CUTOUT_PIXELS for length in planes[band].shape)
        kept = planes[band][: rows * CUTOUT_PIXELS, : columns * CUTOUT_PIXELS]
        grid = kept.reshape(rows, CUTOUT_PIXELS, columns, CUTOUT_PIXELS).swapaxes(1, 2)
        cut.append(grid.reshape(-1, CUTOUT_PIXELS, CUTOUT_PIXELS))
    return np.stack(cut, axis=1)


def _sky_rows(mock: FloatArray, tiles: FloatArray, stamps: FloatArray) -> Iterator[PixelRow]:
    """Noise, skewness, correlation of neighbours and level of sky pixels."""
    units = {
        "sky noise": "nmgy",
        "sky level": "σ",
        "skewness": "",
        "correlation in x": "",
        "correlation in y": "",
    }
    of_sets = [_sky_statistics(images) for images in (mock, tiles, stamps)]
    for quantity, unit in units.items():
        for column, band in enumerate(BANDS):
            values = [statistics[quantity][:, column] for statistics in of_sets]
            yield _row(quantity, band, unit, values)


def _sky_statistics(images: FloatArray) -> dict[str, FloatArray]:
    """Statistics (N, 5) of each image's border of 12 px (stamps are padded by 6 of them: left out)."""
    names = ("sky noise", "sky level", "skewness", "correlation in x", "correlation in y")
    rows = [[_plane_statistics(plane) for plane in image] for image in images]
    values = np.array(rows, float).reshape(len(images), N_BANDS, len(names))
    return {name: values[..., column] for column, name in enumerate(names)}


def _plane_statistics(plane: FloatArray) -> tuple[float, ...]:
    sky = _sky_mask(plane.shape)
    level, sigma = _clipped(plane[sky])
    scaled = (plane - level) / sigma
    good = sky & (np.abs(scaled) < _CLIP_SIGMA)
    return (
        sigma,
        level / sigma,
        float(np.mean(scaled[good] ** 3)),
        _correlation(scaled[:, 1:] * scaled[:, :-1], good[:, 1:] & good[:, :-1]),
        _correlation(scaled[1:] * scaled[:-1], good[1:] & good[:-1]),
    )


def _sky_mask(shape: tuple[int, ...]) -> BoolArray:
    """Border of the middle 51 px, which real stamps have as well."""
    mask = np.zeros(shape, bool)
    edge = (CUTOUT_PIXELS - 51) // 2 + 1
    mask[edge:-edge, edge:-edge] = True
    mask[edge + _BORDER_PX : -edge - _BORDER_PX, edge + _BORDER_PX : -edge - _BORDER_PX] = False
    return mask


def _clipped(values: FloatArray) -> tuple[float, float]:
    level, sigma = float(np.median(values)), float(1.4826 * np.median(np.abs(values - np.median(values))))
    for _ in range(3):
        kept = values[np.abs(values - level) < 3 * sigma]
        level, sigma = float(np.median(kept)), float(1.4826 * np.median(np.abs(kept - np.median(kept))))
    return level, max(sigma, 1e-9)


def _correlation(products: FloatArray, good: BoolArray) -> float:
    return float(products[good].mean())


def _psf_rows(stars: FloatArray, seed: int) -> Iterator[PixelRow]:
    """Adaptive widths of PSFs drawn for the simulation and of real stars in several runs."""
    drawn = draw_seeing(np.random.default_rng(seed), _SEEINGS)
    for column, band in enumerate(BANDS):
        mock = adaptive_fwhm_px(_psf_images(drawn, column)) * PIXEL_SCALE_ARCSEC
        real = _star_widths_arcsec(stars[:, column])
        yield _row("PSF width", band, "arcsec", [mock, np.array([]), real])


def _star_widths_arcsec(stars: FloatArray) -> FloatArray:
    """Adaptive widths, less those of exposures with a saturated or failed star, which are far too wide."""
    if not len(stars):
        return np.zeros(0)
    width = adaptive_fwhm_px(stars - np.median(stars, axis=(1, 2), keepdims=True)) * PIXEL_SCALE_ARCSEC
    return width[width < _WIDEST_PSF_ARCSEC]


def _psf_images(seeing: Seeing, band: int) -> FloatArray:
    axis = np.arange(CUTOUT_PIXELS) - (CUTOUT_PIXELS - 1) / 2
    covariance = seeing.covariances()[:, band, :, :, None, None]
    xx, yy, xy = covariance[:, :, 0], covariance[:, :, 1], covariance[:, :, 2]
    x, y = axis[None, :], axis[:, None]
    determinant = xx * yy - xy**2
    light = np.exp(-0.5 * (yy * x**2 + xx * y**2 - 2 * xy * x * y) / determinant) / np.sqrt(determinant)
    images: FloatArray = (seeing.shares[:, :, None, None] * light).sum(axis=1) / (2 * np.pi)
    return images


def _shape_rows(mock: FloatArray, real: RealImages) -> Iterator[PixelRow]:
    """Sizes, concentrations, axis ratios in r and neighbours, of galaxies at r < 17.8 within 7"."""
    bright, of_real = (images[_r_mag(images) < 17.8] for images in (mock, real.galaxies))
    simulated, observed = (_shapes(images) for images in (bright, of_real))
    units = {"R50": "arcsec", "R90/R50": "", "axis ratio": "", "neighbours": "a cutout"}
    for quantity, unit in units.items():
        yield _row(quantity, "r", unit, [simulated[quantity], np.array([]), observed[quantity]])


def _shapes(images: FloatArray) -> dict[str, FloatArray]:
    radii = light_radii_arcsec(images)
    return {
        "R50": radii[:, 0],
        "R90/R50": radii[:, 1] / np.maximum(radii[:, 0], 0.1),
        "axis ratio": axis_ratio(images[:, BANDS.index("r")]),
        "neighbours": np.array([_neighbours(image[BANDS.index("r")]) for image in images], float),
    }


def _neighbours(plane: FloatArray) -> int:
    """Peaks above 5 σ more than 6" from the middle, within the middle 51 px."""
    distance = np.abs(find_peaks(plane) - (CUTOUT_PIXELS - 1) / 2)
    far = np.hypot(*distance.T) > _FAR_ARCSEC / PIXEL_SCALE_ARCSEC
    return int((far & (distance.max(axis=1, initial=0) < 25)).sum())


def _r_mag(images: FloatArray) -> FloatArray:
    flux = aperture_nmgy(images, radii_arcsec=(7.0,))[:, BANDS.index("r"), 0]
    return np.nan_to_num(magnitude(flux), nan=99.0)


def _row(quantity: str, band: str, unit: str, values: list[FloatArray]) -> PixelRow:
    mock, frames, stamps = (_percentiles(part) for part in values)
    if mock is None:
        mock = (float("nan"),) * 3
    return PixelRow(quantity, band, unit, mock, frames, stamps)


def _percentiles(values: FloatArray) -> tuple[float, float, float] | None:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    low, middle, high = (float(value) for value in np.percentile(finite, [16, 50, 84]))
    return low, middle, high
