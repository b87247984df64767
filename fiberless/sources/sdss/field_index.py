"""`FieldIndex`: which fields of the survey show a position, from the survey's own list of fields."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.bands import PIXEL_SCALE_ARCSEC
from fiberless.errors import FatalError, UsageError
from fiberless.images.cutout import CUTOUT_PIXELS
from fiberless.images.fits.binary_table import read_columns
from fiberless.sources.sdss.names import FieldName

__all__ = ["FieldIndex", "great_circle_deg"]

_DEGREES: Final = ("NODE", "INCL", "MU_START", "MU_END", "NU_START", "NU_END", "DEC", "SCORE")
_NUMBERS: Final = ("RUN", "CAMCOL", "FIELD")
_REACH_DEG: Final = 0.2
"""More than half the diagonal of a field, 0.14 deg."""
_WHOLE_MARGIN_DEG: Final = (CUTOUT_PIXELS // 2 + 12) * PIXEL_SCALE_ARCSEC / 3600
"""Margin at which a cutout lies on the frames of all bands, which are shifted by up to 11 px."""
_EDGE_DEG: Final = 16 * PIXEL_SCALE_ARCSEC / 3600
"""A position as far beyond the listed edge may still be on the frames; these decide."""


@dataclass(frozen=True, eq=False)
class FieldIndex:
    """Outlines of fields, sorted by declination.

    Parameters
    ----------
    columns : (N,) each: run, rerun, camcol, field; node, incl, mu_start, mu_end, nu_start, nu_end and dec of
        the centre in degrees; score

    """

    columns: dict[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.columns["run"])

    @classmethod
    def of_field_list(cls, path: Path) -> Self:
        """Index of the survey's `window_flist.fits`, without the fields that its pipeline rejected.

        Raises
        ------
        FatalError
            `source-unavailable` if the file is damaged or is no such list.

        """
        try:
            columns, is_good = _read_columns(path)
        except (OSError, UsageError, ValueError) as error:
            raise FatalError("source-unavailable", f"the list of fields cannot be read: {error}") from error
        order = np.argsort(np.where(is_good, columns["dec"], np.inf), kind="stable")[: int(is_good.sum())]
        return cls({name: np.ascontiguousarray(values[order]) for name, values in columns.items()})

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Index that `save` wrote; None if there is none that can be read."""
        try:
            return cls(load_file(path))
        except (OSError, SafetensorError):
            return None

    def save(self, path: Path) -> None:
        """Write the index: under a temporary name, then renamed; one process at a time."""
        part = path.with_suffix(".part")
        part.write_bytes(save(self.columns))
        part.replace(path)

    def covering(self, ra: float, dec: float) -> list[FieldName]:
        """Fields that show a position, the best first.

        Where the whole cutout lies inside, the survey's score of the field decides (its seeing, its sky);
        the others follow by their distance to the edge.

        Parameters
        ----------
        ra, dec : ICRS degrees

        """
        low, high = np.searchsorted(self.columns["dec"], [dec - _REACH_DEG, dec + _REACH_DEG])
        near = {name: values[low:high] for name, values in self.columns.items()}
        margin = _margin_deg(near, ra, dec)
        is_whole = margin >= _WHOLE_MARGIN_DEG
        rank = np.lexsort((-margin, np.where(is_whole, -near["score"], 0.0), ~is_whole))
        return [_field_name(near, row) for row in rank if margin[row] >= -_EDGE_DEG]


def great_circle_deg(
    ra: float, dec: float, *, node: FloatArray, incl: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Great-circle coordinates (mu, nu), degrees, of a position on scans of given node and inclination.

    Rotation about the node (Stoughton et al. 2002, AJ 123, 485, section 3.2.2): mu runs along the scan and
    equals the right ascension at the node; nu is the distance from the scan's great circle.

    Parameters
    ----------
    ra, dec : ICRS degrees
    node, incl : (N,) degrees

    Returns
    -------
    (mu, nu) : (N,) each; mu in 0–360

    """
    along, tilt, height = np.radians(ra - node), np.radians(incl), np.radians(dec)
    x = np.cos(along) * np.cos(height)
    y = np.sin(along) * np.cos(height) * np.cos(tilt) + np.sin(height) * np.sin(tilt)
    z = np.sin(height) * np.cos(tilt) - np.sin(along) * np.cos(height) * np.sin(tilt)
    mu = (np.degrees(np.arctan2(y, x)) + node) % 360.0
    return mu, np.degrees(np.arcsin(np.clip(z, -1.0, 1.0)))


def _margin_deg(fields: dict[str, npt.NDArray[Any]], ra: float, dec: float) -> FloatArray:
    """Distance of a position to the nearest edge of each field, negative outside."""
    mu, nu = great_circle_deg(ra, dec, node=fields["node"], incl=fields["incl"])
    stretch = np.cos(np.radians(nu))
    from_start = _turned(mu - fields["mu_start"]) * stretch
    to_end = _turned(fields["mu_end"] - mu) * stretch
    across = np.minimum(nu - fields["nu_start"], fields["nu_end"] - nu)
    margin: FloatArray = np.minimum(np.minimum(from_start, to_end), across)
    return margin


def _turned(angle_deg: FloatArray) -> FloatArray:
    """Angle in −180…180."""
    return (angle_deg + 180.0) % 360.0 - 180.0


def _field_name(fields: dict[str, npt.NDArray[Any]], row: int) -> FieldName:
    return FieldName(**{name: int(fields[name][row]) for name in ("run", "rerun", "camcol", "field")})


def _read_columns(path: Path) -> tuple[dict[str, npt.NDArray[Any]], BoolArray]:
    """Columns (N,) of the survey's list, and which of its fields can be used."""
    rows = read_columns(path, [*_NUMBERS, *_DEGREES, "RERUN", "PHOTO_STATUS"])
    columns: dict[str, npt.NDArray[Any]] = {name.lower(): rows[name].astype(np.int32) for name in _NUMBERS}
    columns["rerun"] = np.array([int(text) for text in rows["RERUN"]], dtype=np.int32)
    columns |= {name.lower(): rows[name].astype(np.float64) for name in _DEGREES}
    is_finite = [np.isfinite(columns[name.lower()]) for name in _DEGREES]
    return columns, (rows["PHOTO_STATUS"] == 0) & np.all(is_finite, axis=0)
