"""A gallery of simulated and real galaxies, shuffled, in one stretch. Needs matplotlib (extra `plot`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.astro.bands import BANDS, magnitude
from fiberless.images.apertures import aperture_nmgy
from fiberless.images.cutout import Cutout
from fiberless.products.plot import lupton_rgb

__all__ = ["GalleryEntry", "draw_gallery", "pick_alike"]

_SHOWN_PX: Final = 51
"""Side of the real stamps; larger images are cut to it."""
_COLUMNS: Final = 6


@dataclass(frozen=True, eq=False)
class GalleryEntry:
    """One galaxy: what it is, and its image (5, 64, 64)."""

    name: str
    flux_nmgy: FloatArray


def pick_alike(mock: FloatArray, real: FloatArray) -> list[int]:
    """Rows of simulated images that are like the real ones in r and g−r within 4", each taken once.

    Without this a person could tell the two by brightness alone.

    Parameters
    ----------
    mock, real : (N, 5, 64, 64) and (M, 5, 64, 64) with N ≥ M

    """
    of_mock, of_real = _brightness_and_colour(mock), _brightness_and_colour(real)
    taken: list[int] = []
    for wanted in of_real:
        distance = np.hypot(*(of_mock - wanted).T)
        distance[taken] = np.inf
        taken.append(int(np.argmin(np.nan_to_num(distance, nan=np.inf))))
    return taken


def draw_gallery(entries: list[GalleryEntry], path: Path, *, seed: int) -> list[str]:
    """Write a PNG of all entries in random order, numbered.

    Returns
    -------
    list of str
        The key: names in the order of the numbers.

    """
    from matplotlib.figure import Figure  # noqa: PLC0415  # optional and slow to load

    order = np.random.default_rng(seed).permutation(len(entries))
    rows = -(-len(entries) // _COLUMNS)
    figure = Figure(figsize=(2 * _COLUMNS, 2.15 * rows), layout="constrained")
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for number, (axes, index) in enumerate(zip(panels, order, strict=False), start=1):
        axes.imshow(_colour_image(entries[index].flux_nmgy), origin="lower", interpolation="nearest")
        axes.set_title(str(number), fontsize=9, pad=2)
    figure.savefig(path, dpi=130)
    return [entries[index].name for index in order]


def _colour_image(flux_nmgy: FloatArray) -> FloatArray:
    start = (flux_nmgy.shape[-1] - 1) // 2 - (_SHOWN_PX - 1) // 2
    window = slice(start, start + _SHOWN_PX)
    image: FloatArray = lupton_rgb(Cutout(flux_nmgy[:, window, window]))
    return image


def _brightness_and_colour(images: FloatArray) -> FloatArray:
    """r and twice g−r within 4", mag. (N, 2)"""
    magnitudes = magnitude(aperture_nmgy(images, radii_arcsec=(4.0,))[..., 0])
    r_mag = magnitudes[:, BANDS.index("r")]
    return np.stack([r_mag, 2 * (magnitudes[:, BANDS.index("g")] - r_mag)], axis=1)
