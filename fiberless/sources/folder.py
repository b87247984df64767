"""`ImageFolder`: cutouts that were made before: a folder of FITS cutouts, or a set of training shards."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from safetensors import SafetensorError, safe_open

from fiberless.arrays import FloatArray
from fiberless.contract import Target
from fiberless.errors import FatalError, UsageError
from fiberless.images.cutout import Cutout
from fiberless.images.fits.cards import CardValue
from fiberless.images.fits.gate import UPLOAD_LIMITS, first_header
from fiberless.images.fits.read import read_cutout
from fiberless.images.fits.sky_grid import read_wcs
from fiberless.images.fits.wcs import card_position_deg, sky_position_deg
from fiberless.sources.sdss.names import OBJECT_NAMESPACE

__all__ = ["MATCH_ARCSEC", "ImageFolder"]

MATCH_ARCSEC: Final = 1.5
"""Largest distance between a position and the centre of the cutout that answers it: 4 px."""
_HEAD_BYTES: Final = (4 * 2880, UPLOAD_LIMITS.header_blocks * 2880)
"""How much of a file is read for its header; most need the first."""


class _Image(Protocol):
    """One image of the folder."""

    def read(self) -> Cutout: ...


@dataclass(frozen=True)
class _FitsImage:
    path: Path

    def read(self) -> Cutout:
        return read_cutout(self.path.read_bytes(), name=self.path.name)


@dataclass(frozen=True)
class _ShardImage:
    """Row of a shard; `ebv` is what its truth says of the Galactic extinction still in the image."""

    path: Path
    row: int
    ebv: float | None

    def read(self) -> Cutout:
        with safe_open(str(self.path), framework="numpy") as shard:
            flux = shard.get_slice("image")[self.row : self.row + 1][0]
        return Cutout(flux_nmgy=flux.astype(np.float32), ebv=self.ebv)


@dataclass(frozen=True, eq=False)
class _Content:
    """All images of a folder: by name, and by place on the unit sphere (N, 3)."""

    by_name: Mapping[str, _Image]
    placed: tuple[_Image, ...]
    positions: tuple[tuple[float, float], ...]

    @property
    def directions(self) -> FloatArray:
        return _directions(np.array(self.positions, dtype=np.float64).reshape(-1, 2))


class ImageFolder:
    """Images by the name or the position of their galaxy.

    FITS cutouts (`*.fits`, as `write_cutout` makes them) are named by their card OBJECT, and by their file
    name without `.fits`, in which `_` may stand for the first `:`. Shards hold objIDs, and positions where
    their truth has the columns `ra` and `dec`. A FITS folder that changes is read again.

    Parameters
    ----------
    folder : with FITS cutouts, or with `dataset.json` and shards

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._seen: int | None = None
        self._content = _Content({}, (), ())
        self._directions: FloatArray = np.empty((0, 3))

    def fetch(self, target: Target) -> Cutout:
        """Return the image of a galaxy as it is stored.

        Raises
        ------
        UsageError
            `outside-footprint` if no image is centred within `MATCH_ARCSEC` of the position, `not-found` if
            none has the name; the slugs of FITS content if the image cannot be used.
        FatalError
            `source-unavailable` if the folder cannot be read.

        """
        try:
            image, position = self._find(target)
            cutout = image.read()
        except UsageError:
            raise
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise FatalError("source-unavailable", f"the image folder cannot be read: {error}") from error
        if cutout.ra is None and position is not None:
            cutout = replace(cutout, ra=position[0], dec=position[1])
        return replace(cutout, source="archive")

    def _find(self, target: Target) -> tuple[_Image, tuple[float, float] | None]:
        content, directions = self._read_content()
        if target.object_id is not None:
            if target.object_id not in content.by_name:
                raise UsageError("not-found", f"the image folder has no {target.object_id}")
            return content.by_name[target.object_id], None
        nearest, distance_arcsec = _nearest(directions, target.position)
        if distance_arcsec > MATCH_ARCSEC:
            raise UsageError(
                "outside-footprint",
                f"no image of the folder is centred at ra = {target.ra}, dec = {target.dec}",
            )
        return content.placed[nearest], content.positions[nearest]

    def _read_content(self) -> tuple[_Content, FloatArray]:
        with self._lock:
            changed = self._folder.stat().st_mtime_ns
            if changed != self._seen:
                is_shards = (self._folder / "dataset.json").exists()
                self._content = _shard_content(self._folder) if is_shards else _fits_content(self._folder)
                self._directions = self._content.directions
                self._seen = changed
            return self._content, self._directions


def _fits_content(folder: Path) -> _Content:
    by_name: dict[str, _Image] = {}
    placed: dict[_Image, tuple[float, float]] = {}
    for path in sorted(folder.glob("*.fits")):
        image = _FitsImage(path)
        header = _header(path)
        for name in (path.stem.replace("_", ":", 1), path.stem, header.get("OBJECT")):
            if isinstance(name, str):
                by_name[name] = image
        if position := _position(path, header):
            placed[image] = position
    return _Content(by_name, tuple(placed), tuple(placed.values()))


def _header(path: Path) -> Mapping[str, CardValue]:
    """Primary header, empty if the file is damaged: it then answers to its file name, with an error."""
    for size in _HEAD_BYTES:
        with path.open("rb") as stream:
            head = stream.read(size)
        with suppress(UsageError):
            return first_header(head)
    return {}


def _position(path: Path, header: Mapping[str, CardValue]) -> tuple[float, float] | None:
    """Position of the galaxy: from the primary header, else from the whole file."""
    try:
        if found := card_position_deg(header):
            return found
        side = header.get("NAXIS1")
        if (wcs := read_wcs(header)) and isinstance(side, int):
            return sky_position_deg(wcs, (side - 1) / 2, (side - 1) / 2)
        cutout = read_cutout(path.read_bytes())
    except UsageError:
        return None
    return None if cutout.ra is None or cutout.dec is None else (cutout.ra, cutout.dec)


def _shard_content(folder: Path) -> _Content:
    truth_names = list(json.loads((folder / "dataset.json").read_text())["truth_names"])
    by_name: dict[str, _Image] = {}
    placed: dict[_Image, tuple[float, float]] = {}
    for path in sorted(folder.glob("shard-*.safetensors")):
        for image, name, truth in _shard_rows(path, truth_names):
            if name:
                by_name[name] = image
            if np.isfinite([truth.get("ra", np.nan), truth.get("dec", np.nan)]).all():
                placed[image] = (truth["ra"] % 360.0, truth["dec"])
    return _Content(by_name, tuple(placed), tuple(placed.values()))


def _shard_rows(path: Path, truth_names: list[str]) -> Iterator[tuple[_Image, str | None, dict[str, float]]]:
    """Each image of a shard, its name and its truth."""
    with safe_open(str(path), framework="numpy") as shard:
        has_ids = "object_id" in shard.keys()  # noqa: SIM118  no mapping
        numbers = shard.get_tensor("object_id") if has_ids else None
        values = shard.get_tensor("truth").astype(np.float64)
    for row, one in enumerate(values):
        truth = dict(zip(truth_names, one.tolist(), strict=True))
        ebv = truth.get("ebv")
        image = _ShardImage(path, row, ebv if ebv is not None and np.isfinite(ebv) else None)
        yield image, None if numbers is None else f"{OBJECT_NAMESPACE}{numbers[row]}", truth


def _directions(position_deg: FloatArray) -> FloatArray:
    """Unit vectors (N, 3) of positions (N, 2), ICRS degrees."""
    ra, dec = np.radians(position_deg).T
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def _nearest(directions: FloatArray, position: tuple[float, float] | None) -> tuple[int, float]:
    """Index of the direction nearest to a position, and its distance in arcsec; (0, inf) if there is none."""
    if position is None or not len(directions):
        return 0, np.inf
    chord = np.linalg.norm(directions - _directions(np.array([position])), axis=1)
    nearest = int(np.argmin(chord))
    return nearest, float(np.degrees(2 * np.arcsin(min(1.0, chord[nearest] / 2))) * 3600)
