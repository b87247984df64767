import io
import json
import warnings

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.io.votable import parse
from astropy.table import Table

from fiberless.products.columns import Column, row_columns
from fiberless.products.row_streams import csv_stream, json_stream, parquet_stream, votable_stream

COLUMNS = (
    Column("row", "int64", "", "meta.record", "Place"),
    Column("id", "string", "", "meta.id", "Name"),
    Column("age", "float64", "Gyr", "time.age", "Age"),
    Column("note", "string", "", "meta.note", "Always empty"),
)
ROWS = [
    (0, "a <b> & 'c'", 1.5, None),
    (1, None, None, None),
    (2, 'quoted "d", \x0b é', -2.25e-300, None),
]
FACTS = {"kind": "predicted-properties"}


def _joined(stream):
    return b"".join(stream)


def test_csv_is_read_by_pandas():
    read = pd.read_csv(io.BytesIO(_joined(csv_stream(COLUMNS, ROWS))))
    assert list(read.columns) == ["row", "id", "age", "note"]
    assert read["id"].tolist()[::2] == ["a <b> & 'c'", 'quoted "d", \x0b é']
    assert read["age"].isna().tolist() == [False, True, False]
    assert read["age"][2] == -2.25e-300


def test_json_says_units_and_null():
    document = json.loads(_joined(json_stream(COLUMNS, ROWS, facts=FACTS)))
    assert document["kind"] == "predicted-properties"
    assert document["columns"][2] == {"name": "age", "unit": "Gyr", "ucd": "time.age", "description": "Age"}
    assert document["rows"] == [dict(zip(("row", "id", "age", "note"), row, strict=True)) for row in ROWS]


def test_votable_is_strictly_valid_and_says_units_and_ucds():
    data = _joined(votable_stream(COLUMNS, ROWS, name="predictions", description="Predicted"))
    tree = parse(io.BytesIO(data), verify="exception")
    table = tree.get_first_table()
    assert (tree.version, table.name, table.nrows) == ("1.4", "predictions", 3)
    assert [(str(field.unit), field.ucd) for field in table.fields][2] == ("Gyr", "time.age")
    assert table.array["id"].tolist()[0] == "a <b> & 'c'"
    assert "\x0b" not in str(table.array["id"][2])
    assert table.array["age"][2] == -2.25e-300
    assert table.array["age"].mask.tolist() == [False, True, False]


def test_parquet_is_read_by_pandas_and_astropy_with_units(tmp_path):
    path = tmp_path / "results.parquet"
    path.write_bytes(_joined(parquet_stream(COLUMNS, ROWS, facts=FACTS)))
    frame = pd.read_parquet(path)
    assert frame["row"].tolist() == [0, 1, 2]
    assert frame["age"].isna().tolist() == [False, True, False]
    table = Table.read(path, format="parquet")
    assert str(table["age"].unit) == "Gyr"
    assert table["age"].description == "Age"
    assert table.meta == FACTS
    assert np.ma.filled(table["age"], 9.0).tolist()[::2] == [1.5, -2.25e-300]
    assert str(table["id"][0]) == "a <b> & 'c'"
    words = pq.ParquetFile(path).metadata.metadata
    assert json.loads(words[b"columns"])[2]["ucd"] == "time.age"
    assert table["age"].meta == {"ucd": "time.age"}


@pytest.mark.parametrize(
    "write",
    [
        csv_stream,
        lambda *given: json_stream(*given, facts=FACTS),
        lambda *given: votable_stream(*given, name="t", description="d"),
        lambda *given: parquet_stream(*given, facts=FACTS),
    ],
)
def test_no_writer_reads_far_ahead(write):
    """Of 10,000 rows at most some hundred are taken before bytes come out for them."""
    taken = 0

    def rows():
        nonlocal taken
        for number in range(10_000):
            taken += 1
            yield number, f"name {number}", float(number), None

    written_at = [taken for part in write(COLUMNS, rows()) if part]
    assert max(np.diff([0, *written_at])) <= 512
    assert taken == 10_000


def test_a_table_without_rows_is_one_too():
    assert _joined(csv_stream(COLUMNS, [])) == b"row,id,age,note\n"
    assert json.loads(_joined(json_stream(COLUMNS, [], facts=FACTS)))["rows"] == []
    data = _joined(votable_stream(COLUMNS, [], name="t", description="d"))
    assert parse(io.BytesIO(data), verify="exception").get_first_table().nrows == 0
    assert pq.read_table(io.BytesIO(_joined(parquet_stream(COLUMNS, [], facts=FACTS)))).num_rows == 0


def test_the_columns_of_predictions_make_a_valid_votable():
    empty = [(None,) * len(row_columns())]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = _joined(votable_stream(row_columns(), empty, name="t", description="d"))
        table = parse(io.BytesIO(data), verify="exception").get_first_table()
    assert table.nrows == 1
    assert len(table.fields) == len(row_columns())
