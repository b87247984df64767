"""What can be asked for, and how it is sent: images, places, names, and whole tables of them."""

import json
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from fiberless.errors import UsageError
from fiberless.images.cutout import Cutout

__all__ = ["Image", "SkyPosition", "Subject", "Targets", "batch_body", "position_of", "submission_body"]


class SkyPosition(Protocol):
    """What a `SkyCoord` of astropy is to us, who do not load astropy for it."""

    @property
    def icrs(self) -> Any:
        """The same place in ICRS."""

    @property
    def isscalar(self) -> bool:
        """Whether it is one place, not an array of them."""


class Rows(Protocol):
    """What a `Table` of astropy is to us."""

    colnames: list[str]

    def write(self, stream: Any, *, format: str) -> None:  # noqa: A002  # astropy's own name
        """Write the table."""


Image: TypeAlias = str | Path | bytes | Cutout | Mapping[str, str | Path | bytes]
"""One FITS file (a path or its bytes), a cutout, or one file for each of the bands u, g, r, i, z."""
Subject: TypeAlias = Image | SkyPosition
"""An image, or a place on the sky whose image the service fetches."""
Target: TypeAlias = str | tuple[float, float] | Mapping[str, Any] | SkyPosition
Targets: TypeAlias = str | Path | Rows | SkyPosition | Iterable[Target]
"""A table (file or astropy) with ra and dec; or places (an array of them, pairs in degrees) or names."""

_FITS: Final = "application/fits"
_MEDIA_OF_SUFFIX: Final = {
    ".csv": "text/csv",
    ".ecsv": "text/ecsv",
    ".vot": "application/x-votable+xml",
    ".xml": "application/x-votable+xml",
    ".parquet": "application/vnd.apache.parquet",
}


def submission_body(
    subject: Subject | None, *, ra: float | None, dec: float | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments of `build_request` that submit an image, a place, or a name alone (`options['object_id']`).

    Raises
    ------
    UsageError
        `invalid-parameter` if nothing is asked for, or two things at once.

    """
    place = position_of(subject) if _is_coordinate(subject) else None
    given = [subject is not None, ra is not None or dec is not None]
    if all(given):
        raise UsageError("invalid-parameter", "give an image or a position, not both")
    if given[1]:
        if ra is None or dec is None:
            raise UsageError("invalid-parameter", "ra and dec are needed together")
        place = (ra, dec)
    if place is not None:
        return {"json": {"target": {"ra": place[0], "dec": place[1]}, "options": dict(options)}}
    if subject is None:
        return _named_body(options)
    return {"data": {"options": json.dumps(dict(options))}, "files": _files(subject)}


def batch_body(targets: Targets, *, options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `build_request` that submit many targets; a table is sent as it is."""
    rows: Any = targets
    if isinstance(targets, str | Path):
        media = _MEDIA_OF_SUFFIX.get(Path(targets).suffix.lower())
        if media is None:
            raise UsageError("invalid-parameter", f"a table ends in {', '.join(_MEDIA_OF_SUFFIX)}")
        return _table_body(Path(targets).read_bytes(), media, options)
    if hasattr(rows, "colnames"):
        votable = BytesIO()
        rows.write(votable, format="votable")
        return _table_body(votable.getvalue(), "application/x-votable+xml", options)
    listed = _places(rows) if _is_coordinate(rows) else [_target(row) for row in rows]
    return {"json": {"targets": listed, "options": dict(options)}}


def position_of(place: Any) -> tuple[float, float]:
    """ICRS (ra, dec) in degrees of an astropy coordinate, whatever its frame."""
    if not place.isscalar:
        raise UsageError("invalid-parameter", "one place is needed; `batch` and `predict_many` take many")
    icrs = place.icrs
    return float(icrs.ra.deg) % 360.0, float(icrs.dec.deg)


def _is_coordinate(subject: Any) -> bool:
    return hasattr(subject, "icrs")


def _places(many: Any) -> list[dict[str, float]]:
    pairs = [position_of(one) for one in (many if not many.isscalar else [many])]
    return [{"ra": ra, "dec": dec} for ra, dec in pairs]


def _target(given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        return {"object_id": given}
    if isinstance(given, Mapping):
        return dict(given)
    if _is_coordinate(given):
        return _places(given)[0]
    ra, dec = given
    return {"ra": float(ra), "dec": float(dec)}


def _named_body(options: Mapping[str, Any]) -> dict[str, Any]:
    rest = dict(options)
    name = rest.pop("object_id", None)
    if name is None:
        raise UsageError("invalid-parameter", "give an image, a position, or an object_id")
    return {"json": {"target": {"object_id": name}, "options": rest}}


def _table_body(data: bytes, media: str, options: Mapping[str, Any]) -> dict[str, Any]:
    return {"content": data, "headers": {"Content-Type": media}, "params": dict(options)}


def _files(image: Any) -> dict[str, tuple[str, bytes, str]]:
    if isinstance(image, Mapping):
        return {f"image_{band}": (f"{band}.fits", _bytes_of(one), _FITS) for band, one in image.items()}
    return {"image": ("image.fits", _bytes_of(image), _FITS)}


def _bytes_of(source: str | Path | bytes | Cutout) -> bytes:
    match source:
        case bytes():
            return source
        case Cutout():
            from fiberless.images.fits.read import write_cutout  # noqa: PLC0415  # astropy is for this case only

            return write_cutout(source)
        case _:
            return Path(source).read_bytes()
