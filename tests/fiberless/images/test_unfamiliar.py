"""For every reader of images that may answer None: something present but unfamiliar is told or refused.

The readers are found in the code, so that a new one without its test fails here.
"""

import ast
from pathlib import Path

import numpy as np
import pytest

from fiberless.errors import UsageError
from fiberless.images.fits.band_files import name_band_files
from fiberless.images.fits.linear import read_axes
from fiberless.images.fits.placing import image_position
from fiberless.images.fits.read import read_band_files, read_cutout
from fiberless.images.fits.sky_frame import read_frame
from fiberless.images.fits.sky_grid import read_grid, read_wcs
from fiberless.images.fits.units import nmgy_factor, unit_note
from fiberless.images.fits.wcs import card_position_deg

ROOM = Path(__file__).parents[3] / "fiberless" / "images" / "fits"


def _refused(call, slug):
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.slug == slug


def _told(cutout, note):
    assert note in cutout.notes


def unfamiliar_axes(make):
    assert read_axes({"CTYPE1": "FREQ", "CTYPE2": "TIME"}) is None
    _told(
        read_cutout(make.cube(CTYPE1="FREQ", CTYPE2="TIME")),
        "axes 'FREQ', 'TIME' not on the sky; position unknown",
    )


def unfamiliar_grid(make):
    assert read_wcs(make.wcs() | {"RADESYS": "GAPPT"}) is None
    assert read_grid(make.wcs() | {"RADESYS": "GAPPT"}).notes


def unfamiliar_matrix(make):
    _refused(lambda: read_cutout(make.cube(**make.wcs() | {"CD1_1": "wide"})), "invalid-wcs")


def unfamiliar_frame(make):
    assert read_frame({"RADESYS": "GAPPT"}) is None
    _told(read_cutout(make.cube(**make.wcs(), RADESYS="GAPPT")), "frame 'GAPPT' not known; position unknown")
    _refused(lambda: read_frame({"EQUINOX": "soon"}), "invalid-wcs")


def unfamiliar_position(make):
    _refused(lambda: card_position_deg({"RA": "noon", "DEC": "up"}), "invalid-wcs")
    _refused(lambda: card_position_deg({"RA": 10.0, "DEC": 10.0, "RADESYS": "GAPPT"}), "invalid-wcs")
    _refused(lambda: read_cutout(make.cube(RA="noon", DEC="up")), "invalid-wcs")
    _refused(lambda: image_position(None, [{"RA": "noon", "DEC": "up"}], 64), "invalid-wcs")


def unfamiliar_unit(make):
    _refused(lambda: nmgy_factor({"BUNIT": "furlong"}, "r"), "unknown-unit")
    _refused(lambda: read_cutout(make.cube(BUNIT="furlong")), "unknown-unit")
    _refused(lambda: nmgy_factor({"UNITS": "furlong"}, "r"), "unknown-unit")
    assert unit_note({"UNITS": "maggies"}) == "fluxes converted from maggies to nanomaggies"


def unfamiliar_filter(make):
    files = [
        make.cube(plane, FILTER=f"{band}.MP9401") for band, plane in zip("ugriz", make.galaxy(), strict=True)
    ]
    _refused(lambda: name_band_files(files), "wrong-band-order")
    _refused(lambda: read_band_files(dict(zip("ugriz", files, strict=True))), "wrong-band-order")
    _refused(lambda: read_cutout(make.cube(**{f"BAND{i}": "?" for i in range(5)})), "wrong-band-order")


def unfamiliar_name_of_a_file(make):
    files = [make.cube(plane) for plane in make.galaxy()]
    _refused(lambda: name_band_files(files, names=["u g.fits", "g", "r", "i", "z"]), "wrong-band-order")


def unfamiliar_extinction(make):
    _refused(lambda: read_cutout(make.cube(EBV="little")), "invalid-parameter")


TESTS = {
    "linear:read_axes": unfamiliar_axes,
    "sky_grid:read_wcs": unfamiliar_grid,
    "sky_grid:_crval_deg": unfamiliar_grid,
    "sky_frame:read_frame": unfamiliar_frame,
    "sky_frame:_equinox": unfamiliar_frame,
    "wcs:card_position_deg": unfamiliar_position,
    "units:unit_note": unfamiliar_unit,
    "units:_unit_card": unfamiliar_unit,
    "band_names:band_of": unfamiliar_filter,
    "band_names:named_band": unfamiliar_filter,
    "band_names:_extension_band": unfamiliar_filter,
    "planes:file_band": unfamiliar_filter,
    "band_files:_claimed_band": unfamiliar_filter,
    "band_names:band_in_words": unfamiliar_name_of_a_file,
    "read:_stored_ebv": unfamiliar_extinction,
    "linear:_cd_rows": unfamiliar_matrix,
}


def _readers():
    """Functions of the room that are annotated to answer `… | None`."""
    return {
        f"{path.stem}:{node.name}"
        for path in ROOM.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        and node.returns is not None
        and ast.unparse(node.returns).endswith("| None")
    }


def test_every_reader_that_may_answer_none_has_a_test():
    assert _readers() == set(TESTS)


@pytest.mark.parametrize("reader", TESTS)
def test_what_is_present_but_unfamiliar_is_told_or_refused(make, reader):
    TESTS[reader](make)


def test_an_unread_image_of_the_file_is_named(make):
    pixels = np.concatenate([make.galaxy(), make.galaxy(bands=1)])
    assert "not used: OTHER" in read_cutout(make.images(("u", "g", "r", "i", "z", "other"), pixels)).notes
