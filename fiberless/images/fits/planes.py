"""Which images of a FITS file are the five bands, and in which order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from fiberless.astro.bands import BANDS, N_BANDS
from fiberless.errors import UsageError
from fiberless.images.fits.band_names import KNOWN_SPELLINGS, band_of, is_auxiliary, named_band
from fiberless.images.fits.cards import CardValue
from fiberless.images.fits.gate import RawHdu
from fiberless.images.fits.pixels import StoredArray, stored_pixels

__all__ = ["Layout", "Plane", "file_band", "find_planes", "single_plane"]

_MAX_NAMED: Final = 3
_NAME_CHARACTERS: Final = 12
_OWN_CARD = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS[0-9]*|PCOUNT|GCOUNT|EXTEND|EXTNAME|EXTVER|BSCALE|BZERO|BLANK|FILTER|BAND"
)
_SKY_CARD = re.compile(
    r"(CTYPE|CRVAL|CRPIX|CDELT|CROTA|CUNIT)[0-9]|(CD|PC|PV)[0-9]+_[0-9]+|RADE[C]?SYS|EQUINOX"
)


@dataclass(frozen=True, eq=False)
class Plane:
    """The image of one band, as it lies in its file: (H, W).

    Parameters
    ----------
    band : u, g, r, i or z
    stored : (H, W), a view of the file
    hdu : that it lies in
    header : that describes it: the HDU's, and what it does not say from a primary HDU without data

    """

    band: str
    stored: StoredArray
    hdu: RawHdu
    header: Mapping[str, CardValue] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Layout:
    """Planes that were found in a file, in its order, and what is to be told of the rest."""

    planes: tuple[Plane, ...]
    notes: tuple[str, ...] = ()


def find_planes(hdus: Sequence[RawHdu]) -> Layout:
    """Five planes of a file.

    A (5, H, W) cube, the first in the file, or five image HDUs that name u, g, r, i, z; images that say that
    they are variances, weights or masks are left aside.

    Raises
    ------
    UsageError
        `fits-no-image`, `fits-shape`, `fits-bitpix`, `wrong-band-count`, `band-axis-order` or
        `wrong-band-order`.

    """
    images = _flux_images(hdus)
    first = images[0]
    later_cube = next((hdu for hdu in images if len(hdu.shape) == 3 and hdu.shape[0] == N_BANDS), None)
    if len(first.shape) == 3:
        return _cube_layout(first, hdus)
    if len(first.shape) != 2 and later_cube is None:
        raise UsageError("fits-shape", f"the image has {len(first.shape)} axes; (5, H, W) is needed")
    flat = [hdu for hdu in images if len(hdu.shape) == 2]
    if later_cube is not None and not _names_all_bands(flat):
        return _cube_layout(later_cube, hdus)
    return _named_layout(flat, hdus)


def single_plane(hdus: Sequence[RawHdu], band: str) -> Layout:
    """Plane of a file that holds one band: its first image that is a flux.

    Raises
    ------
    UsageError
        `fits-no-image`, `fits-shape`, or `wrong-band-order` if the file names another band or a filter that
        is not known.

    """
    image = _single_image(hdus)
    if len(image.shape) != 2 or 0 in image.shape:
        raise UsageError("fits-shape", f"{band}: a band is a (H, W) image; this one is {image.shape[:7]}")
    named = file_band(hdus)
    if named not in {band, None}:
        raise UsageError("wrong-band-order", f"the file given as {band} says that it is {named}")
    plane = Plane(band, stored_pixels(image), image, _described(image, hdus))
    return Layout((plane,), _unused_note(hdus, [image]))


def file_band(hdus: Sequence[RawHdu]) -> str | None:
    """Band that a file of one band names, in the header of its image or its first header; None if none.

    Raises
    ------
    UsageError
        `fits-no-image`, or `wrong-band-order` if it names a filter that is not known.

    """
    return named_band(_single_image(hdus).header) or named_band(hdus[0].header)


def _flux_images(hdus: Sequence[RawHdu]) -> list[RawHdu]:
    images = [hdu for hdu in hdus if hdu.is_image]
    if not images:
        raise UsageError("fits-no-image", "no HDU of the file is an image")
    fluxes = [hdu for hdu in images if not is_auxiliary(hdu.header)]
    if not fluxes:
        names = ", ".join(_hdu_name(hdu) for hdu in images[:_MAX_NAMED])
        raise UsageError("fits-no-image", f"no image of the file is a flux; they are named {names}")
    return fluxes


def _single_image(hdus: Sequence[RawHdu]) -> RawHdu:
    images = _flux_images(hdus)
    return next((hdu for hdu in images if len(hdu.shape) == 2 and 0 not in hdu.shape), images[0])


def _cube_layout(hdu: RawHdu, hdus: Sequence[RawHdu]) -> Layout:
    if 0 in hdu.shape:
        raise UsageError("fits-shape", f"the image {hdu.shape} has an axis of length 0")
    count, height, width = hdu.shape
    if count != N_BANDS:
        if N_BANDS in {height, width}:
            raise UsageError("band-axis-order", f"{hdu.shape}: the band axis must be the slowest, (5, H, W)")
        raise UsageError("wrong-band-count", f"{count} planes; u, g, r, i and z are needed")
    cube, header = stored_pixels(hdu), _described(hdu, hdus)
    order = _cube_order({**hdus[0].header, **hdu.header} if hdu.index else hdu.header)
    planes = tuple(Plane(band, cube[i], hdu, header) for i, band in enumerate(order))
    return Layout(planes, _unused_note(hdus, [hdu]))


def _cube_order(header: Mapping[str, CardValue]) -> tuple[str, ...]:
    """Bands of a cube's planes: as its cards say, all of them alike, else u, g, r, i, z."""
    orders = {card: [band_of(label) for label in labels] for card, labels in _cube_labels(header).items()}
    for card, bands in orders.items():
        if sorted(map(str, bands)) != sorted(BANDS):
            shown = ", ".join(str(label)[:20] for label in _cube_labels(header)[card][:8])
            raise UsageError(
                "wrong-band-order", f"{card} names the planes {shown}; known are {KNOWN_SPELLINGS}"
            )
    if len({tuple(map(str, bands)) for bands in orders.values()}) > 1:
        raise UsageError("wrong-band-order", f"the cards {' and '.join(orders)} give different orders")
    return tuple(str(band) for band in next(iter(orders.values()), BANDS))


def _cube_labels(header: Mapping[str, CardValue]) -> dict[str, list[CardValue]]:
    """Labels of the planes by the card that gives them: BAND1 …, or BAND0 … as the Legacy Surveys count."""
    labels: dict[str, list[CardValue]] = {}
    for stem in ("BAND", "FILTER"):
        present = [index for index in range(N_BANDS + 2) if f"{stem}{index}" in header]
        if present:
            start = min(present[0], 1)
            wanted = range(start, max(start + N_BANDS, present[-1] + 1))
            labels[f"{stem}{start}"] = [header.get(f"{stem}{index}", "?") for index in wanted]
    for card in ("BANDS", "FILTERS", "BAND", "FILTER"):
        text = str(header.get(card, "")).strip()
        words = re.split(r"[\s,;/]+", text)
        words = words if len(words) > 1 else list(text)
        if text and (card.endswith("S") or len(words) == N_BANDS):
            labels[card] = list(words)
    return labels


def _names_all_bands(images: Sequence[RawHdu]) -> bool:
    return {named_band(hdu.header) for hdu in images} >= set(BANDS)


def _named_layout(images: Sequence[RawHdu], hdus: Sequence[RawHdu]) -> Layout:
    if len(images) == 1:
        raise UsageError("fits-shape", f"one 2-D image {images[0].shape}; five bands are needed, (5, H, W)")
    named = [(band, hdu) for hdu in images if (band := named_band(hdu.header))]
    if sorted(band for band, _ in named) != sorted(BANDS):
        _refuse_names(images, [band for band, _ in named])
    if any(0 in hdu.shape for _, hdu in named):
        raise UsageError("fits-shape", "an image has an axis of length 0")
    planes = tuple(Plane(band, stored_pixels(hdu), hdu, _described(hdu, hdus)) for band, hdu in named)
    return Layout(planes, _unused_note(hdus, [hdu for _, hdu in named]))


def _refuse_names(images: Sequence[RawHdu], names: Sequence[str]) -> None:
    if len(images) != N_BANDS:
        raise UsageError("wrong-band-count", f"{len(images)} images; u, g, r, i and z are needed")
    raise UsageError(
        "wrong-band-order", f"of the five images the bands are {', '.join(names) or 'not named'}"
    )


def _described(hdu: RawHdu, hdus: Sequence[RawHdu]) -> Mapping[str, CardValue]:
    """Header of an image, and under it the cards of a primary HDU that has no data of its own."""
    if hdu.index == 0 or hdus[0].shape:
        return hdu.header
    has_sky = any(_SKY_CARD.fullmatch(card) for card in hdu.header)
    inherited = {
        card: value
        for card, value in hdus[0].header.items()
        if not _OWN_CARD.fullmatch(card) and not (has_sky and _SKY_CARD.fullmatch(card))
    }
    return {**inherited, **hdu.header}


def _unused_note(hdus: Sequence[RawHdu], used: Sequence[RawHdu]) -> tuple[str, ...]:
    """Name what lies in the file and was not read, in at most 60 characters."""
    rest = [_hdu_name(hdu) for hdu in hdus if hdu not in used and hdu.shape and 0 not in hdu.shape]
    if not rest:
        return ()
    more = f" and {len(rest) - _MAX_NAMED} more" if len(rest) > _MAX_NAMED else ""
    return (f"not used: {', '.join(rest[:_MAX_NAMED])}{more}",)


def _hdu_name(hdu: RawHdu) -> str:
    name = str(hdu.header.get("EXTNAME", "")).strip()
    return name[:_NAME_CHARACTERS] or f"HDU {hdu.index}"
