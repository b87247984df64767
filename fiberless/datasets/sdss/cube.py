"""`CubeFile`: images of a `sdss.npz` in the layout of Pasquet et al. 2019, mapped from disk, never loaded."""

import os
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord

from fiberless.arrays import FloatArray, IntArray
from fiberless.astro.bands import N_BANDS
from fiberless.datasets.sdss.catalogue import Catalogue
from fiberless.errors import UsageError
from fiberless.images.cutout import CUTOUT_PIXELS

__all__ = ["CubeFile", "map_npz"]

_LOCAL_HEADER: Final = struct.Struct("<4s5H3L2H")
_ID_NAMES: Final = {"object_id": ("objid", "object_id", "bestobjid"), "spec_obj_id": ("specobjid",)}
_MATCH_ARCSEC: Final = 1.0


def map_npz(path: Path, name: str) -> npt.NDArray[Any]:
    """Map one array of an uncompressed npz file into memory, read-only.

    Raises
    ------
    UsageError
        `invalid-parameter` if the file is no npz, lacks the array, or holds it compressed or as objects.

    """
    try:
        offset, shape, fortran, dtype = _find_array(path, f"{name}.npy")
    except (OSError, KeyError, ValueError, struct.error, zipfile.BadZipFile) as error:
        raise UsageError("invalid-parameter", f"{path.name} gives no array {name}: {error}") from error
    order: Literal["C", "F"] = "F" if fortran else "C"
    mapped: npt.NDArray[Any] = np.memmap(path, dtype, "r", offset, shape, order)
    return mapped


def _find_array(path: Path, member_name: str) -> tuple[int, tuple[int, ...], bool, np.dtype[Any]]:
    """Where the numbers of an array start in an npz file, and what they are."""
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(member_name)
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError("it is compressed; written by np.savez it can be mapped")
    with path.open("rb") as stream:
        stream.seek(member.header_offset)
        fields = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
        stream.seek(fields[9] + fields[10], os.SEEK_CUR)
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0
        shape, fortran, dtype = (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(stream)
        if dtype.hasobject:
            raise ValueError("it holds Python objects, not numbers")
        return stream.tell(), shape, fortran, dtype


@dataclass(frozen=True, eq=False)
class CubeFile:
    """The images of a cube file and which galaxy each row shows.

    Parameters
    ----------
    path : file with `cube` (N, 64, 64, 5) in nanomaggies and structured `labels` (N,)

    """

    path: Path

    def image(self, row: int) -> FloatArray:
        """Flux (5, 64, 64) float32 of one row."""
        pixels: FloatArray = np.moveaxis(np.asarray(self._cube()[row], dtype=np.float32), -1, 0)
        return pixels

    def rows_of(self, catalogue: Catalogue) -> IntArray:
        """Row of each galaxy of a catalogue, −1 where there is none. (N,)

        By an exact integer id in the labels (object id, else spectrum id); where the labels hold none, by
        position, within 1".

        Raises
        ------
        UsageError
            `invalid-parameter` if the labels tell neither.

        """
        labels = map_npz(self.path, "labels")
        if len(labels) != len(self._cube()):
            raise UsageError("invalid-parameter", f"{self.path.name}: cube and labels differ in length")
        names = {name.lower(): name for name in labels.dtype.names or ()}
        for ours, aliases in _ID_NAMES.items():
            for alias in aliases:
                if alias in names and labels.dtype[names[alias]].kind in "iuSU":
                    wanted = catalogue.ints(ours)
                    if wanted.any():
                        return _rows_by_id(_integers(labels[names[alias]]), wanted)
        if {"ra", "dec"} <= names.keys():
            return _rows_by_position(labels[names["ra"]], labels[names["dec"]], catalogue)
        found = ", ".join(names) or "no names"
        raise UsageError("invalid-parameter", f"the labels hold neither exact ids nor ra, dec: {found}")

    def _cube(self) -> npt.NDArray[Any]:
        cube = map_npz(self.path, "cube")
        if cube.ndim != 4 or cube.shape[1:] != (CUTOUT_PIXELS, CUTOUT_PIXELS, N_BANDS):
            raise UsageError(
                "invalid-parameter", f"cube of {self.path.name} is {cube.shape}, not (N, 64, 64, 5)"
            )
        return cube


def _integers(values: npt.NDArray[Any]) -> list[int]:
    return [int(value) for value in values]


def _rows_by_id(ids: list[int], wanted: IntArray) -> IntArray:
    places = {number: row for row, number in reversed(list(enumerate(ids)))}
    return np.array([places.get(int(number), -1) for number in wanted], dtype=np.int64)


def _rows_by_position(ra: FloatArray, dec: FloatArray, catalogue: Catalogue) -> IntArray:
    cube = SkyCoord(np.asarray(ra, float) * u.deg, np.asarray(dec, float) * u.deg)
    ours = SkyCoord(catalogue.floats("ra") * u.deg, catalogue.floats("dec") * u.deg)
    rows, distance, _ = ours.match_to_catalog_sky(cube)
    return np.where(distance.arcsec <= _MATCH_ARCSEC, rows, -1).astype(np.int64)
