"""What becomes of a table of targets, in the words of the page."""

import io
from functools import partial

from app.batch_input.confined_rows import read_rows
from app.batch_input.unpacked import kind_of, unpacked
from tests.inputs.situation import Situation
from tests.inputs.target_files import one

GAL_1 = "gal-1 at 38.3550 -0.1557"
"""What most situations give: the galaxy to a third of an arcsecond, in ICRS."""


def rows_of(data):
    with unpacked(io.BytesIO(data)) as plain:
        return list(read_rows(plain, kind=kind_of(plain), max_rows=100))


def said(row):
    """A row of a batch in words."""
    if row.error is not None:
        return f"{row.name}: {row.error.slug}"
    if row.target.position is None:
        return f"asked for by name: {row.target.object_id}"
    ra, dec = row.target.position
    return f"{row.name} at {ra:.4f} {dec:+.4f}"


def told(make):
    return "; ".join(map(said, rows_of(make() if callable(make) else make)))


def read(given, make, how=GAL_1):
    return Situation(given, "read", how, partial(told, make))


def refused(given, make, how="bad-table: columns ra and dec are needed"):
    return Situation(given, "refused", how, partial(told, make))


def pair(names):
    """CSV whose position has these names."""
    return read(f"position columns {names.replace(',', ', ')}", one(*names.split(",")))
