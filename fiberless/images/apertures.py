"""Aperture photometry of five-band images: centres, circular fluxes, sky noise, the conditioning vector.

Simulator, model and evaluation share these definitions.
"""

from itertools import pairwise
from typing import Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.astro.bands import BANDS, PIXEL_SCALE_ARCSEC

__all__ = [
    "PHOTOMETRY_NAMES",
    "RADII_ARCSEC",
    "REFERENCE_SIGMA_NMGY",
    "aperture_nmgy",
    "asinh_magnitude",
    "centres_px",
    "photometry",
    "sky_sigma_nmgy",
]

RADII_ARCSEC: Final = (0.8, 1.5, 2.5, 4.0, 7.0)
"""Aperture radii of the conditioning vector, arcsec."""

REFERENCE_SIGMA_NMGY: Final = np.array([0.050, 0.018, 0.028, 0.043, 0.165])
"""Typical sky noise of one SDSS pixel per band in nanomaggies.

Sky brightness, gain, dark variance and calibration of the survey (medians over runs) in quadrature; the
constant that makes asinh magnitudes comparable between images.
"""

PHOTOMETRY_NAMES: Final = (
    *(f"mag_{band}_{radius}" for band in BANDS for radius in RADII_ARCSEC),
    *(f"colour_{blue}-{red}_{radius}" for blue, red in pairwise(BANDS) for radius in RADII_ARCSEC),
    *(f"growth_r_{inner}-{outer}" for inner, outer in pairwise(RADII_ARCSEC)),
)
"""Names of the columns of `photometry`, radii in arcsec. (49,)"""

_R_BAND = BANDS.index("r")
_WINDOW_SIGMA_PX = 1.3
_MAX_SHIFT_PX = 1.5
_CENTRE_STEPS = 10
_SUBROWS = 10
_CHUNK = 64  # galaxies whose row sums stay in the cache
_RING_PX = 6
_CLIP_SIGMA = 3.0
_CLIP_ROUNDS = 3


def aperture_nmgy(flux_nmgy: FloatArray, *, radii_arcsec: tuple[float, ...] = RADII_ARCSEC) -> FloatArray:
    """Flux inside circles around the central object of each image.

    The circle's overlap with each pixel is exact along x and sampled ten times a pixel along y, then scaled
    to the circle's true area. One centre, found in r, serves all bands. Nothing is added for what lies
    outside the image.

    Parameters
    ----------
    flux_nmgy : (B, 5, H, W) sky-subtracted nanomaggies per pixel of 0.396 arcsec
    radii_arcsec : R radii, ascending or not

    Returns
    -------
    (B, 5, R) float64 nanomaggies

    """
    flux = np.asarray(flux_nmgy)
    galaxies, bands = flux.shape[:2]
    fluxes = np.empty((galaxies, bands, len(radii_arcsec)))
    for start in range(0, galaxies, _CHUNK):
        chunk = flux[start : start + _CHUNK]
        centres, sums = centres_px(chunk), _row_sums(chunk)
        for column, radius in enumerate(radii_arcsec):
            fluxes[start : start + _CHUNK, :, column] = _circle_sum(
                sums, centres, radius / PIXEL_SCALE_ARCSEC
            )
    return fluxes


def centres_px(flux_nmgy: FloatArray) -> FloatArray:
    """Centres of the central objects, from r.

    Windowed first moments (Bertin & Arnouts 1996; SExtractor's XWIN_IMAGE): a Gaussian window of 3 px full
    width follows the light from the middle of the image, ((H−1)/2, (W−1)/2), by at most 1.5 px.

    Parameters
    ----------
    flux_nmgy : (B, 5, H, W)

    Returns
    -------
    (B, 2) float64 : y, x in pixels, the centre of the first pixel being 0

    """
    height, width = np.shape(flux_nmgy)[-2:]
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    rows, columns = _central_slice(height), _central_slice(width)
    image = np.asarray(flux_nmgy)[:, _R_BAND, rows, columns].astype(np.float64)
    y = np.arange(height)[rows] - middle[0]
    x = np.arange(width)[columns] - middle[1]
    shift: FloatArray = np.zeros((image.shape[0], 2))
    for _ in range(_CENTRE_STEPS):
        shift = _limited(shift + 2 * _windowed_moment(image, y, x, shift))
    return middle + shift


def sky_sigma_nmgy(flux_nmgy: FloatArray) -> FloatArray:
    """Noise of the sky: clipped 1.48 MAD of the outermost 6 px of each image.

    Parameters
    ----------
    flux_nmgy : (B, 5, H, W), H and W ≥ 13

    Returns
    -------
    (B, 5) float64, nanomaggies per pixel

    """
    flux = np.asarray(flux_nmgy, dtype=np.float64)
    border = np.ones(flux.shape[-2:], dtype=bool)
    border[_RING_PX:-_RING_PX, _RING_PX:-_RING_PX] = False
    values = flux[..., border]
    sigma: FloatArray = np.zeros(flux.shape[:2])
    for _ in range(_CLIP_ROUNDS):
        away = np.abs(values - _median(values)[..., None])
        sigma = 1.4826 * _median(away)
        values = np.where(away > _CLIP_SIGMA * sigma[..., None], np.nan, values)
    return sigma


def asinh_magnitude(flux_nmgy: FloatArray, softening_nmgy: FloatArray) -> FloatArray:
    """Asinh magnitude (Lupton, Gunn & Szalay 1999, AJ 118, 1406, eq. 3), finite for every flux.

    Parameters
    ----------
    flux_nmgy, softening_nmgy : broadcastable arrays; far above the softening it is 22.5 − 2.5 lg flux

    """
    softening = np.asarray(softening_nmgy, dtype=np.float64)
    ln_flux = np.arcsinh(np.asarray(flux_nmgy) / (2 * softening)) + np.log(softening)
    magnitude: FloatArray = 22.5 - 2.5 / np.log(10) * ln_flux
    return magnitude


def photometry(flux_nmgy: FloatArray) -> FloatArray:
    """Conditioning vector: asinh magnitudes, colours of adjacent bands, growth steps in r.

    The softening of each magnitude is the sky noise of its aperture under `REFERENCE_SIGMA_NMGY`, the same
    for all images.

    Parameters
    ----------
    flux_nmgy : (B, 5, H, W)

    Returns
    -------
    (B, 49) float32, columns as in `PHOTOMETRY_NAMES`

    """
    radii_px = np.array(RADII_ARCSEC) / PIXEL_SCALE_ARCSEC
    softening = REFERENCE_SIGMA_NMGY[:, None] * np.sqrt(np.pi) * radii_px
    magnitudes = asinh_magnitude(aperture_nmgy(flux_nmgy), softening)
    colours = magnitudes[:, :-1] - magnitudes[:, 1:]
    growth = magnitudes[:, _R_BAND, :-1] - magnitudes[:, _R_BAND, 1:]
    rows = magnitudes.shape[0]
    columns = [magnitudes.reshape(rows, -1), colours.reshape(rows, -1), growth]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _central_slice(length: int) -> slice:
    reach = min(5, (length - 1) // 2)
    return slice((length - 1) // 2 - reach, length // 2 + reach + 1)


def _windowed_moment(image: FloatArray, y: FloatArray, x: FloatArray, shift: FloatArray) -> FloatArray:
    """Mean offset (B, 2) of the light under the window at `shift`; zero where there is no positive light."""
    offset_y, offset_x = y - shift[:, :1], x - shift[:, 1:]
    window_y = np.exp(-(offset_y**2) / (2 * _WINDOW_SIGMA_PX**2))
    window_x = np.exp(-(offset_x**2) / (2 * _WINDOW_SIGMA_PX**2))
    columns = np.einsum("byx,bx->by", image, window_x)
    light = np.einsum("by,by->b", columns, window_y)
    moment_y = np.einsum("by,by->b", columns, window_y * offset_y)
    moment_x = np.einsum("byx,bx,by->b", image, window_x * offset_x, window_y, optimize=True)
    bright = light > 0
    moments = np.stack([moment_y, moment_x], axis=1) / np.where(bright, light, 1.0)[:, None]
    return np.where(bright[:, None], moments, 0.0)


def _limited(shift: FloatArray) -> FloatArray:
    length: FloatArray = np.hypot(shift[:, 0], shift[:, 1])
    limited: FloatArray = shift * (_MAX_SHIFT_PX / np.maximum(length, _MAX_SHIFT_PX))[:, None]
    return limited


def _row_sums(flux_nmgy: FloatArray) -> FloatArray:
    """Cumulative sums along x, from 0, bands last: (B, C, H, W) to (B, H, W + 1, C)."""
    galaxies, bands, height, width = flux_nmgy.shape
    sums = np.zeros((galaxies, height, width + 1, bands))
    np.cumsum(np.moveaxis(flux_nmgy, 1, -1), axis=2, dtype=np.float64, out=sums[:, :, 1:])
    return sums


def _circle_sum(row_sums: FloatArray, centres: FloatArray, radius_px: float) -> FloatArray:
    """Flux (B, C) in a circle, from cumulative sums along x (B, H, W + 1, C)."""
    height = row_sums.shape[1]
    reach = radius_px + _MAX_SHIFT_PX + 1
    first = max(0, int(np.floor((height - 1) / 2 - reach)))
    last = min(height - 1, int(np.ceil((height - 1) / 2 + reach)))
    row = np.repeat(np.arange(first, last + 1), _SUBROWS)
    y = row - 0.5 + (np.arange(row.size) % _SUBROWS + 0.5) / _SUBROWS
    half_chord = np.sqrt(np.maximum(radius_px**2 - (y - centres[:, :1]) ** 2, 0.0))
    x = centres[:, 1:]
    chords = _row_integral(row_sums, row, x + half_chord) - _row_integral(row_sums, row, x - half_chord)
    total: FloatArray = chords.sum(axis=1) * (_area_factor(centres[:, 0], radius_px) / _SUBROWS)[:, None]
    return total


def _row_integral(row_sums: FloatArray, row: FloatArray, x: FloatArray) -> FloatArray:
    """Integrals (B, S, C) of the given rows from the left edge to x (B, S), each pixel being constant."""
    galaxies, height, edges, bands = row_sums.shape
    position = np.clip(x + 0.5, 0, edges - 1)
    left = np.minimum(position.astype(np.int64), edges - 2)
    index = (np.arange(galaxies)[:, None] * height + row) * edges + left
    flat = row_sums.reshape(-1, bands)
    integral: FloatArray = flat.take(index + 1, axis=0)
    below = flat.take(index, axis=0)
    integral -= below
    integral *= (position - left)[..., None]
    integral += below
    return integral


def _area_factor(centre_y: FloatArray, radius_px: float) -> FloatArray:
    """Ratio (B,) of the circle's true area to the area of its sampled chords."""
    steps = int(np.ceil((radius_px + 1) * _SUBROWS))
    start = np.floor((centre_y + 0.5) * _SUBROWS)
    index = start[:, None] + np.arange(-steps, steps + 1)
    y = (index + 0.5) / _SUBROWS - 0.5
    half_chord = np.sqrt(np.maximum(radius_px**2 - (y - centre_y[:, None]) ** 2, 0.0))
    factor: FloatArray = np.pi * radius_px**2 / (2 * half_chord.sum(axis=1) / _SUBROWS)
    return factor


def _median(values: FloatArray) -> FloatArray:
    """Median over the last axis of what is not NaN, by one sort."""
    ordered = np.sort(values, axis=-1)
    count = np.isfinite(values).sum(axis=-1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=-1)
    high = np.take_along_axis(ordered, np.maximum(count, 1) // 2, axis=-1)
    median: FloatArray = ((low + high) / 2)[..., 0]
    return median
