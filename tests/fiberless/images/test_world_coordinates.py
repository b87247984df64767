"""World coordinates in every usual convention mean what astropy says; what is not understood is told."""

from typing import Any

import numpy as np
import pytest
from astropy.coordinates import FK4, FK5, SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from fiberless.errors import UsageError
from fiberless.images.fits.placing import image_position
from fiberless.images.fits.read import read_band_files, read_cutout
from fiberless.images.fits.sky_grid import read_grid
from fiberless.images.fits.wcs import sky_position_deg

STEP = 0.396 / 3600
AXES = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}
PLACE = {"CRVAL1": 150.0, "CRVAL2": 32.0, "CRPIX1": 30.0, "CRPIX2": 35.0}
TURNED = {"CD1_1": -0.9 * STEP, "CD1_2": 0.4359 * STEP, "CD2_1": 0.4359 * STEP, "CD2_2": 0.9 * STEP}
FAR = {"CRPIX1": 1500.0, "CRPIX2": -900.0}
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 2e-6, "A_1_1": -1e-6, "B_0_2": 3e-6, "B_1_1": 1e-6}
TPV = {"PV1_1": 1.0001, "PV1_4": 2e-3, "PV1_7": -0.01, "PV2_1": 0.9999, "PV2_5": 1e-3, "PV2_10": 0.01}


def _types(code: str) -> dict[str, str]:
    return {"CTYPE1": f"RA---{code}", "CTYPE2": f"DEC--{code}"}


CONVENTIONS: dict[str, dict[str, Any]] = {
    "CD": {**AXES, **PLACE, **TURNED},
    "CDELT": {**AXES, **PLACE, "CDELT1": -STEP, "CDELT2": STEP},
    "PC without CDELT": {**AXES, **PLACE, "PC1_1": -STEP, "PC2_2": STEP},
    "no CRPIX": {**AXES, "CRVAL1": 150.0, "CRVAL2": 32.0, "CDELT1": -STEP, "CDELT2": STEP},
    "CROTA2": {**AXES, **PLACE, "CDELT1": -STEP, "CDELT2": STEP, "CROTA2": 33.0},
    "CUNIT in arcsec": {
        **AXES,
        "CUNIT1": "arcsec",
        "CUNIT2": "arcsec",
        **PLACE,
        "CRVAL1": 150 * 3600.0,
        "CRVAL2": 32 * 3600.0,
        "CDELT1": -0.396,
        "CDELT2": 0.396,
    },
    "LONPOLE": {**AXES, **PLACE, **TURNED, "LONPOLE": 90.0},
    **{code: {**_types(code), **PLACE, **TURNED} for code in ("SIN", "ZEA", "STG", "ARC")},
    **{f"{code}, far": {**_types(code), **PLACE, **FAR, **TURNED} for code in ("SIN", "ZEA", "ARC")},
    "SIN, slanted": {**_types("SIN"), **PLACE, **FAR, **TURNED, "PV2_1": 0.1, "PV2_2": -0.2},
    "SIP": {**_types("TAN-SIP"), **PLACE, **FAR, **TURNED, **SIP},
    "TPV": {**_types("TPV"), **PLACE, **FAR, **TURNED, **TPV},
    "CAR on the equator": {**_types("CAR"), **PLACE, "CRVAL2": 0.0, "CDELT1": -STEP, "CDELT2": STEP},
    "AIT, all sky": {**_types("AIT"), "CRVAL1": 0.0, "CRVAL2": 0.0, "CDELT1": -STEP, "CDELT2": STEP},
    "Dec first": {
        "CTYPE1": "DEC--TAN",
        "CTYPE2": "RA---TAN",
        "CRVAL1": 32.0,
        "CRVAL2": 150.0,
        "CRPIX1": 30.0,
        "CRPIX2": 35.0,
        "CD1_1": 0.1 * STEP,
        "CD1_2": STEP,
        "CD2_1": -STEP,
        "CD2_2": 0.1 * STEP,
    },
    "Dec first, CROTA": {
        "CTYPE1": "DEC--TAN",
        "CTYPE2": "RA---TAN",
        "CRVAL1": 32.0,
        "CRVAL2": 150.0,
        "CDELT1": STEP,
        "CDELT2": -STEP,
        "CROTA1": 20.0,
    },
}


@pytest.mark.parametrize("cards", CONVENTIONS.values(), ids=CONVENTIONS)
def test_a_convention_means_what_astropy_says(make, cards):
    data = make.cube(**cards)
    expected = WCS(fits.Header(cards)).celestial
    middle = expected.pixel_to_world(31.5, 31.5)
    cutout = read_cutout(data)
    assert SkyCoord(cutout.ra, cutout.dec, unit="deg").separation(middle.icrs).arcsec < 1e-4
    assert cutout.wcs is not None
    corner = expected.pixel_to_world(0, 0)
    grid = read_grid({**cards, "NAXIS1": 64, "NAXIS2": 64}).wcs
    assert grid is not None
    ours = _at(grid, 0, 0)
    assert ours.separation(corner).arcsec < 0.01


def _at(grid: Any, x: float, y: float) -> SkyCoord:
    return SkyCoord(*sky_position_deg(grid, x, y), unit="deg")


BLANK_UNITS = {**AXES, "CUNIT1": "", "CUNIT2": " ", **PLACE, **TURNED}


def test_blank_units_are_degrees(make):
    assert read_cutout(make.cube(**BLANK_UNITS)).ra == read_cutout(make.cube(**AXES, **PLACE, **TURNED)).ra


FRAMES = {
    "B1950 by EQUINOX": ({"EQUINOX": 1950.0}, FK4(equinox="B1950")),
    "B1950 by EPOCH": ({"EPOCH": 1950.0}, FK4(equinox="B1950")),
    "FK4 by RADECSYS": ({"RADECSYS": "FK4"}, FK4(equinox="B1950")),
    "FK5 of 1975": ({"RADESYS": "FK5", "EQUINOX": 1975.0}, FK5(equinox="J1975")),
    "a text": ({"EQUINOX": "B1950.0"}, FK4(equinox="B1950")),
}


@pytest.mark.parametrize(("cards", "frame"), FRAMES.values(), ids=FRAMES)
def test_frames_are_converted_and_told(make, cards, frame):
    cutout = read_cutout(make.cube(**make.wcs(), **cards))
    expected = SkyCoord(180, 30, unit="deg", frame=frame).icrs
    assert SkyCoord(cutout.ra, cutout.dec, unit="deg").separation(expected).arcsec < 1e-3
    assert any(note.startswith("position converted from FK") for note in cutout.notes)


def test_galactic_axes_are_converted(make):
    cutout = read_cutout(make.cube(**make.wcs() | {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}))
    expected = SkyCoord(180, 30, unit="deg", frame="galactic").icrs
    assert SkyCoord(cutout.ra, cutout.dec, unit="deg").separation(expected).arcsec < 1e-3
    assert "position converted from galactic to ICRS" in cutout.notes


@pytest.mark.parametrize("cards", [{}, {"RADESYS": "FK5", "EQUINOX": 2000.0}, {"RADESYS": "ICRS"}])
def test_j2000_is_taken_as_it_is(make, cards):
    cutout = read_cutout(make.cube(**make.wcs(), **cards))
    assert (cutout.ra, cutout.dec) == pytest.approx((180.0, 30.0))
    assert cutout.notes == ()


UNFAMILIAR = {
    "projection": (_types("TNX"), "CTYPE 'RA---TNX' not known; position unknown"),
    "no projection": ({"CTYPE1": "RA", "CTYPE2": "DEC"}, "axes 'RA', 'DEC' not on the sky; position unknown"),
    "frame": ({"RADESYS": "GAPPT"}, "frame 'GAPPT' not known; position unknown"),
    "ecliptic": (
        {"CTYPE1": "ELON-TAN", "CTYPE2": "ELAT-TAN"},
        "frame 'ELON' not known; position unknown",
    ),
    "no CTYPE": ({"CTYPE1": None, "CTYPE2": None}, "axes '', '' not on the sky; position unknown"),
    "no CRVAL": ({"CRVAL1": None, "CRVAL2": None}, "no CRVAL; position unknown"),
}


@pytest.mark.parametrize(("cards", "note"), UNFAMILIAR.values(), ids=UNFAMILIAR)
def test_what_is_not_understood_is_told_and_its_scale_still_checked(make, cards, note):
    cutout = read_cutout(make.cube(**make.wcs() | cards))
    assert cutout.ra is None
    assert cutout.notes == (note,)
    with pytest.raises(UsageError) as caught:
        read_cutout(make.cube(**make.wcs(scale_arcsec=1.0) | cards))
    assert caught.value.slug == "wrong-pixel-scale"


@pytest.mark.parametrize("code", ["TAN", "SIN", "ZEA", "STG", "ARC", "TPV", "TAN-SIP", "CAR", "QQQ"])
def test_a_wrong_scale_is_refused_in_all_projections(make, code):
    cards = make.wcs(scale_arcsec=1.0) | _types(code)
    with pytest.raises(UsageError) as caught:
        read_cutout(make.cube(**cards))
    assert caught.value.slug == "wrong-pixel-scale"


@pytest.mark.parametrize("code", ["SIN", "TPV", "QQQ"])
def test_bands_that_are_not_aligned_are_refused_in_all_projections(make, code):
    moved = make.wcs() | {"CRPIX1": make.wcs()["CRPIX1"] + 2}
    files = {
        band: make.cube(make.galaxy()[0], **((moved if band == "i" else make.wcs()) | _types(code)))
        for band in "ugriz"
    }
    with pytest.raises(UsageError, match="i is not aligned"):
        read_band_files(files)


@pytest.mark.parametrize(
    "cards",
    [
        {"CUNIT1": "furlong"},
        {"EQUINOX": "next year"},
        {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "PV2_1": 1e6},
        {"LONPOLE": 1e9},
        {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN", "CRPIX1": 99_000.0, "CD1_1": -1e-1},
        {"CD1_1": None, "CD1_2": None, "CD2_1": None, "CD2_2": None},
        {"CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV", "PV1_30": 1e29},
    ],
)
def test_numbers_out_of_range_are_refused(make, cards):
    with pytest.raises(UsageError) as caught:
        read_cutout(make.cube(**make.wcs() | cards))
    assert caught.value.slug == "invalid-wcs"


def test_only_an_alternative_description_is_told(make):
    cards = {f"{name}A": value for name, value in make.wcs().items()}
    assert read_cutout(make.cube(**cards)).notes == ("only alternative world coordinates; not used",)


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"RA": "12:00:00.00", "DEC": "-30:30:00"}, (180.0, -30.5)),
        ({"RA": "12 00 00", "DEC": "+30 30 36.0"}, (180.0, 30.51)),
        ({"RA": "180.25", "DEC": "30"}, (180.25, 30.0)),
        ({"RA": -180.0, "DEC": 30.0}, (180.0, 30.0)),
    ],
)
def test_position_cards_in_degrees_and_sexagesimal(cards, expected):
    position, note = image_position(None, [cards], 64)
    assert position == pytest.approx(expected)
    assert note is None


def test_position_cards_that_are_no_position(make):
    cards = {"RA": "noon", "DEC": "up"}
    with pytest.raises(UsageError, match="neither degrees nor sexagesimal"):
        read_cutout(make.cube(**cards))
    told = read_cutout(make.cube(**make.wcs(), **cards))
    assert told.notes == ("cards RA and DEC not understood; not used",)
    assert (told.ra, told.dec) == pytest.approx((180.0, 30.0))


def test_position_cards_elsewhere_are_told(make):
    assert read_cutout(make.cube(**make.wcs(), RA=181.0, DEC=30.0)).notes == (
        "cards RA and DEC lie off the image's middle; not used",
    )


def test_position_cards_of_1950_are_precessed():
    position, _ = image_position(None, [{"RA": 180.0, "DEC": 30.0, "EQUINOX": 1950.0}], 64)
    expected = SkyCoord(180, 30, unit="deg", frame=FK4(equinox=Time("B1950"))).icrs
    assert position == pytest.approx((expected.ra.deg, expected.dec.deg), abs=1e-6)


def test_the_scale_of_a_distorted_image_is_the_local_one():
    cards = CONVENTIONS["SIP"]
    grid = read_grid({**cards, "NAXIS1": 64, "NAXIS2": 64}).wcs
    assert grid is not None
    expected = WCS(fits.Header(cards))
    here = expected.pixel_to_world(31.5, 31.5)
    next_to_it = expected.pixel_to_world(32.5, 31.5)
    a, _, c, _ = grid.cd_deg
    assert np.hypot(a, c) == pytest.approx(here.separation(next_to_it).deg, rel=1e-3)
    assert np.hypot(a, c) != pytest.approx(proj_plane_pixel_scales(expected)[0], rel=1e-3)
