"""Which images of a FITS file are the five bands, and in which order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fiberless.astro.bands import BANDS, N_BANDS
from fiberless.errors import UsageError
from fiberless.images.fits.cards import CardValue
from fiberless.images.fits.gate import RawHdu
from fiberless.images.fits.pixels import StoredArray, stored_pixels

__all__ = ["Plane", "band_name", "find_planes", "single_plane"]

_NAME_CARDS = ("EXTNAME", "FILTER", "BAND")


@dataclass(frozen=True, eq=False)
class Plane:
    """The image of one band, as it lies in its file: (H, W)."""

    band: str
    stored: StoredArray
    hdu: RawHdu

    @property
    def header(self) -> Mapping[str, CardValue]:
        """Header that describes the image."""
        return self.hdu.header


def find_planes(hdus: Sequence[RawHdu]) -> tuple[Plane, ...]:
    """Five planes of a file, in the order of the file.

    A (5, H, W) cube in the first image HDU, or five image HDUs that name u, g, r, i, z.

    Raises
    ------
    UsageError
        `fits-no-image`, `fits-shape`, `fits-bitpix`, `wrong-band-count`, `band-axis-order` or
        `wrong-band-order`.

    """
    first = _first_image(hdus)
    if len(first.shape) == 3:
        return _cube_planes(first)
    if len(first.shape) != 2:
        raise UsageError("fits-shape", f"the image has {len(first.shape)} axes; (5, H, W) is needed")
    return _named_planes([hdu for hdu in hdus if hdu.is_image and len(hdu.shape) == 2])


def single_plane(hdus: Sequence[RawHdu], band: str) -> Plane:
    """Plane of a file that holds one band: its first image.

    Raises
    ------
    UsageError
        `fits-no-image`, `fits-shape`, or `wrong-band-order` if the file names another band.

    """
    first = _first_image(hdus)
    if len(first.shape) != 2 or 0 in first.shape:
        raise UsageError("fits-shape", f"{band}: a band is a (H, W) image; this one is {first.shape[:7]}")
    named = band_name(first.header)
    if named not in {band, None}:
        raise UsageError("wrong-band-order", f"the file given as {band} says that it is {named}")
    return Plane(band, stored_pixels(first), first)


def band_name(header: Mapping[str, CardValue]) -> str | None:
    """Band that a header names in EXTNAME, FILTER or BAND."""
    return next((band for card in _NAME_CARDS if (band := _as_band(header.get(card)))), None)


def _first_image(hdus: Sequence[RawHdu]) -> RawHdu:
    first = next((hdu for hdu in hdus if hdu.is_image), None)
    if first is None:
        raise UsageError("fits-no-image", "no HDU of the file is an image")
    return first


def _cube_planes(hdu: RawHdu) -> tuple[Plane, ...]:
    if 0 in hdu.shape:
        raise UsageError("fits-shape", f"the image {hdu.shape} has an axis of length 0")
    count, height, width = hdu.shape
    if count != N_BANDS:
        if N_BANDS in {height, width}:
            raise UsageError("band-axis-order", f"{hdu.shape}: the band axis must be the slowest, (5, H, W)")
        raise UsageError("wrong-band-count", f"{count} planes; u, g, r, i and z are needed")
    cube = stored_pixels(hdu)
    return tuple(Plane(band, cube[i], hdu) for i, band in enumerate(_cube_order(hdu.header)))


def _cube_order(header: Mapping[str, CardValue]) -> tuple[str, ...]:
    """Bands of a cube's planes: as its cards say, else u, g, r, i, z."""
    labels = _cube_labels(header)
    if labels is None:
        return BANDS
    bands = [_as_band(label) for label in labels]
    if sorted(map(str, bands)) != sorted(BANDS):
        raise UsageError("wrong-band-order", f"the planes are named {', '.join(map(str, labels[:8]))}")
    return tuple(band for band in bands if band)


def _cube_labels(header: Mapping[str, CardValue]) -> list[CardValue] | None:
    for stem in ("BAND", "FILTER"):
        if f"{stem}1" in header:
            return [header.get(f"{stem}{i}", "?") for i in range(1, N_BANDS + 1)]
    for card in ("BANDS", "FILTERS"):
        text = str(header.get(card, "")).strip()
        if text:
            words = re.split(r"[\s,;/]+", text)
            return list(words) if len(words) > 1 else list(text)
    return None


def _named_planes(images: Sequence[RawHdu]) -> tuple[Plane, ...]:
    named = [(band, hdu) for hdu in images if (band := band_name(hdu.header))]
    if sorted(band for band, _ in named) != sorted(BANDS):
        _refuse_names(images, [band for band, _ in named])
    if any(0 in hdu.shape for _, hdu in named):
        raise UsageError("fits-shape", "an image has an axis of length 0")
    return tuple(Plane(band, stored_pixels(hdu), hdu) for band, hdu in named)


def _refuse_names(images: Sequence[RawHdu], names: Sequence[str]) -> None:
    if len(images) == 1:
        raise UsageError("fits-shape", f"one 2-D image {images[0].shape}; five bands are needed, (5, H, W)")
    if len(images) != N_BANDS:
        raise UsageError("wrong-band-count", f"{len(images)} images; u, g, r, i and z are needed")
    raise UsageError(
        "wrong-band-order", f"of the five images the bands are {', '.join(names) or 'not named'}"
    )


def _as_band(name: CardValue | None) -> str | None:
    """Band of a name such as 'r', 'R' or 'SDSS_r'."""
    if not isinstance(name, str):
        return None
    letter = name.strip().lower().removeprefix("sdss").strip("_-. ")
    return letter if letter in BANDS else None
