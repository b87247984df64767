"""Images: world coordinates, layouts, filters, units and bytes as the surveys' services write them."""

from functools import partial
from typing import Any

from astropy.io.fits import PrimaryHDU

from tests.inputs.image_files import (
    HERE,
    MAKE,
    after_end,
    cube,
    image,
    many_hdus,
    not_as_bands,
    not_packed,
    of_types,
    packed,
    read,
    refused,
    sky,
    stamps,
    thumbnail_first,
    unit_in_primary,
    with_card,
    with_variances,
    without_padding,
)
from tests.inputs.situation import Situation

TITLE = "Images"

_STEP = 0.396 / 3600
_NO_CD: dict[str, Any] = {"CD1_1": None, "CD1_2": None, "CD2_1": None, "CD2_2": None}
_DEC_FIRST: dict[str, Any] = {
    "CTYPE1": "DEC--TAN",
    "CTYPE2": "RA---TAN",
    "CRVAL1": 30.0,
    "CRVAL2": 180.0,
    "CD1_1": 0.0,
    "CD1_2": _STEP,
    "CD2_1": -_STEP,
    "CD2_2": 0.0,
}

_SKY = [
    *(
        read(f"projection {code}", partial(cube, **of_types(code)))
        for code in ("SIN", "ZEA", "STG", "ARC", "TPV")
    ),
    read("SIP behind TAN", partial(cube, **of_types("TAN-SIP"), A_2_0=1e-6, B_0_2=1e-6)),
    read("PC matrix without CDELT", partial(cube, **_NO_CD, PC1_1=-_STEP, PC2_2=_STEP)),
    read("CDELT and CROTA2", partial(cube, **_NO_CD, CDELT1=-_STEP, CDELT2=_STEP, CROTA2=30.0)),
    read("no CRPIX", partial(cube, CRPIX1=None, CRPIX2=None), "at 179.9959 +30.0036"),
    read("Dec first, as in SDSS fpC", partial(cube, **_DEC_FIRST)),
    read("CUNIT blank", partial(cube, CUNIT1="", CUNIT2="")),
    read(
        "EQUINOX 1950",
        partial(cube, EQUINOX=1950.0),
        "at 180.6398 +29.7217; position converted from FK4 B1950 to ICRS",
    ),
    read(
        "RADECSYS FK4",
        partial(cube, RADECSYS="FK4"),
        "at 180.6398 +29.7217; position converted from FK4 B1950 to ICRS",
    ),
    read(
        "galactic axes",
        partial(cube, CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN"),
        "at 120.4406 +40.3162; position converted from galactic to ICRS",
    ),
    read(
        "unknown projection",
        partial(cube, **of_types("TNX")),
        "position unknown; CTYPE 'RA---TNX' not known; position unknown",
    ),
    read(
        "unknown frame",
        partial(cube, RADESYS="GAPPT"),
        "position unknown; frame 'GAPPT' not known; position unknown",
    ),
    refused("1 arcsec pixels in SIN", partial(cube, **sky(1.0) | of_types("SIN")), "wrong-pixel-scale"),
    refused(
        "1 arcsec pixels in a projection unknown",
        partial(cube, **sky(1.0) | of_types("TNX")),
        "wrong-pixel-scale",
    ),
    refused("unknown CUNIT", partial(cube, CUNIT1="furlong"), "invalid-wcs: image: CUNIT1 = 'furlong'"),
    refused("no matrix of pixels", partial(cube, **_NO_CD), "invalid-wcs: image: there is no pixel matrix"),
    read("cards RA and DEC in hours and degrees", partial(MAKE.cube, RA="12:00:00", DEC="+30:00:00")),
    read(
        "cards RA and DEC of the telescope",
        partial(cube, RA="12:04:00", DEC="+30:00:00"),
        f"{HERE}; cards RA and DEC lie off the image's middle; not used",
    ),
]

_ZERO_BASED = {f"BAND{i}": band for i, band in enumerate("ugriz")}
_LAYOUTS = [
    read("Legacy Surveys' cutout: BANDS, BAND0 … BAND4", partial(cube, BANDS="ugriz", **_ZERO_BASED)),
    read("BAND0 … BAND4 alone", partial(cube, **_ZERO_BASED)),
    refused("BANDS against BAND0 … BAND4", partial(cube, BANDS="zirgu", **_ZERO_BASED), "wrong-band-order"),
    refused(
        "Legacy Surveys' cutout of g, r and z",
        lambda: cube(MAKE.galaxy(bands=3), BANDS="grz"),
        "wrong-band-count",
    ),
    read(
        "planes in another order",
        lambda: cube(MAKE.galaxy()[::-1].copy(), FILTERS="z,i,r,g,u"),
        f"{HERE}; bands reordered to u, g, r, i, z",
    ),
    read(
        "IMAGE_u, INVVAR_u, …",
        with_variances,
        f"{HERE}; not used: INVVAR_U, INVVAR_G, INVVAR_R and 2 more",
    ),
    read(
        "SCI and IVAR of each FILTER",
        partial(with_variances, same_name=True),
        f"{HERE}; not used: IVAR, IVAR, IVAR and 2 more",
    ),
    read(
        "a 2-D image before the cube",
        thumbnail_first,
        f"{HERE}; not used: HDU 0",
    ),
    read("unit and coordinates in an empty primary header", partial(unit_in_primary, "nanomaggy")),
    refused(
        "counts in an empty primary header",
        partial(unit_in_primary, "adu"),
        "unknown-unit: image: BUNIT = 'adu'",
    ),
    refused("65 HDUs", partial(many_hdus, 65), "fits-too-many-hdus"),
    refused(
        "only a weight map",
        lambda: MAKE.file(PrimaryHDU(), image(MAKE.galaxy(), "WEIGHT")),
        "fits-no-image: image: no image of the file is a flux",
    ),
]

_FILTERS = [
    *(
        packed(f"five files, FILTER = {label.format('g')}", partial(stamps, label))
        for label in ("{}", "{}_SDSS", "{}'", "SLOAN {}", "SDSS_{}", "sdss.{}", "SLOAN/SDSS.{}")
    ),
    packed(
        "five files without FILTER: g.fits i.fits r.fits u.fits z.fits",
        lambda: [stamps(None)["ugriz".index(band)] for band in "giruz"],
        f"{HERE}; no FILTER; bands taken from the names of the files",
        names="g.fits i.fits r.fits u.fits z.fits",
    ),
    packed(
        "five files without FILTER, names without bands",
        partial(stamps, None),
        f"{HERE}; no FILTER; files taken in the order u, g, r, i, z",
        names="1.fits 2.fits 3.fits 4.fits 5.fits",
    ),
    not_packed(
        "five files without FILTER, one band among their names",
        partial(stamps, None),
        "wrong-band-order: no FILTER, and the names of the files say",
        names="u.fits 2.fits 3.fits 4.fits 5.fits",
    ),
    not_packed(
        "FILTER = g.MP9401 (CFHT)", partial(stamps, "{}.MP9401"), "wrong-band-order: file 1: FILTER = "
    ),
    not_packed("FILTER = HSC-G", partial(stamps, "HSC-{}"), "wrong-band-order: file 1: FILTER = 'HSC-u'"),
    not_as_bands(
        "image_u whose FILTER is r_SDSS",
        lambda: dict(zip("ugriz", stamps("{}_SDSS", "rgugz"), strict=True)),
        "wrong-band-order: u: the file given as u says that it is r",
    ),
    not_as_bands(
        "image_g whose FILTER is not known",
        lambda: dict(zip("ugriz", stamps("{}.MP9401"), strict=True)),
        "wrong-band-order: u: FILTER = 'u.MP9401' is not known",
    ),
]

_UNITS = [
    *(
        read(f"BUNIT = {unit}", partial(cube, BUNIT=unit))
        for unit in ("nanomaggy/pixel", "nanomaggies pix-1", "nanomaggies per pixel")
    ),
    read(
        "BUNIT = 1e-9 maggies",
        lambda: cube(BUNIT="1e-9 maggies"),
        f"{HERE}; fluxes converted from 1e-9 maggies to nanomaggies",
    ),
    read(
        "BUNIT = uJy/pix",
        lambda: cube(MAKE.galaxy() * 3.631, BUNIT="uJy/pix"),
        f"{HERE}; fluxes converted from ujy/pix to nanomaggies",
    ),
    read("no BUNIT", partial(cube, BUNIT=None), f"{HERE}; no BUNIT; fluxes taken as nanomaggies"),
    refused("BUNIT = MJy/sr", partial(cube, BUNIT="MJy/sr"), "unknown-unit"),
    refused("BUNIT = MJy", partial(cube, BUNIT="MJy"), "unknown-unit"),
    refused(
        "no BUNIT, MAGZERO = 27",
        partial(cube, BUNIT=None, MAGZERO=27.0),
        "unknown-unit: image: no BUNIT, and MAGZERO",
    ),
    refused(
        "raw counts of an SDSS fpC", partial(cube, BUNIT=None, SOFTBIAS=1000), "unknown-unit: image: SOFTBIAS"
    ),
    refused(
        "asinh pixels of Pan-STARRS",
        partial(cube, BUNIT=None, BSOFTEN=46.2, BOFFSET=3.1),
        "unknown-unit: image: BSOFTEN and BOFFSET: the pixels are asinh magnitudes",
    ),
]

_BYTES = [
    read("NUL behind END", partial(after_end, b"\0")),
    refused("control characters behind END", partial(after_end, b"\7"), "fits-header-invalid"),
    read("Latin-1 in OBSERVER", partial(with_card, b"OBSERVER= 'A. M\xfcller'")),
    read("UTF-8 in a comment", partial(with_card, "COMMENT  Höhe 5 µm".encode())),
    refused(
        "control characters in a card", partial(with_card, b"OBSERVER= 'A. M\7ller'"), "fits-header-invalid"
    ),
    read("last padding missing", without_padding),
    refused("last pixel missing", lambda: without_padding()[:-4], "fits-truncated"),
]

SITUATIONS: list[Situation] = [*_SKY, *_LAYOUTS, *_FILTERS, *_UNITS, *_BYTES]
