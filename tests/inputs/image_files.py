"""Five-band images of one galaxy in the layouts of the surveys' services, and what is read from them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from astropy.io import fits

from fiberless.images.cutout import Cutout
from fiberless.images.fits.band_files import name_band_files
from fiberless.images.fits.read import read_band_files, read_cutout
from tests.fits_files import FitsMaker
from tests.inputs.situation import Situation

MAKE = FitsMaker()
HERE = "at 180.0000 +30.0000"


def sky(scale: float = 0.396, **cards: Any) -> dict[str, Any]:
    """World coordinates centred on (180, 30); None takes a card away."""
    return MAKE.wcs(scale_arcsec=scale) | cards


def cube(pixels: np.ndarray | None = None, **cards: Any) -> bytes:
    return MAKE.cube(pixels, **sky() | cards)


def of_types(code: str) -> dict[str, str]:
    return {"CTYPE1": f"RA---{code}", "CTYPE2": f"DEC--{code}"}


def image(plane: np.ndarray, name: str | None = None, **cards: Any) -> Any:
    header = fits.Header({"BUNIT": "nanomaggy"} | {k: v for k, v in cards.items() if v is not None})
    return fits.ImageHDU(plane, header=header, name=name)


def stamps(label: str | None, order: str = "ugriz") -> list[bytes]:
    """Five files, u first, that call their bands as `label` says, in the order given."""
    labels = [{"FILTER": label.format(band)} if label else {} for band in order]
    return [cube(plane, **cards) for plane, cards in zip(MAKE.galaxy(), labels, strict=True)]


def with_variances(*, same_name: bool = False) -> bytes:
    """Image and inverse variance of each band, beside each other."""
    hdus = [fits.PrimaryHDU()]
    for band, plane in zip("ugriz", MAKE.galaxy(), strict=True):
        names = ("SCI", "IVAR") if same_name else (f"IMAGE_{band}", f"INVVAR_{band}")
        hdus += [image(plane, names[0], FILTER=band if same_name else None, **sky())]
        hdus += [image(plane * 0 + 7, names[1], FILTER=band if same_name else None)]
    return MAKE.file(*hdus)


def many_hdus(count: int) -> bytes:
    """The five bands behind other images."""
    others = [image(np.ones((2, 2), "f4"), f"MASK{i}X") for i in range(count - 6)]
    bands = [image(plane, band, **sky()) for band, plane in zip("ugriz", MAKE.galaxy(), strict=True)]
    return MAKE.file(fits.PrimaryHDU(), *others, *bands)


def thumbnail_first() -> bytes:
    """A 2-D primary image before the cube."""
    return MAKE.file(fits.PrimaryHDU(MAKE.galaxy()[2]), image(MAKE.galaxy(), **sky()))


def unit_in_primary(unit: str) -> bytes:
    """Unit and coordinates in a primary header without data, the cube behind it."""
    primary = fits.PrimaryHDU(header=fits.Header({"BUNIT": unit, **sky()}))
    return MAKE.file(primary, fits.ImageHDU(MAKE.galaxy()))


def after_end(filling: bytes) -> bytes:
    """File whose header is filled up with other bytes than blanks."""
    data = cube()
    end = data.index(b"END" + b" " * 77) + 3
    stop = -(-end // 2880) * 2880
    return data[:end] + filling * (stop - end) + data[stop:]


def with_card(card: bytes) -> bytes:
    """File with 80 bytes more, before END."""
    data = cube()
    end = data.index(b"END" + b" " * 77)
    return data[:end] + card.ljust(80) + data[end : end + 80] + data[end + 160 :]


def without_padding() -> bytes:
    size = 5 * 64 * 64 * 4
    data = cube()
    return data[: len(data) - (-size % 2880)]


def said(cutout: Cutout) -> str:
    """Where the image lies, whether its bands are those that were sent, and what the caller is told."""
    place = "position unknown" if cutout.ra is None else f"at {cutout.ra:.4f} {cutout.dec:+.4f}"
    peaks = cutout.flux_nmgy[:, 28:36, 28:36].sum(axis=(1, 2))
    order = [] if np.array_equal(np.argsort(peaks), range(5)) else ["bands mixed up"]
    return "; ".join([place, *order, *cutout.notes])


def _told(build: Callable[[], bytes]) -> str:
    return said(read_cutout(build(), name="image"))


def _packed(build: Callable[[], list[bytes]], names: list[str]) -> str:
    named = name_band_files(build(), names=names)
    return said(read_band_files(named.files, notes=named.notes))


def _as_bands(build: Callable[[], dict[str, bytes]]) -> str:
    return said(read_band_files(build()))


def read(given: str, build: Callable[[], bytes], how: str = HERE) -> Situation:
    return Situation(given, "read", how, partial(_told, build))


def refused(given: str, build: Callable[[], bytes], how: str) -> Situation:
    return Situation(given, "refused", how, partial(_told, build))


def packed(given: str, build: Callable[[], list[bytes]], how: str = HERE, names: str = "") -> Situation:
    return Situation(given, "read", how, partial(_packed, build, names.split()))


def not_packed(given: str, build: Callable[[], list[bytes]], how: str, names: str = "") -> Situation:
    return Situation(given, "refused", how, partial(_packed, build, names.split()))


def not_as_bands(given: str, build: Callable[[], dict[str, bytes]], how: str) -> Situation:
    return Situation(given, "refused", how, partial(_as_bands, build))
