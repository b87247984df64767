"""Pixels of an image: decoding, the central window, invalid values, padding with noise."""

import hashlib
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.bands import BANDS
from fiberless.errors import UsageError
from fiberless.images.apertures import sky_sigma_nmgy
from fiberless.images.cutout import CUTOUT_PIXELS
from fiberless.images.fits.cards import CardValue
from fiberless.images.fits.gate import RawHdu

__all__ = [
    "StoredArray",
    "central_start",
    "check_bands",
    "decode",
    "fill_invalid",
    "pad_with_noise",
    "stored_pixels",
]

StoredArray: TypeAlias = npt.NDArray[Any]
"""Pixels as they lie in the file: big-endian, unscaled."""

MAX_INVALID_SHARE: Final = 0.05
MAX_FLUX_NMGY: Final = 1e5
"""A pixel of r = 10: nothing brighter is a galaxy, or unsaturated."""
MIN_PEAK_NMGY: Final = 1e-5
"""Far below the noise of any SDSS pixel: a band that peaks here is not in nanomaggies."""

_DTYPES: Final = {-64: ">f8", -32: ">f4", 16: ">i2", 32: ">i4"}
_SCALE_RANGE: Final = (1e-20, 1e20)


def stored_pixels(hdu: RawHdu) -> StoredArray:
    """View the stored values of an image, slowest axis first.

    Raises
    ------
    UsageError
        `fits-bitpix` if the type is not one that holds fluxes.

    """
    if hdu.bitpix not in _DTYPES:
        raise UsageError("fits-bitpix", f"BITPIX = {hdu.bitpix}; images have -64, -32, 16 or 32")
    return np.frombuffer(hdu.data, dtype=_DTYPES[hdu.bitpix]).reshape(hdu.shape)


def decode(stored: StoredArray, hdu: RawHdu) -> FloatArray:
    """Physical values, float64, of stored ones: BZERO + BSCALE × stored, BLANK as NaN.

    Raises
    ------
    UsageError
        `fits-scaling` if BSCALE or BZERO is not a number, is 0 or is absurd.

    """
    scale, zero = _scaling(hdu, "BSCALE", 1.0), _scaling(hdu, "BZERO", 0.0)
    with np.errstate(all="ignore"):
        values = stored.astype(np.float64) * scale + zero
    blank: CardValue | None = hdu.header.get("BLANK")
    if hdu.bitpix > 0 and isinstance(blank, int):
        values[stored == blank] = np.nan
    return values


def central_start(length: int) -> int:
    """First index of the central window of 64 on an axis; negative where the axis is shorter.

    The central pixel of an odd axis lands on pixel 31, the middle of an even axis between 31 and 32.
    """
    return (length - (CUTOUT_PIXELS - 1)) // 2


def check_bands(flux_nmgy: FloatArray) -> None:
    """Refuse pixels that cannot be a galaxy's.

    Parameters
    ----------
    flux_nmgy : (5, h, w) float64, NaN where invalid

    Raises
    ------
    UsageError
        `no-valid-pixels`, `invalid-pixels`, `flux-out-of-range` or `empty-band`.

    """
    for band, pixels in zip(BANDS, flux_nmgy, strict=True):
        invalid = np.isnan(pixels)
        if invalid.all():
            raise UsageError("no-valid-pixels", f"every pixel of {band} is NaN")
        if np.isinf(pixels).any():
            raise UsageError("invalid-pixels", f"{band} has infinite pixels")
        if invalid.mean() > MAX_INVALID_SHARE:
            raise UsageError("invalid-pixels", f"{invalid.mean():.1%} of {band} are NaN; at most 5 % may be")
        _check_range(band, pixels[~invalid])


def fill_invalid(flux_nmgy: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Replace NaN by the median of the nearest valid pixels of the same band.

    Parameters
    ----------
    flux_nmgy : (5, h, w), at least one valid pixel a band

    Returns
    -------
    (flux, mask) : (5, h, w) each; mask is True where there was NaN

    """
    mask = np.isnan(flux_nmgy)
    filled = flux_nmgy.copy()
    for band, y, x in np.argwhere(mask):
        filled[band, y, x] = _neighbour_median(flux_nmgy[band], y, x)
    return filled, mask


def pad_with_noise(flux_nmgy: FloatArray, missing: BoolArray) -> FloatArray:
    """Fill missing sky with Gaussian noise of each band's own sky.

    Zeros would tell the image encoder where the frame ends. The noise is a function of the pixels: the same
    image is always padded alike.

    Parameters
    ----------
    flux_nmgy : (5, 64, 64) float64; values under `missing` are ignored
    missing : (5, 64, 64) bool

    Returns
    -------
    (5, 64, 64) float64

    """
    if not missing.any():
        return flux_nmgy
    known = np.where(missing, 0.0, flux_nmgy)
    digest = hashlib.sha256(known.astype("<f4").tobytes()).digest()
    noise = np.random.default_rng(int.from_bytes(digest)).standard_normal(known.shape)
    return np.where(missing, noise * _known_sky_sigma(known, missing)[:, None, None], known)


def _known_sky_sigma(flux_nmgy: FloatArray, missing: BoolArray) -> FloatArray:
    """Sky noise (5,) from the border of the largest box that is known in all bands."""
    known: BoolArray = ~np.any(missing, axis=0)
    rows, columns = np.flatnonzero(known.any(axis=1)), np.flatnonzero(known.any(axis=0))
    box = flux_nmgy[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    sigma: FloatArray = sky_sigma_nmgy(box[None])[0]
    return sigma


def _check_range(band: str, pixels: FloatArray) -> None:
    low, high = float(pixels.min()), float(pixels.max())
    if max(-low, high) > MAX_FLUX_NMGY:
        raise UsageError("flux-out-of-range", f"{band} reaches {max(-low, high):.3g} nanomaggies in a pixel")
    if low == high:
        raise UsageError("empty-band", f"all pixels of {band} are {low:g}")
    if high <= 0:
        raise UsageError("empty-band", f"no pixel of {band} is positive")
    if high < MIN_PEAK_NMGY:
        raise UsageError(
            "flux-out-of-range", f"{band} peaks at {high:.3g}: is it in maggies, not nanomaggies?"
        )


def _scaling(hdu: RawHdu, keyword: str, default: float) -> float:
    value = hdu.header.get(keyword, default)
    low, high = _SCALE_RANGE
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= high:
        raise UsageError("fits-scaling", f"{keyword} = {value!r}")
    if keyword == "BSCALE" and abs(value) < low:
        raise UsageError("fits-scaling", f"{keyword} = {value!r}")
    return float(value)


def _neighbour_median(image: FloatArray, y: int, x: int) -> float:
    """Median of the valid pixels in the smallest square around a pixel that holds three."""
    for reach in range(1, max(image.shape)):
        window = image[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        valid = window[~np.isnan(window)]
        if valid.size >= 3:
            break
    return float(np.median(valid))
