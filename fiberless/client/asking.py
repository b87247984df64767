"""What can be asked for, and how it is sent: images, places, names, and whole tables of them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from fiberless.client.image_bytes import image_bytes
from fiberless.client.target_lists import batch_content, degrees_or_text, position_of
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
Subject: TypeAlias = Image | SkyPosition | tuple[Any, Any] | list[Any]
"""An image (also an array, HDUs, a CCDData), or a place on the sky whose image the service fetches."""
Target: TypeAlias = str | tuple[Any, Any] | list[Any] | Mapping[str, Any] | SkyPosition
Targets: TypeAlias = str | Path | Rows | SkyPosition | Mapping[str, Any] | Iterable[Target]
"""A table (a file, of astropy, a DataFrame, columns by name); or places, rows and names, one by one."""

_FITS: Final = "application/fits"


def submission_body(
    subject: Subject | None, *, ra: Any, dec: Any, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments of `build_request` that submit an image, a place, or a name alone (`options['object_id']`).

    Raises
    ------
    UsageError
        `invalid-parameter` if nothing is asked for, or two things at once.

    """
    place = _place_of(subject)
    given = [subject is not None, ra is not None or dec is not None]
    if all(given):
        raise UsageError("invalid-parameter", "give an image or a position, not both")
    if given[1]:
        if ra is None or dec is None:
            raise UsageError("invalid-parameter", "ra and dec are needed together")
        place = (degrees_or_text(ra), degrees_or_text(dec))
    if place is not None:
        return {"json": {"target": {"ra": place[0], "dec": place[1]}, "options": dict(options)}}
    if subject is None:
        return _named_body(options)
    return {"data": {"options": json.dumps(dict(options))}, "files": _files(subject)}


def batch_body(targets: Targets, *, options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `build_request` that submit many targets; a table is sent as it is."""
    content = batch_content(targets)
    if isinstance(content, list):
        return {"json": {"targets": content, "options": dict(options)}}
    data, media = content
    return {"content": data, "headers": {"Content-Type": media}, "params": dict(options)}


def _place_of(subject: Any) -> tuple[Any, Any] | None:
    """(ra, dec) of a coordinate, a pair of angles, or a row with ra and dec; None of an image."""
    if hasattr(subject, "icrs"):
        return position_of(subject)
    is_pair = isinstance(subject, tuple | list) or getattr(subject, "shape", None) == (2,)
    if is_pair and len(subject) == 2:
        return degrees_or_text(subject[0]), degrees_or_text(subject[1])
    if isinstance(subject, Mapping) and {"ra", "dec"} <= set(subject):
        return degrees_or_text(subject["ra"]), degrees_or_text(subject["dec"])
    return None


def _named_body(options: Mapping[str, Any]) -> dict[str, Any]:
    rest = dict(options)
    name = rest.pop("object_id", None)
    if name is None:
        raise UsageError("invalid-parameter", "give an image, a position, or an object_id")
    return {"json": {"target": {"object_id": name}, "options": rest}}


def _files(image: Any) -> dict[str, tuple[str, bytes, str]]:
    if isinstance(image, Mapping):
        return {f"image_{band}": (f"{band}.fits", image_bytes(one), _FITS) for band, one in image.items()}
    return {"image": ("image.fits", image_bytes(image), _FITS)}
