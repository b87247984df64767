"""Every mistake of a FITS file has its slug, and nothing but a usage error."""

import bz2
import gzip
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from fiberless.errors import UsageError
from fiberless.images.fits.gate import Limits, walk_fits
from fiberless.images.fits.read import read_band_files, read_cutout

Build = Callable[[Any], bytes]


def _table_file(make: Any) -> bytes:
    return make.file(fits.PrimaryHDU(), fits.table_to_hdu(Table({"flux": [1.0, 2.0]})))


def _compressed_tiles(make: Any) -> bytes:
    return make.file(fits.PrimaryHDU(), fits.CompImageHDU(make.galaxy()))


def _random_groups(make: Any) -> bytes:
    data = make.file(fits.PrimaryHDU(np.zeros((5, 64, 64), "f4"), header=fits.Header({"FILLER": 1})))
    return make.value(make.value(data, "NAXIS1", "0"), "FILLER", "T").replace(b"FILLER  ", b"GROUPS  ")


def _many_cards(make: Any, line: str, count: int) -> bytes:
    data = make.cube()
    cards = line.ljust(80).encode() * count
    head = data[:160] + b"NAXIS   =                    0".ljust(80) + cards + b"END".ljust(80)
    return head + b" " * (-len(head) % 2880)


def _with(make: Any, place: Any, value: float) -> bytes:
    pixels = make.galaxy()
    pixels[place] = value
    return make.cube(pixels)


def _duplicate(make: Any, keyword: str) -> bytes:
    data = make.cube(FILLER=1)
    start = data.index(keyword.ljust(8).encode())
    return make.patch(data, "FILLER", data[start : start + 80].decode())


def _integers(make: Any, **values: str) -> bytes:
    hdu = fits.PrimaryHDU((make.galaxy() * 1000).astype(">i2"))
    hdu.header["XSCALE"], hdu.header["XZERO"] = 1.0, 0.0
    data = make.file(hdu)
    for keyword, value in values.items():
        data = make.patch(data, keyword.replace("B", "X", 1), f"{keyword:<8}= {value:>20}")
    return data


BYTES: dict[str, tuple[str, Build]] = {
    "empty": ("fits-empty", lambda _: b""),
    "PNG": ("not-fits", lambda _: b"\x89PNG\r\n\x1a\n" + bytes(4000)),
    "HTML": ("not-fits", lambda _: b"<!doctype html><title>404</title>" * 200),
    "random bytes": ("not-fits", lambda _: np.random.default_rng(0).bytes(10_000)),
    "zip": ("compressed-upload", lambda _: b"PK\x03\x04" + bytes(4000)),
    "bz2": ("compressed-upload", lambda make: bz2.compress(make.cube())),
    "xz": ("compressed-upload", lambda _: b"\xfd7zXZ\x00" + bytes(4000)),
    "gzip in gzip": ("compressed-upload", lambda make: gzip.compress(gzip.compress(make.cube()))),
    "damaged gzip": ("compressed-upload", lambda make: gzip.compress(make.cube())[:50] + bytes(500)),
    "gzip of text": ("not-fits", lambda _: gzip.compress(b"no image " * 20 + bytes(range(256)) * 9)),
    "gzip cut": ("fits-truncated", lambda make: gzip.compress(make.cube())[:-2000]),
    "gzip bomb": ("fits-too-large", lambda make: gzip.compress(make.cube() + bytes(20_000_000))),
    "gzip and more": ("fits-trailing-data", lambda make: gzip.compress(make.cube()) + b"more"),
    "header cut": ("fits-truncated", lambda make: make.cube()[:2000]),
    "no END": ("fits-truncated", lambda make: make.cube()[:2880].replace(b"END ", b"ENDX")),
    "data cut": ("fits-truncated", lambda make: make.cube()[:-2880]),
    "padding cut": ("fits-truncated", lambda make: make.cube()[:-1]),
    "garbage after": ("fits-trailing-data", lambda make: make.cube() + b"garbage"),
    "zero blocks after": ("fits-trailing-data", lambda make: make.cube() + bytes(2880)),
    "NAXIS negative": ("fits-header-invalid", lambda make: make.value(make.cube(), "NAXIS", "-64")),
    "NAXIS word": ("fits-header-invalid", lambda make: make.value(make.cube(), "NAXIS", "'three'")),
    "NAXIS real": ("fits-header-invalid", lambda make: make.value(make.cube(), "NAXIS", "2.5")),
    "NAXIS 1000": ("fits-header-invalid", lambda make: make.value(make.cube(), "NAXIS", "1000")),
    "NAXIS logical": ("fits-header-invalid", lambda make: make.value(make.cube(), "NAXIS", "T")),
    "NAXIS3 gone": ("fits-header-invalid", lambda make: make.patch(make.cube(), "NAXIS3", "COMMENT")),
    "axis negative": ("fits-header-invalid", lambda make: make.value(make.cube(), "NAXIS1", "-64")),
    "control bytes": (
        "fits-header-invalid",
        lambda make: make.patch(make.cube(), "BUNIT", "BUNIT   = '\x07'"),
    ),
    "PCOUNT of an image": (
        "fits-header-invalid",
        lambda make: make.patch(make.cube(FILLER=1), "FILLER", "PCOUNT  =                    4"),
    ),
    "SIMPLE = 3": ("fits-header-invalid", lambda make: make.value(make.cube(), "SIMPLE", "3")),
    "SIMPLE = F": ("fits-not-standard", lambda make: make.value(make.cube(), "SIMPLE", "F")),
    "NAXIS1 twice": ("fits-header-duplicate", lambda make: _duplicate(make, "NAXIS1")),
    "BITPIX twice": ("fits-header-duplicate", lambda make: _duplicate(make, "BITPIX")),
    "BUNIT twice": ("fits-header-duplicate", lambda make: _duplicate(make, "BUNIT")),
    "BITPIX 7": ("fits-bitpix", lambda make: make.value(make.cube(), "BITPIX", "7")),
    "BITPIX -128": ("fits-bitpix", lambda make: make.value(make.cube(), "BITPIX", "-128")),
    "BITPIX 64": ("fits-bitpix", lambda make: make.cube(make.galaxy().astype(">i8"))),
    "BITPIX 8": ("fits-bitpix", lambda make: make.cube(make.galaxy().astype("u1"))),
    "BSCALE 0": ("fits-scaling", lambda make: _integers(make, BSCALE="0")),
    "BSCALE nan": ("fits-scaling", lambda make: _integers(make, BSCALE="nan")),
    "BSCALE word": ("fits-scaling", lambda make: _integers(make, BSCALE="'nan'")),
    "BSCALE 1e300": ("fits-scaling", lambda make: _integers(make, BSCALE="1E300")),
    "BSCALE 1e999": ("fits-scaling", lambda make: _integers(make, BSCALE="1E999")),
    "BZERO 1e300": ("fits-scaling", lambda make: _integers(make, BZERO="1E300")),
    "axis of 2e9": ("fits-too-large", lambda make: make.value(make.cube(), "NAXIS1", "2000000000")),
    "axis of 2^63-1": ("fits-too-large", lambda make: make.value(make.cube(), "NAXIS1", str(2**63 - 1))),
    "axis of 60 digits": (
        "fits-too-large",
        lambda make: make.patch(make.cube(), "NAXIS1", f"NAXIS1  = {'9' * 60}"),
    ),
    "over 16 MiB": ("fits-too-large", lambda make: make.cube() + bytes(17 * 2**20)),
    "comments": ("fits-header-too-large", lambda make: _many_cards(make, "COMMENT x", 200_000)),
    "continues": ("fits-header-too-large", lambda make: _many_cards(make, "CONTINUE  'x&'", 100_000)),
    "5,000 HDUs": (
        "fits-too-many-hdus",
        lambda make: make.cube() + make.images("x")[2880:5760].replace(b"     64", b"      0") * 5000,
    ),
    "tile compressed": ("fits-unsupported", _compressed_tiles),
    "random groups": ("fits-unsupported", _random_groups),
    "table only": ("fits-no-image", _table_file),
    "nothing in it": ("fits-no-image", lambda make: make.file(fits.PrimaryHDU())),
}

MEANING: dict[str, tuple[str, Build]] = {
    "2-D": ("fits-shape", lambda make: make.cube(make.galaxy()[0])),
    "4-D": ("fits-shape", lambda make: make.cube(make.galaxy()[None])),
    "1-D": ("fits-shape", lambda make: make.cube(make.galaxy().ravel())),
    "not square": ("fits-shape", lambda make: make.cube(make.galaxy()[:, :50])),
    "zero axis": ("fits-shape", lambda make: make.value(make.cube(), "NAXIS2", "0")[:2880]),
    "different sizes": (
        "fits-shape",
        lambda make: make.file(
            *[
                fits.PrimaryHDU(),
                *(fits.ImageHDU(make.galaxy(60 + i)[0], name=b) for i, b in enumerate("ugriz")),
            ]
        ),
    ),
    "4 bands": ("wrong-band-count", lambda make: make.cube(make.galaxy(bands=4))),
    "6 bands": ("wrong-band-count", lambda make: make.cube(make.galaxy(bands=6))),
    "4 images": ("wrong-band-count", lambda make: make.images("ugri")),
    "6 images": ("wrong-band-count", lambda make: make.images(("u", "g", "g", "r", "i", "z"))),
    "bands last": ("band-axis-order", lambda make: make.cube(np.moveaxis(make.galaxy(), 0, -1))),
    "bands second": ("band-axis-order", lambda make: make.cube(np.moveaxis(make.galaxy(), 0, 1))),
    "unknown filters": ("wrong-band-order", lambda make: make.images(("u", "g", "r", "i", "y"))),
    "no names": ("wrong-band-order", lambda make: make.images(("a", "b", "c", "d", "e"))),
    "unknown plane names": ("wrong-band-order", lambda make: make.cube(FILTERS="grizy")),
    "a plane twice": ("wrong-band-order", lambda make: make.cube(FILTERS="u g g i z")),
    "4×4": ("image-too-small", lambda make: make.cube(make.galaxy(4))),
    "31×31": ("image-too-small", lambda make: make.cube(make.galaxy(31))),
    "counts": ("unknown-unit", lambda make: make.cube(BUNIT="adu")),
    "CRVAL2 = 100": ("invalid-wcs", lambda make: make.cube(**make.wcs() | {"CRVAL2": 100.0})),
    "CRVAL2 missing": ("invalid-wcs", lambda make: make.cube(**make.wcs() | {"CRVAL2": None})),
    "CRVAL1 a word": ("invalid-wcs", lambda make: make.cube(**make.wcs() | {"CRVAL1": "here"})),
    "CRPIX1 = 1e9": ("invalid-wcs", lambda make: make.cube(**make.wcs() | {"CRPIX1": 1e9})),
    "CD of 0": ("invalid-wcs", lambda make: make.cube(**make.wcs() | {"CD1_1": 0.0})),
    "CD parallel": (
        "invalid-wcs",
        lambda make: make.cube(**make.wcs() | {"CD1_1": 1e-4, "CD1_2": 1e-4, "CD2_1": 1e-4, "CD2_2": 1e-4}),
    ),
    "CD = 1e300": ("invalid-wcs", lambda make: make.cube(**make.wcs() | {"CD1_1": 1e300})),
    "RA card of 720": ("invalid-wcs", lambda make: make.cube(RA=720.0, DEC=0.0)),
    "0.5 arcsec pixels": ("wrong-pixel-scale", lambda make: make.cube(**make.wcs(scale_arcsec=0.5))),
    "0.262 arcsec pixels": ("wrong-pixel-scale", lambda make: make.cube(**make.wcs(scale_arcsec=0.262))),
    "all NaN": ("no-valid-pixels", lambda make: _with(make, ..., np.nan)),
    "one band NaN": ("no-valid-pixels", lambda make: _with(make, 2, np.nan)),
    "6 % NaN": ("invalid-pixels", lambda make: _with(make, (0, slice(4)), np.nan)),
    "one inf": ("invalid-pixels", lambda make: _with(make, (1, 30, 30), np.inf)),
    "minus inf": ("invalid-pixels", lambda make: _with(make, (1, 30, 30), -np.inf)),
    "1e38": ("flux-out-of-range", lambda make: _with(make, (1, 30, 30), 1e38)),
    "-1e38": ("flux-out-of-range", lambda make: _with(make, (1, 30, 30), -1e38)),
    "1e300 in doubles": ("flux-out-of-range", lambda make: make.cube(make.galaxy().astype(">f8") * 1e300)),
    "subnormal": ("flux-out-of-range", lambda make: make.cube(make.galaxy() * np.float32(1e-41))),
    "maggies": ("flux-out-of-range", lambda make: make.cube(make.galaxy() * np.float32(1e-9))),
    "constant band": ("empty-band", lambda make: _with(make, 0, 0.7)),
    "zero band": ("empty-band", lambda make: _with(make, 4, 0.0)),
    "all negative": ("empty-band", lambda make: make.cube(-np.abs(make.galaxy()))),
}


@pytest.mark.parametrize(("slug", "build"), [*BYTES.values(), *MEANING.values()], ids=[*BYTES, *MEANING])
def test_each_mistake_has_its_slug(make, slug, build):
    with pytest.raises(UsageError) as caught:
        read_cutout(build(make), name="cutout.fits")
    assert caught.value.slug == slug
    assert caught.value.detail.startswith("cutout.fits: ")
    assert len(caught.value.detail) < 300


def test_a_missing_band_file(make):
    files = {band: make.cube(make.galaxy()[0]) for band in "ugri"}
    with pytest.raises(UsageError, match="no file for z") as caught:
        read_band_files(files)
    assert caught.value.slug == "wrong-band-count"


def test_an_unknown_band_file(make):
    with pytest.raises(UsageError) as caught:
        read_band_files(dict.fromkeys("ugrizy", make.cube()))
    assert caught.value.slug == "wrong-band-order"


def test_a_file_that_names_another_band(make):
    files = {band: make.cube(make.galaxy()[0], FILTER="r" if band == "g" else band) for band in "ugriz"}
    with pytest.raises(UsageError, match="given as g says that it is r") as caught:
        read_band_files(files)
    assert caught.value.slug == "wrong-band-order"


def test_band_files_that_are_not_aligned(make):
    shifted = make.wcs() | {"CRPIX1": make.wcs()["CRPIX1"] + 2}
    files = {
        band: make.cube(make.galaxy()[0], **(shifted if band == "i" else make.wcs())) for band in "ugriz"
    }
    with pytest.raises(UsageError, match="i is not aligned") as caught:
        read_band_files(files)
    assert caught.value.slug == "invalid-wcs"


def test_a_cube_given_as_one_band(make):
    with pytest.raises(UsageError) as caught:
        read_band_files(dict.fromkeys("ugriz", make.cube()))
    assert caught.value.slug == "fits-shape"


def test_limits_are_the_caller_s_to_choose(make):
    with pytest.raises(UsageError) as caught:
        walk_fits(make.images("ugriz"), limits=Limits(hdus=3))
    assert caught.value.slug == "fits-too-many-hdus"
