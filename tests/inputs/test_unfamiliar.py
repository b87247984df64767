"""Each reader of targets that may answer None is fed something unfamiliar, and does not pass over it.

The readers are found in the code: a new one without a case here fails.
"""

import io
from decimal import Decimal

import pytest

from app.batch_input.rows import named_row, position_row
from app.batch_input.text_rows import text_rows
from fiberless.client.asking import submission_body
from fiberless.client.target_lists import batch_content
from fiberless.errors import FiberlessError
from fiberless.targets.by_hand import position_in
from fiberless.targets.columns import TableField, find_columns
from fiberless.targets.identifiers import identifier_text
from tests.inputs import target_files as files
from tests.inputs.readers import readers_that_may_return_none
from tests.inputs.reading_targets import rows_of
from tests.inputs.targets_exports import told_json

PLACES = (
    "app/batch_input",
    "fiberless/targets",
    "fiberless/client/target_lists.py",
    "fiberless/client/asking.py",
)


def columns(*fields):
    return find_columns([TableField("id"), *fields])


def fields(*names, **about):
    return columns(*(TableField(name, **about) for name in names))


def row_error(row):
    if row.error is None:
        return f"passed over: {row}"
    raise FiberlessError(row.error.slug, row.error.detail)


def first_row(data):
    return row_error(rows_of(data)[0])


def csv_of(ra, dec="0", name="gal-1"):
    return files.csv("id,ra,dec", f"{name},{ra},{dec}")


def fits_in(system):
    table = files.Table({"id": ["a"], "ra": [1.0], "dec": [1.0]})
    return files.fits_table(table, header={"RADESYS": system})


def votable_bits():
    """VOTable whose right ascension is of a type that holds no number."""
    binary = "<BINARY><STREAM>AAAAAAAAAAAAAAAAAAAAAA==</STREAM></BINARY>"
    attributes = ['name="ra" datatype="floatComplex"', 'name="dec" datatype="double"']
    return files.votable(attributes, [], serialization=binary)


# {reader: (what comes, slug, words of the refusal that name what was found)}
UNFAMILIAR = {
    "app.batch_input.fits_rows:_frame": (lambda: rows_of(fits_in("GEOCENTR")), "bad-table", "GEOCENTR"),
    "app.batch_input.json_rows:_mistake": (
        lambda: told_json({"id": "a", "RA_J2000": 1, "dec": 1}),
        None,
        "invalid-parameter",
    ),
    "app.batch_input.rows:_checked_name": (
        lambda: row_error(position_row("a\x07b", 1, 1)),
        "invalid-object-id",
        "control characters",
    ),
    "app.batch_input.rows:as_object_id": (
        lambda: row_error(named_row(None, "a/b")),
        "invalid-object-id",
        "a name is needed",
    ),
    "app.batch_input.rows:row_name": (
        lambda: row_error(position_row(200 * "n", 1, 1)),
        "invalid-object-id",
        "at most 128",
    ),
    "app.batch_input.text_layout:_header": (
        lambda: list(text_rows(io.BytesIO(b"# id,alf,del\ngal-1,38.3,-0.1\n"))),
        "bad-table",
        "alf, del",
    ),
    "app.batch_input.votable_binary:fixed_count": (
        lambda: rows_of(votable_bits().replace(b'"floatComplex"', b'"double" arraysize="many"')),
        "bad-table",
        "no type that can be read",
    ),
    "app.batch_input.votable_binary:value": (
        lambda: rows_of(votable_bits()),
        "bad-table",
        "floatComplex",
    ),
    "fiberless.client.asking:_place_of": (
        lambda: submission_body((1.0, 2.0, 3.0), ra=None, dec=None, options={}),
        "invalid-parameter",
        "tuple",
    ),
    "fiberless.client.target_lists:_identifier": (
        lambda: batch_content([{"id": 1.23765e18, "ra": 1, "dec": 1}]),
        "invalid-object-id",
        "1.23765e+18",
    ),
    "fiberless.client.target_lists:_row_dict": (
        lambda: rows_of(batch_content([{"id": "a", "alf": 1.0, "del": 2.0}])[0]),
        "bad-table",
        "alf, del",
    ),
    "fiberless.targets.by_hand:position_in": (
        lambda: position_in("02:33:25.2 north"),
        "invalid-coordinates",
        "",
    ),
    "fiberless.targets.columns:_both": (
        lambda: columns(TableField("ra", ucd="pos.eq.dec"), TableField("x")),
        "bad-table",
        "ra",
    ),
    "fiberless.targets.columns:_candidate": (
        lambda: columns(TableField("ra", ucd="pos.bodyrc.lon"), TableField("dec", ucd="pos.bodyrc.lat")),
        "bad-table",
        "ra, dec",
    ),
    "fiberless.targets.columns:_combined": (
        lambda: columns(TableField("healpix_position")),
        "bad-table",
        "healpix_position",
    ),
    "fiberless.targets.columns:_identifier": (
        lambda: find_columns([TableField("my_ids"), TableField("z")]),
        "bad-table",
        "my_ids",
    ),
    "fiberless.targets.columns:_place_of": (
        lambda: first_row(files.csv("id,ra,dec,frame", "a,1,1,barycentric")),
        "invalid-coordinates",
        "barycentric",
    ),
    "fiberless.targets.columns:_position": (lambda: fields("lon", "lat"), "bad-table", "lon, lat"),
    "fiberless.targets.identifiers:_of_decimal": (
        lambda: identifier_text(Decimal("1.5")),
        "invalid-object-id",
        "1.5",
    ),
    "fiberless.targets.identifiers:_of_float": (lambda: identifier_text(1.5), "invalid-object-id", "1.5"),
    "fiberless.targets.identifiers:_of_text": (
        lambda: first_row(csv_of("1", name="1.23765E+18")),
        "invalid-object-id",
        "1.23765E+18",
    ),
    "fiberless.targets.identifiers:identifier_text": (
        lambda: identifier_text([1, 2]),
        "invalid-object-id",
        "list",
    ),
    "fiberless.targets.position_names:_equatorial": (
        lambda: fields("err_ra", "err_dec"),
        "bad-table",
        "err_ra, err_dec",
    ),
    "fiberless.targets.position_names:_frame_of": (
        lambda: fields("p", "q", ucd="pos.ecliptic.lon"),
        "bad-table",
        "p, q",
    ),
    "fiberless.targets.position_names:axis_of_name": (
        lambda: fields("RACEN", "DECCEN"),
        "bad-table",
        "RACEN, DECCEN",
    ),
    "fiberless.targets.position_names:axis_of_ucd": (
        lambda: fields("p", "q", ucd="pos.lambert.x"),
        "bad-table",
        "p, q",
    ),
}
# Functions whose None is the caller's own wish
NOT_READERS = {"app.batch_input.reading:_title": "a file without a name is a row without one"}


def test_every_reader_has_its_case():
    assert readers_that_may_return_none(*PLACES) == set(UNFAMILIAR) | set(NOT_READERS)


@pytest.mark.parametrize("reader", UNFAMILIAR)
def test_what_is_unfamiliar_is_not_passed_over(reader):
    read, slug, words = UNFAMILIAR[reader]
    if slug is None:
        assert words in read()
        return
    with pytest.raises(FiberlessError) as caught:
        read()
    assert caught.value.slug == slug, caught.value.detail
    assert words in caught.value.detail


@pytest.mark.parametrize("cell", ["38,2,5", "38.3 mas", "1e400", "#REF!", "38.3?", "inf", "02:33:25:2"])
def test_a_cell_that_is_no_angle_is_refused_in_its_row(cell):
    (row,) = rows_of(files.csv("id;ra;dec", f'gal-1;0;"{cell}"'))
    assert row.error is not None, row.target
    assert row.error.slug == "invalid-coordinates"
