"""What single pixels say of an image: numbers that artefacts raise and galaxies of any kind do not.

Every statistic is large where something is wrong.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.ndimage import maximum_filter, uniform_filter
from scipy.sparse import csr_array

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.astro.bands import BANDS
from fiberless.images.apertures import REFERENCE_SIGMA_NMGY, centres_px, sky_sigma_nmgy
from fiberless.images.cutout import CUTOUT_PIXELS

__all__ = ["PIXEL_STATISTICS", "pixel_statistics"]

_SIDE: Final = CUTOUT_PIXELS
_R_BAND: Final = BANDS.index("r")
_GRI: Final = slice(1, 4)
_RI: Final = slice(2, 4)
_NMGY_PER_ELECTRON: Final = np.array([0.0055, 0.00097, 0.0010, 0.00114, 0.0053], np.float32)
"""Calibration over gain of SDSS frames, medians over runs: the photon noise of a source."""
_SIGMA_FLOOR: Final = 0.02  # of the reference noise: a border of zeros has none
_CHUNK: Final = 32  # galaxies whose maps stay in the cache
_CORNER_PX: Final = 8
_NOISE_CORNER_PX: Final = 14
_RING_PX: Final = 6
_LAG_PX: Final = 4
_NEIGHBOUR_BANDS: Final = ((1,), (0, 2), (1, 3), (2, 4), (3,))
_STEEPEST_RATIO: Final = np.array([1.6, 1.6, 1.6, 1.6, 4.0], np.float32)
"""Flux of a band over the brighter of its neighbours that no source exceeds: 0.5 mag, in z over i 1.5 mag."""
_FAINTEST_RATIO: Final = np.array([0.03, 0.10, 0.30, 0.40, 0.40], np.float32)
"""Flux of a band over the fainter of its neighbours that every galaxy exceeds: u − g < 3.8, g − r < 2.5, …"""
_MODEL_ERROR: Final = 0.05  # of the flux: PSFs differ from band to band
_SPIKE_RATIO: Final = 3.0  # pixel over the mean of its eight neighbours, reached by PSFs of 0.8" only
_FLAT_PIXELS: Final = 9
_FLAT_MIN_SNR: Final = 25.0
_FLAT_FIELD: Final = 0.01
_WINDOW_PX: Final = 3.0
_WIDE_WINDOW_PX: Final = 4.0
_MIN_SNR: Final = 3.0
_COMPANION_BOX_PX: Final = 7
_COMPANION_PX: Final = (5.0, 12.8)
_PEAK_PX: Final = 5
_LINE_ANGLES: Final = 24
_LINE_MIN_PX: Final = 40
_LINE_CLIP: Final = 3.0


@dataclass(frozen=True, eq=False)
class _Scene:
    """Maps of B images, each (B, 5, 64, 64) float32: flux, its variance, both smoothed over 3×3 px."""

    flux: FloatArray
    sigma: FloatArray
    variance: FloatArray
    smooth: FloatArray
    smooth_variance: FloatArray

    @classmethod
    def of(cls, flux: FloatArray) -> "_Scene":
        floor = _SIGMA_FLOOR * REFERENCE_SIGMA_NMGY
        sigma = np.maximum(sky_sigma_nmgy(flux), floor).astype(np.float32)
        source = np.maximum(flux, 0) * _NMGY_PER_ELECTRON[:, None, None]
        variance = sigma[..., None, None] ** 2 + source
        return cls(flux, sigma, variance, _box(flux, 3), _box(variance, 3) / 9)


def pixel_statistics(flux_nmgy: FloatArray) -> FloatArray:
    """Measure B images, each for itself.

    Parameters
    ----------
    flux_nmgy : (B, 5, 64, 64) nanomaggies per pixel

    Returns
    -------
    (B, S) float32, columns `PIXEL_STATISTICS`

    """
    rows = []
    for start in range(0, len(flux_nmgy), _CHUNK):
        scene = _Scene.of(np.asarray(flux_nmgy[start : start + _CHUNK], dtype=np.float32))
        rows.append(np.concatenate([_noise(scene), *(f(scene)[:, None] for f in _MEASURES.values())], axis=1))
    statistics: FloatArray = np.concatenate(rows).astype(np.float32)
    return statistics


def _noise(scene: _Scene) -> FloatArray:
    """Lg of the noise in the quietest corner over that of SDSS, u to z. (B, 5)

    From differences of pixels four apart, which neither gradients nor resampling change much.
    """
    size = scene.flux.shape[:2]
    away = [
        np.abs(corner[..., _LAG_PX:] - corner[..., :-_LAG_PX]).reshape(*size, -1)
        for corner in _corners(scene.flux, _NOISE_CORNER_PX)
    ]
    sigma = 1.4826 / np.sqrt(2) * np.median(away, axis=-1).min(axis=0)
    log_ratio: FloatArray = np.log10(np.maximum(sigma / REFERENCE_SIGMA_NMGY, _SIGMA_FLOOR))
    return log_ratio


def _sky(scene: _Scene) -> FloatArray:
    """Mean of the corner nearest to zero, in σ, of the worst band."""
    corners = [corner.mean(axis=(-2, -1)) for corner in _corners(scene.flux, _CORNER_PX)]
    level: FloatArray = (np.abs(corners).min(axis=0) / scene.sigma).max(axis=1)
    return level


def _corners(flux: FloatArray, side: int) -> list[FloatArray]:
    low, high = slice(None, side), slice(-side, None)
    return [flux[..., y, x] for y in (low, high) for x in (low, high)]


def _correlated(scene: _Scene) -> FloatArray:
    """Share of the noise that neighbouring pixels of the border have in common, median of the bands."""
    limit = 5 * scene.sigma[..., None, None]
    rows = np.concatenate([scene.flux[..., :_RING_PX, :], scene.flux[..., -_RING_PX:, :]], axis=-2)
    near = np.minimum(np.abs(rows[..., 1:] - rows[..., :-1]), limit).mean(axis=(-2, -1))
    far = np.minimum(np.abs(rows[..., _LAG_PX:] - rows[..., :-_LAG_PX]), limit).mean(axis=(-2, -1))
    shared: FloatArray = np.median(1 - near / np.maximum(far, 1e-12), axis=1)
    return shared


def _constant(scene: _Scene) -> FloatArray:
    """Largest share over the bands of 2×2 pixels of one value."""
    along, across = np.diff(scene.flux, axis=-1) == 0, np.diff(scene.flux, axis=-2) == 0
    blocks: BoolArray = along[..., 1:, :] & along[..., :-1, :] & across[..., 1:]
    return np.asarray(blocks.mean(axis=(-2, -1)).max(axis=1))


def _lone_light(scene: _Scene) -> FloatArray:
    """Significance (B, 5, 64, 64) of light in one band beyond what a source seen in its neighbours allows."""
    lone = np.empty_like(scene.flux)
    for band, others in enumerate(_NEIGHBOUR_BANDS):
        ratio = _STEEPEST_RATIO[band]
        seen = scene.smooth[:, others].max(axis=1)
        variance = scene.smooth_variance[:, band] + ratio**2 * scene.smooth_variance[:, others].max(axis=1)
        variance += (_MODEL_ERROR * scene.smooth[:, band]) ** 2
        lone[:, band] = (scene.smooth[:, band] - ratio * np.maximum(seen, 0)) / np.sqrt(variance)
    return lone


def _lone_source(scene: _Scene) -> FloatArray:
    """Brightest such place."""
    return np.asarray(_lone_light(scene).max(axis=(1, 2, 3)))


def _lone_line(scene: _Scene) -> FloatArray:
    """Straightest such light: mean along a line across the image, times the root of its length."""
    clipped = np.clip(_lone_light(scene), -_LINE_CLIP, _LINE_CLIP)
    sums = _lines() @ clipped.reshape(-1, _SIDE**2).T
    return np.asarray(sums.reshape(-1, len(scene.flux), len(BANDS)).max(axis=(0, 2)))


def _dark_band(scene: _Scene) -> FloatArray:
    """Significance of the light that a band lacks in the middle, given the fainter of its neighbours."""
    window = _window()
    light = np.einsum("bcyx,yx->bc", scene.flux, window)
    variance = np.einsum("bcyx,yx->bc", scene.variance, window**2)
    lacking = np.empty_like(light)
    for band, others in enumerate(_NEIGHBOUR_BANDS):
        least = _FAINTEST_RATIO[band] * light[:, others].min(axis=1)
        error = np.sqrt(variance[:, band] + _FAINTEST_RATIO[band] ** 2 * variance[:, others].max(axis=1))
        lacking[:, band] = (least - light[:, band]) / error
    return np.asarray(lacking.max(axis=1))


def _hole(scene: _Scene) -> FloatArray:
    """Most negative 3×3 px, in σ."""
    return np.asarray(-(scene.smooth / np.sqrt(scene.smooth_variance)).min(axis=(1, 2, 3)))


def _spike(scene: _Scene) -> FloatArray:
    """Most significant pixel that is sharper than any PSF."""
    around = (9 * scene.smooth - scene.flux) / 8
    around_variance = (81 * scene.smooth_variance - scene.variance) / 64
    excess = scene.flux - _SPIKE_RATIO * around
    return np.asarray(
        (excess / np.sqrt(scene.variance + _SPIKE_RATIO**2 * around_variance)).max(axis=(1, 2, 3))
    )


def _flat(scene: _Scene) -> FloatArray:
    """How alike the nine brightest pixels are, given their noise, in the worst band with a bright peak."""
    pixels = scene.flux.reshape(*scene.flux.shape[:2], -1)
    top = np.partition(pixels, -_FLAT_PIXELS, axis=-1)[..., -_FLAT_PIXELS:]
    peak = np.maximum(top.max(axis=-1), 1e-9)
    snr = peak / np.sqrt(scene.sigma**2 + peak * _NMGY_PER_ELECTRON)
    spread = (1 - top.min(axis=-1) / peak) / np.hypot(2 / snr, _FLAT_FIELD)
    return np.asarray(-np.where(snr > _FLAT_MIN_SNR, spread, np.inf).min(axis=1).clip(0, 100))


def _displaced(scene: _Scene) -> FloatArray:
    """Distance of the worst band's centroid from r's, over its expected error."""
    centre = centres_px(scene.flux)
    y, x = (np.arange(_SIDE) - centre[:, axis, None] for axis in (0, 1))
    window = np.exp(-(y[:, :, None] ** 2 + x[:, None, :] ** 2) / (2 * _WINDOW_PX**2)).astype(np.float32)
    weighted = window[:, None] * scene.flux
    error = np.sqrt(np.einsum("byx,bcyx->bc", window**2, scene.variance))
    light = np.maximum(weighted.sum(axis=(-2, -1)), _MIN_SNR * error)
    offset = [
        2 * np.einsum(f"bcyx,b{axis}->bc", weighted, place) / light for axis, place in (("y", y), ("x", x))
    ]
    away = np.hypot(*(moment - moment[:, _R_BAND, None] for moment in offset))
    expected = np.hypot(0.25, 1.5 * np.sqrt(2) * _WINDOW_PX * error / light)
    return np.asarray((away / expected).max(axis=1))


def _central_light(scene: _Scene) -> tuple[FloatArray, FloatArray]:
    """S/N of g + r + i in a Gaussian window about the middle, and the offset (B,) of its light in px."""
    window = _window()
    axis = np.arange(_SIDE) - (_SIDE - 1) / 2
    stack = (scene.flux[:, _GRI] / scene.sigma[:, _GRI, None, None]).sum(axis=1) * window
    noise = np.sqrt(3 * np.sum(window**2))
    light = stack.sum(axis=(1, 2))
    moments = np.hypot(*(np.einsum("bp,p->b", stack.sum(axis=side), axis) for side in (1, 2)))
    return light / noise, 2 * moments / np.maximum(light, _MIN_SNR * noise)


@cache
def _window() -> FloatArray:
    """Gaussian (64, 64) about the middle, 1 there."""
    axis = np.arange(_SIDE) - (_SIDE - 1) / 2
    profile = np.exp(-(axis**2) / (2 * _WIDE_WINDOW_PX**2)).astype(np.float32)
    return np.asarray(profile[:, None] * profile)


def _off_centre(scene: _Scene) -> FloatArray:
    return _central_light(scene)[1]


def _empty(scene: _Scene) -> FloatArray:
    """Minus the central light's S/N."""
    return -_central_light(scene)[0]


def _companion(scene: _Scene) -> FloatArray:
    """Flux of the brightest second peak 2–5.1" from the centre over the central one's, in r + i.

    Flux is that in 2.8" squares; the second one's is counted above the point opposite of the centre, so
    that a galaxy's own disk does not count.
    """
    stack = scene.flux[:, _RI].sum(axis=1)
    smooth = scene.smooth[:, _RI].sum(axis=1)
    is_peak = smooth >= maximum_filter(smooth, size=(1, _PEAK_PX, _PEAK_PX))
    twice = np.rint(2 * centres_px(scene.flux)).astype(int)
    turned = np.stack([_half_turn(image, point) for image, point in zip(stack, twice, strict=True)])
    side = _COMPANION_BOX_PX
    excess, light = _box((stack - turned)[:, None], side)[:, 0], _box(stack[:, None], side)[:, 0]
    y, x = (np.arange(_SIDE) - twice[:, axis, None] / 2 for axis in (0, 1))
    radius = np.hypot(y[:, :, None], x[:, None, :])
    counts = is_peak & (radius > _COMPANION_PX[0]) & (radius < _COMPANION_PX[1])
    middle = light[np.arange(len(light)), twice[:, 0] // 2, twice[:, 1] // 2]
    noise = np.sqrt((scene.sigma[:, _RI] ** 2).sum(axis=1)) / side
    return np.asarray(np.where(counts, excess, 0).max(axis=(1, 2)) / np.maximum(middle, 10 * noise))


def _half_turn(image: FloatArray, twice_centre: FloatArray) -> FloatArray:
    """Image (64, 64) turned by 180° about a point given in half pixels; edges repeat."""
    rows, columns = (np.clip(point - np.arange(_SIDE), 0, _SIDE - 1) for point in twice_centre)
    turned: FloatArray = image[np.ix_(rows, columns)]
    return turned


@cache
def _lines() -> csr_array:
    """Matrix (L, 4096) of the straight lines across an image, each row scaled by 1/√(its pixels)."""
    axis = np.arange(_SIDE) - (_SIDE - 1) / 2
    rows: list[IntArray] = []
    columns: list[IntArray] = []
    values: list[FloatArray] = []
    for angle in np.arange(_LINE_ANGLES) * np.pi / _LINE_ANGLES:
        distance = np.rint(axis[:, None] * np.cos(angle) - axis[None, :] * np.sin(angle)).astype(int).ravel()
        for offset in np.unique(distance):
            pixels = np.flatnonzero(distance == offset)
            if pixels.size >= _LINE_MIN_PX:
                rows.append(np.full(pixels.size, len(rows)))
                columns.append(pixels)
                values.append(np.full(pixels.size, pixels.size**-0.5, np.float32))
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return csr_array(entries, shape=(len(rows), _SIDE**2))


def _box(maps: FloatArray, side: int) -> FloatArray:
    """Mean over side × side px of (B, C, 64, 64)."""
    return np.asarray(uniform_filter(maps, size=(1, 1, side, side), mode="nearest"))


_MEASURES: Final[Mapping[str, Callable[[_Scene], FloatArray]]] = MappingProxyType(
    {
        "sky": _sky,
        "correlated": _correlated,
        "constant": _constant,
        "lone_source": _lone_source,
        "lone_line": _lone_line,
        "dark_band": _dark_band,
        "hole": _hole,
        "spike": _spike,
        "flat": _flat,
        "displaced": _displaced,
        "off_centre": _off_centre,
        "empty": _empty,
        "companion": _companion,
    }
)

PIXEL_STATISTICS: Final = (*(f"noise_{band}" for band in BANDS), *_MEASURES)
"""Names of the columns of `pixel_statistics`."""
