"""Corrected SDSS frames: which field of a folder shows a position, and its images with their coordinates."""

import bz2
import gzip
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from fiberless.astro.bands import BANDS
from fiberless.errors import FatalError, UsageError
from fiberless.images.cutout import TangentWcs
from fiberless.images.fits.cards import CardValue
from fiberless.images.fits.gate import Limits, RawHdu, first_header, walk_fits
from fiberless.images.fits.sky_grid import read_wcs
from fiberless.images.fits.wcs import pixel_position

__all__ = ["Field", "Frame", "edge_distance_px", "find_fields", "nearest_field", "read_frame"]

_FRAME_NAME = re.compile(r"frame-([ugriz])-(\d{6})-([1-6])-(\d{4})\.fits(?:\.bz2|\.gz)?")
_LIMITS: Final = Limits(file_bytes=48 * 2**20, inflated_bytes=48 * 2**20)
_HEADER_BYTES: Final = _LIMITS.header_blocks * 2880


@dataclass(frozen=True)
class Field:
    """One field of the survey: the paths of its five frames."""

    run: int
    camcol: int
    field: int
    frames: Mapping[str, Path]


@dataclass(frozen=True, eq=False)
class Frame:
    """One corrected frame: its image, (1489, 2048) nanomaggies, and where it lies."""

    image: RawHdu
    wcs: TangentWcs


def find_fields(folder: Path) -> list[Field]:
    """All fields of which a folder, or a folder below it, holds the five frames.

    Parameters
    ----------
    folder : with files `frame-<band>-<run>-<camcol>-<field>.fits`, plain, .bz2 or .gz

    """
    groups: dict[tuple[int, int, int], dict[str, Path]] = {}
    for path in sorted(folder.rglob("frame-*.fits*")):
        if match := _FRAME_NAME.fullmatch(path.name):
            band, *numbers = match.groups()
            run, camcol, field = map(int, numbers)
            groups.setdefault((run, camcol, field), {})[band] = path
    return [Field(*key, frames) for key, frames in groups.items() if set(frames) == set(BANDS)]


def nearest_field(folder: Path, ra_deg: float, dec_deg: float) -> Field:
    """Field that shows a position in all bands, as far from its edge in r as possible.

    Raises
    ------
    UsageError
        `outside-footprint` if no field shows it.
    FatalError
        `source-unavailable` if a frame cannot be read.

    """
    margins = [(edge_distance_px(field, ra_deg, dec_deg), field) for field in find_fields(folder)]
    inside = [(margin, field) for margin, field in margins if margin >= 0]
    if not inside:
        raise UsageError(
            "outside-footprint", f"no frame at hand shows ra = {ra_deg:.5f}, dec = {dec_deg:.5f}"
        )
    return max(inside, key=lambda pair: pair[0])[1]


def read_frame(path: Path) -> Frame:
    """Read a frame through the gate; the frames of the last field are kept (62 MB), for its next galaxy.

    Raises
    ------
    FatalError
        `source-unavailable` if the file is damaged or is no frame.

    """
    try:
        return _frame(path, path.stat().st_mtime_ns)
    except (OSError, EOFError, UsageError) as error:
        raise FatalError("source-unavailable", f"{path.name} cannot be read: {error}") from error


def edge_distance_px(field: Field, ra_deg: float, dec_deg: float) -> float:
    """Distance of a position to the nearest edge of any of the five frames, negative outside.

    Raises
    ------
    FatalError
        `source-unavailable` if a frame cannot be read.

    """
    distances = []
    for path in field.frames.values():
        wcs, width, height = _frame_outline(path, path.stat().st_mtime_ns)
        x, y = pixel_position(wcs, ra_deg, dec_deg)
        on_this_side = math.isfinite(x) and math.isfinite(y)
        distances.append(min(x, y, width - 1 - x, height - 1 - y) if on_this_side else -1.0)
    return min(distances)


@lru_cache(maxsize=len(BANDS))
def _frame(path: Path, _modified: int) -> Frame:
    image = walk_fits(_read(path, _LIMITS.inflated_bytes + 1), limits=_LIMITS)[0]
    wcs = read_wcs(image.header)
    if wcs is None or len(image.shape) != 2:
        raise UsageError("fits-shape", "it is no corrected frame")
    return Frame(image, wcs)


@lru_cache(maxsize=65536)
def _frame_outline(path: Path, _modified: int) -> tuple[TangentWcs, int, int]:
    """World coordinates, width and height of a frame, from its first blocks alone."""
    try:
        header = first_header(_read(path, _HEADER_BYTES), limits=_LIMITS)
        wcs = read_wcs(header)
    except (OSError, EOFError, UsageError) as error:
        raise FatalError("source-unavailable", f"{path.name} cannot be read: {error}") from error
    if wcs is None:
        raise FatalError("source-unavailable", f"{path.name} has no world coordinates")
    return wcs, _length(header, "NAXIS1"), _length(header, "NAXIS2")


def _length(header: Mapping[str, CardValue], keyword: str) -> int:
    value = header.get(keyword)
    return value if isinstance(value, int) else 0


def _read(path: Path, size: int) -> bytes:
    """First bytes of a file, decompressed by its ending, no more than asked for."""
    match path.suffix:
        case ".bz2":
            with bz2.open(path) as stream:
                return stream.read(size)
        case ".gz":
            with gzip.open(path) as stream:
                return stream.read(size)
        case _:
            with path.open("rb") as plain:
                return plain.read(size)
