import base64
import io
import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units as u
from astropy.table import MaskedColumn, Table

from app.batch_input.parquet_rows import parquet_rows
from app.batch_input.text_rows import text_rows
from app.batch_input.votable_rows import votable_rows
from fiberless.contract import Target
from fiberless.errors import UsageError

NAMES = ["NGC 1", "ngc-2", "long:3"]
RA = [1.8163, 1.8211, 359.999]
DEC = [27.7087, -27.6783, 90.0]


def _targets(rows):
    return [(row.name, row.target and row.target.position, row.error and row.error.slug) for row in rows]


def _votable(stream, max_rows=100):
    return votable_rows(stream, max_rows=max_rows)


def _parquet(data, max_rows=100):
    return parquet_rows(io.BytesIO(data), max_rows=max_rows)


EXPECTED = [(name, (ra, dec), None) for name, ra, dec in zip(NAMES, RA, DEC, strict=True)]
TABLE = Table({"z": [9.0, 9.0, 9.0], "RA": RA, "ID": NAMES, "Dec": DEC})


def _written(table, format_name, **options):
    stream = io.BytesIO() if format_name == "votable" else io.StringIO()
    table.write(stream, format=format_name, **options)
    data = stream.getvalue()
    return data if isinstance(data, bytes) else data.encode()


def _written_parquet(table, folder):
    table.write(folder / "t.parquet", format="parquet")
    return (folder / "t.parquet").read_bytes()


@pytest.mark.parametrize("format_name", ["ascii.csv", "ascii.ecsv"])
def test_text_tables_as_astropy_writes_them(format_name):
    assert _targets(text_rows(io.BytesIO(_written(TABLE, format_name)))) == EXPECTED


@pytest.mark.parametrize("serialization", ["tabledata", "binary", "binary2"])
def test_votables_as_astropy_writes_them(serialization):
    data = _written(TABLE, "votable", tabledata_format=serialization)
    assert _targets(_votable(io.BytesIO(data))) == EXPECTED


def test_parquet_as_astropy_writes_it(tmp_path):
    assert _targets(_parquet(_written_parquet(TABLE, tmp_path))) == EXPECTED


def test_units_are_heeded_wherever_a_table_has_them(tmp_path):
    table = Table({"id": NAMES, "ra": RA * u.deg, "dec": DEC * u.deg})
    table["ra"], table["dec"] = table["ra"].to(u.hourangle), table["dec"].to(u.arcsec)
    readings = [
        text_rows(io.BytesIO(_written(table, "ascii.ecsv"))),
        _votable(io.BytesIO(_written(table, "votable"))),
        _parquet(_written_parquet(table, tmp_path)),
    ]
    for rows in readings:
        found = np.array([row.target.position for row in rows])
        np.testing.assert_allclose(found, np.column_stack([RA, DEC]), rtol=1e-12)


def test_ucds_find_columns_of_any_name():
    table = Table({"label": NAMES, "alpha": RA, "delta": DEC})
    stream = io.BytesIO()
    votable = __import__("astropy.io.votable", fromlist=["from_table"]).from_table(table)
    fields = votable.get_first_table().fields
    for field, ucd in zip(
        fields, ["meta.id;meta.main", "pos.eq.ra;meta.main", "POS_EQ_DEC_MAIN"], strict=True
    ):
        field._ucd = ucd
    votable.to_xml(stream)
    assert _targets(_votable(io.BytesIO(stream.getvalue()))) == EXPECTED


def test_masked_cells_and_wrong_ones_are_their_rows_own_mistake():
    table = Table({"id": ["a", "b", "c", "d"], "ra": MaskedColumn([1, 2, 3, 400.0], mask=[0, 1, 0, 0])})
    table["dec"] = [0.0, 0.0, -91.0, 0.0]
    expected = [
        ("a", (1.0, 0.0), None),
        *((name, None, "invalid-coordinates") for name in ("b", "c", "d")),
    ]
    for data in (_written(table, "votable"), _written(table, "votable", tabledata_format="binary2")):
        assert _targets(_votable(io.BytesIO(data))) == expected
    assert _targets(text_rows(io.BytesIO(_written(table, "ascii.ecsv")))) == expected


def test_short_strange_and_blank_lines_of_a_csv():
    text = "# a comment\nid,ra,dec\r\n\na,10\nb,abc,1\nc,1e999,1\n" + 200 * "n" + ",1,1\n,5,5\n"
    assert _targets(text_rows(io.BytesIO(text.encode()))) == [
        ("a", None, "invalid-coordinates"),
        ("b", None, "invalid-coordinates"),
        ("c", None, "invalid-coordinates"),
        (128 * "n", None, "invalid-object-id"),
        (None, (5.0, 5.0), None),
    ]


def test_object_ids_alone_name_their_targets():
    rows = list(text_rows(io.BytesIO(b"id\nsdss:1237648720693755918\nnot/an id\n")))
    assert rows[0].target == Target(object_id="sdss:1237648720693755918")
    assert rows[1].error.slug == "invalid-object-id"
    whole_numbers = pq.write_table(
        pa.table({"objid": [1237648720693755918]}), sink := pa.BufferOutputStream()
    )
    assert whole_numbers is None
    (row,) = _parquet(sink.getvalue().to_pybytes())
    assert row.target == Target(object_id="1237648720693755918")


def test_names_that_can_be_object_ids_become_them():
    rows = list(text_rows(io.BytesIO(b"id,ra,dec\nsdss:1,1,1\nNGC 1,1,1\n")))
    assert [(row.name, row.object_id) for row in rows] == [("sdss:1", "sdss:1"), ("NGC 1", "NGC 1")]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a,b,c\n1,2,3\n",
        b"id,ra\nx,1\n",
        b"\xff\xfe\x00ra,dec\n",
        b'id,ra,dec\n"never closed,1,1\n',
        b"# %ECSV 1.0\n# ---\n# [not: {a head\nid ra dec\n",
        b"# %ECSV 1.0\n# ---\n# datatype:\n# - {name: ra, unit: kg}\n# - {name: dec}\nra dec\n1 1\n",
        b"# %ECSV 1.0\n# ---\n# datatype: 5\nra dec\n1 1\n",
    ],
)
def test_a_text_that_is_no_such_table_is_refused_as_a_whole(data):
    with pytest.raises(UsageError, match="bad-table"):
        list(text_rows(io.BytesIO(data)))


VOTABLE = (
    b'<VOTABLE version="1.4"><RESOURCE><TABLE nrows="999999999999">'
    b'<FIELD name="ra" datatype="%s"/><FIELD name="dec" datatype="double" unit="%s"/>'
    b"<DATA>%s</DATA></TABLE></RESOURCE></VOTABLE>"
)
ROW = b"<TABLEDATA><TR><TD>1</TD><TD>2</TD></TR></TABLEDATA>"
STREAM = b"<BINARY2><STREAM %s>%s</STREAM></BINARY2>"


def test_a_row_count_in_the_head_is_not_believed():
    (row,) = _votable(io.BytesIO(VOTABLE % (b"double", b"deg", ROW)))
    assert row.target.position == (1.0, 2.0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html><body>not found</body></html>",
        VOTABLE % (b"double", b"deg", ROW) + b"<",
        (VOTABLE % (b"double", b"deg", ROW))[:-40],
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>' + VOTABLE % (b"double", b"deg", ROW),
        VOTABLE % (b"double", b"kg", ROW),
        VOTABLE % (b"double", b"deg", STREAM % (b'href="http://example.org/x"', b"")),
        VOTABLE % (b"double", b"deg", STREAM % (b'encoding="gzip"', b"")),
        VOTABLE % (b"double", b"deg", STREAM % (b"", b"AAAA")),
        VOTABLE % (b"tensor", b"deg", STREAM % (b"", b"AAAA")),
        VOTABLE % (b"double", b"deg", b"<FITS/>"),
    ],
)
def test_xml_that_is_no_such_votable_is_refused_as_a_whole(data):
    with pytest.raises(UsageError, match="bad-table"):
        list(_votable(io.BytesIO(data)))


def test_parquet_is_refused_by_what_it_says_of_itself():
    with pytest.raises(UsageError, match="bad-table"):
        list(_parquet(b"PAR1 and then nothing of the kind PAR1"))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"ra": [0.0] * 1000, "dec": [0.0] * 1000}), sink)
    with pytest.raises(UsageError, match="body-too-large"):
        list(_parquet(sink.getvalue().to_pybytes(), max_rows=999))


def test_a_table_without_data_before_the_table_is_passed_over():
    empty = b'<TABLE><FIELD name="x" datatype="int"/></TABLE><TABLE nrows='
    data = (VOTABLE % (b"double", b"deg", ROW)).replace(b"<TABLE nrows=", empty)
    (row,) = _votable(io.BytesIO(data))
    assert row.target.position == (1.0, 2.0)


def test_rows_of_a_byte_each_do_not_fill_the_memory():
    stream = STREAM.replace(b"BINARY2", b"BINARY") % (b"", base64.b64encode(bytes(20_000)))
    data = (VOTABLE % (b"unsignedByte", b"deg", stream)).replace(b'"double"', b'"unsignedByte"')
    assert len(list(_votable(io.BytesIO(data), max_rows=100))) == 101, "one more, to be refused"


@pytest.mark.parametrize(
    ("field", "nrows"),
    [
        (b'datatype="bit" arraysize="999999999"', b"1"),
        (b'datatype="double" arraysize="999999999"', b"1"),
        (b'datatype="char" arraysize="9999x9999"', b"1"),
        (b'datatype="char" arraysize="*"', b"1"),
        (b'datatype="double"', b"2000000000"),
    ],
)
def test_a_cell_costs_what_is_there_of_it(field, nrows):
    """A head of some hundred bytes that declares gigabytes; see the module's docstring."""
    cells = bytes(16) + b"\x7f\xff\xff\xff"
    stream = b"<BINARY><STREAM>%s</STREAM></BINARY>" % base64.b64encode(cells)
    data = (VOTABLE % (b"double", b"deg", stream)).replace(
        b"<DATA>", b'<FIELD name="x" ' + field + b"/><DATA>"
    )
    data = data.replace(b"999999999999", nrows)
    tracemalloc.start()
    with pytest.raises(UsageError, match="cut short"):
        list(_votable(io.BytesIO(data)))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2**20
