"""Real images to hold the simulated ones against: stamps, and galaxies found on corrected frames."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import scipy.ndimage
from astropy.io import fits

from fiberless.arrays import FloatArray, IntArray
from fiberless.astro.bands import BANDS, magnitude
from fiberless.datasets.mock_report.shapes import adaptive_fwhm_px
from fiberless.errors import FiberlessError
from fiberless.images.apertures import aperture_nmgy, sky_sigma_nmgy
from fiberless.images.cutout import CUTOUT_PIXELS
from fiberless.images.fits.pixels import pad_with_noise
from fiberless.images.fits.wcs import astropy_wcs
from fiberless.sources.sdss.cut import cut_frames
from fiberless.sources.sdss.frames import find_fields, read_frame

__all__ = ["RealImages", "find_peaks", "frame_planes", "read_real_images"]

_STAMP_NAME: Final = re.compile(r"stamp-r-(.+)\.fits")
_SMOOTHING_PX: Final = 1.3
_EDGE_PX: Final = 48
_EXTENDED: Final = 1.25
"""Least width of a galaxy over the stars' median."""
_BRIGHT_STAR: Final = 19.0
_HALO_SIGMA: Final = 0.5
_SATURATED: Final = 15.5
"""Brighter point sources saturate, and look extended."""


@dataclass(frozen=True, eq=False)
class RealImages:
    """Cutouts (N, 5, 64, 64) nanomaggies by kind, with names."""

    galaxies: FloatArray
    galaxy_names: tuple[str, ...]
    star_stamps: FloatArray


def read_real_images(folder: Path, *, faintest_r: float) -> RealImages:
    """Galaxies of `stamps/` and `frames/` and stars of `stars/` below a folder; missing ones are left out.

    Parameters
    ----------
    folder : with `stamps/`, `frames/` and `stars/`
    faintest_r : faintest galaxy taken from frames, magnitude in 7"

    """
    named = {**_read_stamps(folder / "stamps"), **_cut_galaxies(folder / "frames", faintest_r)}
    stars = list(_read_exposures(folder / "stars"))
    return RealImages(
        galaxies=_stacked(list(named.values())),
        galaxy_names=tuple(named),
        star_stamps=_stacked(stars),
    )


def frame_planes(folder: Path) -> dict[str, FloatArray]:
    """Images of the first field of a folder by band, (H, W) nanomaggies; empty if there is none."""
    fields = find_fields(folder) if folder.exists() else []
    if not fields:
        return {}
    return {band: np.asarray(fits.getdata(fields[0].frames[band]), np.float32) for band in BANDS}


def find_peaks(image: FloatArray, *, threshold_sigma: float = 5.0) -> IntArray:
    """Peaks of an image smoothed with a Gaussian of σ = 1.3 px, above a multiple of the smooth image's noise.

    Returns
    -------
    (M, 2) rows and columns

    """
    smooth = scipy.ndimage.gaussian_filter(image, _SMOOTHING_PX)
    noise = 1.4826 * np.median(np.abs(smooth - np.median(smooth)))
    highest = smooth == scipy.ndimage.maximum_filter(smooth, size=7)
    return np.argwhere(highest & (smooth > np.median(smooth) + threshold_sigma * noise))


def _read_stamps(folder: Path) -> dict[str, FloatArray]:
    names = sorted(match[1] for path in folder.glob("stamp-r-*") if (match := _STAMP_NAME.match(path.name)))
    return {
        name: _padded([np.asarray(fits.getdata(folder / f"stamp-{b}-{name}.fits"), float) for b in BANDS])
        for name in names
    }


def _read_exposures(folder: Path) -> list[FloatArray]:
    """Every run of every star that shows it in all five bands, (5, 64, 64)."""
    found: list[FloatArray] = []
    for path in sorted(folder.glob("stamp-r-*")):
        name = path.name.removeprefix("stamp-r-")
        runs: list[dict[tuple[object, object], FloatArray]] = []
        for band in BANDS:
            with fits.open(folder / f"stamp-{band}-{name}") as hdus:
                images = list(hdus)[::2]
                runs.append({(h.header.get("RUN"), h.header.get("FIELD")): np.array(h.data) for h in images})
        whole = [key for key in runs[0] if all(key in run for run in runs)]
        found.extend(_padded([run[key].astype(float) for run in runs]) for key in whole)
    return found


def _cut_galaxies(folder: Path, faintest_r: float) -> dict[str, FloatArray]:
    planes = frame_planes(folder)
    if not planes:
        return {}
    image = planes["r"]
    peaks = [p for p in find_peaks(image, threshold_sigma=30) if _inside(p, image.shape)]
    stamps = np.stack([_square(image, peak) for peak in peaks])
    width = adaptive_fwhm_px(stamps)
    flux = aperture_nmgy(np.repeat(stamps[:, None], len(BANDS), axis=1), radii_arcsec=(7.0,))[:, 2, 0]
    r_mag = np.nan_to_num(magnitude(flux), nan=99.0)
    stellar = np.median(width[(r_mag < _BRIGHT_STAR) & (width < np.quantile(width, 0.5))])
    chosen = np.flatnonzero((r_mag > _SATURATED) & (r_mag < faintest_r) & (width > _EXTENDED * stellar))
    frame = read_frame(find_fields(folder)[0].frames["r"])
    found: dict[str, FloatArray] = {}
    for row in _isolated(np.array(peaks)[chosen], r_mag[chosen]):
        y, x = np.array(peaks)[chosen][row]
        position = astropy_wcs(frame.wcs).pixel_to_world(x, y)
        try:
            cutout = cut_frames(folder, position.ra.deg, position.dec.deg)
        except FiberlessError:  # beyond the edge of another band's frame
            continue
        if _under_a_halo(cutout.flux_nmgy):
            continue
        found[f"frame-{position.ra.deg:.4f}{position.dec.deg:+.4f}"] = np.asarray(cutout.flux_nmgy)
    return found


def _isolated(peaks: IntArray, r_mag: FloatArray) -> list[int]:
    """Of peaks within 6" of each other, the brightest alone."""
    kept: list[int] = []
    for row in np.argsort(r_mag):
        if all(np.hypot(*(peaks[row] - peaks[other])) > 15 for other in kept):
            kept.append(int(row))
    return kept


def _under_a_halo(flux_nmgy: FloatArray) -> bool:
    """Whether the sky around a cutout is raised by half its noise in r: a bright star is near."""
    plane = flux_nmgy[BANDS.index("r")]
    border = np.concatenate([plane[:6].ravel(), plane[-6:].ravel()])
    return bool(np.median(border) > _HALO_SIGMA * sky_sigma_nmgy(flux_nmgy[None])[0, BANDS.index("r")])


def _inside(peak: IntArray, shape: Sequence[int]) -> bool:
    return bool(_EDGE_PX <= peak[0] < shape[0] - _EDGE_PX and _EDGE_PX <= peak[1] < shape[1] - _EDGE_PX)


def _square(image: FloatArray, peak: IntArray) -> FloatArray:
    half = CUTOUT_PIXELS // 2
    return image[peak[0] - half + 1 : peak[0] + half + 1, peak[1] - half + 1 : peak[1] + half + 1]


def _padded(planes: list[FloatArray]) -> FloatArray:
    """Five square planes in the middle of (5, 64, 64), the rest noise of their sky."""
    side = planes[0].shape[0]
    start = (CUTOUT_PIXELS - 1) // 2 - (side - 1) // 2
    flux = np.zeros((len(BANDS), CUTOUT_PIXELS, CUTOUT_PIXELS))
    missing = np.ones(flux.shape, bool)
    window = slice(start, start + side)
    flux[:, window, window] = planes
    missing[:, window, window] = False
    return pad_with_noise(flux, missing)


def _stacked(images: list[FloatArray]) -> FloatArray:
    shape = (0, len(BANDS), CUTOUT_PIXELS, CUTOUT_PIXELS)
    return np.stack(images) if images else np.zeros(shape)
