"""Objects of Python that the client takes: many targets, and images."""

import io
from functools import partial

import numpy as np
import pandas as pd
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable, Table
from astropy.time import Time

from app.batch_input.json_rows import json_rows
from fiberless.client.image_bytes import image_bytes
from fiberless.client.target_lists import batch_content
from fiberless.images.fits.read import read_cutout, write_cutout
from fiberless.testing import synthetic_cutout
from tests.inputs.reading_targets import GAL_1, rows_of, said
from tests.inputs.situation import Situation
from tests.inputs.target_files import DEC, FK4, OBJID, PLACE, RA

TITLE = "Python objects"
NAMELESS = "None at 38.3550 -0.1557"
COLUMNS = {"id": ["gal-1"], "ra": [RA], "dec": [DEC]}
CUTOUT = synthetic_cutout(1)


def told(make):
    content = batch_content(make())
    rows = json_rows(content) if isinstance(content, list) else rows_of(content[0])
    return "; ".join(map(said, rows))


def pixels(make):
    cutout = read_cutout(image_bytes(make()))
    same = np.allclose(cutout.flux_nmgy, CUTOUT.flux_nmgy, atol=1e-4)
    return "its pixels" if same else "other pixels"


def hdulist():
    return fits.open(io.BytesIO(write_cutout(CUTOUT)))


def batch(given, make, how=GAL_1):
    return Situation(given, "read", how, partial(told, make))


def image(given, make):
    return Situation(given, "read", "its pixels", partial(pixels, make))


_TABLES = [
    batch("DataFrame", lambda: pd.DataFrame(COLUMNS)),
    batch("DataFrame with ids as its index", lambda: pd.DataFrame(COLUMNS).set_index("id")),
    batch("DataFrame with bytes as ids", lambda: pd.DataFrame(COLUMNS | {"id": [b"gal-1"]})),
    batch(
        "DataFrame of objIDs that a missing value made floats",
        lambda: pd.DataFrame({"objid": [OBJID, None], "ra": [RA, RA], "dec": [DEC, DEC]}),
        "1.237648720693756e+18: invalid-object-id; None at 38.3550 -0.1557",
    ),
    batch("row of a DataFrame", lambda: pd.DataFrame(COLUMNS).iloc[0]),
    batch("Table", lambda: Table(COLUMNS)),
    batch(
        "Table in hours and radians",
        lambda: Table({"id": ["gal-1"], "RA": [PLACE.ra.hour] * u.hourangle, "DEC": [PLACE.dec.rad] * u.rad}),
    ),
    batch("Table with a Time column", lambda: Table(COLUMNS | {"t": Time(["2020-01-01"])})),
    batch(
        "Table with ids as uint64",
        lambda: Table(COLUMNS | {"id": np.array([2**63], dtype=np.uint64)}),
        "9223372036854775808 at 38.3550 -0.1557",
    ),
    batch("QTable with a SkyCoord column", lambda: QTable({"id": ["gal-1"], "coord": SkyCoord([PLACE])})),
    batch(
        "QTable with a SkyCoord column in FK4", lambda: QTable({"id": ["gal-1"], "coord": SkyCoord([FK4])})
    ),
    batch("Row of a Table", lambda: Table(COLUMNS)[0]),
    batch("list of Rows", lambda: list(Table(COLUMNS))),
    batch("list of Rows with other columns too", lambda: list(Table(COLUMNS | {"z": [0.1]}))),
    batch("dict of columns", lambda: COLUMNS),
    batch("dict of arrays", lambda: {name: np.array(values) for name, values in COLUMNS.items()}),
]
_LISTS = [
    batch("one dict", lambda: {"id": "gal-1", "ra": RA, "dec": DEC}),
    batch(
        "dicts with numpy scalars",
        lambda: [{"id": np.str_("gal-1"), "ra": np.float64(RA), "dec": np.float32(DEC)}],
    ),
    batch(
        "dicts with a Quantity",
        lambda: [{"id": "gal-1", "ra": PLACE.ra.hour * u.hourangle, "dec": DEC * u.deg}],
    ),
    batch("dicts with a SkyCoord", lambda: [{"id": "gal-1", "coord": PLACE}]),
    batch("dicts with the names of a survey", lambda: [{"id": "gal-1", "RAJ2000": RA, "DEJ2000": DEC}]),
    batch("dicts of csv.DictReader, all text", lambda: [{"id": "gal-1", "ra": str(RA), "dec": str(DEC)}]),
    batch(
        "dicts with NaN",
        lambda: [{"id": "gal-1", "ra": float("nan"), "dec": DEC}],
        "gal-1: invalid-coordinates",
    ),
    batch(
        "dicts with np.int64 as id",
        lambda: [{"id": np.int64(OBJID), "ra": RA, "dec": DEC}],
        f"{OBJID} at 38.3550 -0.1557",
    ),
    batch("SkyCoord, scalar", lambda: PLACE, NAMELESS),
    batch("SkyCoord, array in FK4", lambda: SkyCoord([FK4, FK4]), f"{NAMELESS}; {NAMELESS}"),
    batch("pairs of numpy scalars", lambda: [(np.float64(RA), np.float64(DEC))], NAMELESS),
    batch("an array (N, 2)", lambda: np.array([[RA, DEC]]), NAMELESS),
    batch("pairs of Quantity", lambda: [(RA * u.deg, DEC * u.deg)], NAMELESS),
    batch("positions as text", lambda: ["02:33:25.205 -00:09:20.52"], NAMELESS),
    batch(
        "names and objIDs",
        lambda: ["NGC 1068", np.int64(OBJID)],
        f"asked for by name: NGC 1068; asked for by name: {OBJID}",
    ),
    Situation(
        "a name that no object has",
        "refused",
        "invalid-object-id: neither a position nor a name",
        partial(told, lambda: ["a/b"]),
    ),
    Situation(
        "a file that is no table (.xlsx)",
        "refused",
        "invalid-parameter: a table ends in .csv",
        partial(told, lambda: "galaxies.xlsx"),
    ),
    Situation(
        "a file that is not there",
        "refused",
        "invalid-parameter: galaxies.csv cannot be read",
        partial(told, lambda: "galaxies.csv"),
    ),
]
_IMAGES = [
    image("image as bytes", lambda: write_cutout(CUTOUT)),
    image("image as Cutout", lambda: CUTOUT),
    image("image as an array (5, H, W)", lambda: np.asarray(CUTOUT.flux_nmgy)),
    image("image as HDUList", hdulist),
    image("image as one HDU", lambda: fits.PrimaryHDU(np.asarray(CUTOUT.flux_nmgy))),
    image("image as CCDData", lambda: CCDData(np.asarray(CUTOUT.flux_nmgy), unit=u.def_unit("nanomaggy"))),
    Situation(
        "an array (64, 64)",
        "refused",
        "fits-shape: an array must be (5, H, W)",
        partial(pixels, lambda: np.ones((64, 64))),
    ),
    Situation(
        "a DataFrame as an image",
        "refused",
        "invalid-parameter: an image is a path, bytes",
        partial(pixels, lambda: pd.DataFrame(COLUMNS)),
    ),
    Situation(
        "a path that is not there",
        "refused",
        "fits-empty: gone.fits cannot be read",
        partial(pixels, lambda: "gone.fits"),
    ),
]

SITUATIONS = [*_TABLES, *_LISTS, *_IMAGES]
