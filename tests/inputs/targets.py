"""Tables of targets: columns, units, frames, dialects, identifiers."""

import io
from functools import partial

from app.batch_input.text_rows import text_rows
from tests.inputs.situation import Situation

TITLE = "Tables of targets"


def of_text(data):
    """What becomes of a text table, in the words of the page."""
    return "; ".join(said(row) for row in text_rows(io.BytesIO(data)))


def said(row):
    """A row of a batch in words."""
    if row.error is not None:
        return f"row refused: {row.error.slug}"
    if row.target.position is None:
        return f"named {row.target.object_id}"
    ra, dec = row.target.position
    return f"{row.name} at {ra:.5f} {dec:+.5f}"


SITUATIONS = [
    Situation(
        "CSV with id, ra, dec",
        "read",
        "gal-1 at 38.35502 -0.15570",
        partial(of_text, b"id,ra,dec\ngal-1,38.35502,-0.15570\n"),
    ),
    Situation(
        "CSV with ra alone",
        "refused",
        "bad-table: columns ra and dec are needed",
        partial(of_text, b"id,ra\ngal-1,38.35502\n"),
    ),
]
