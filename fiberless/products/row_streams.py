"""Tables of any length as streams of CSV, JSON, VOTable and Parquet, a bounded number of rows at a time."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, Final, TypeAlias
from xml.sax.saxutils import escape

from astropy.io.votable.tree import Info, Resource, TableElement, VOTableFile
from astropy.table import Column as TableColumn
from astropy.table import Table
from astropy.table.meta import get_yaml_from_table

from fiberless.products.columns import Cell, Column
from fiberless.products.votable import VOTABLE_VERSION, votable_field

__all__ = ["csv_stream", "json_stream", "parquet_stream", "votable_stream"]

Row: TypeAlias = Sequence[Cell]
_ROWS_A_CHUNK: Final = 64
_ROWS_A_GROUP: Final = 512
_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ARROW_TYPES: Final = {
    "float64": "float64",
    "float32": "float32",
    "int64": "int64",
    "bool": "bool_",
    "string": "string",
}


def csv_stream(columns: Sequence[Column], rows: Iterable[Row]) -> Iterator[bytes]:
    """CSV with one header line of plain column names; an empty cell is a missing value."""
    yield _csv_lines([[column.name for column in columns]])
    for some in _chunks(rows, _ROWS_A_CHUNK):
        yield _csv_lines(some)


def json_stream(
    columns: Sequence[Column], rows: Iterable[Row], *, facts: Mapping[str, str]
) -> Iterator[bytes]:
    """JSON document: the facts, `columns` with units and UCDs, and `rows` as objects; null is missing."""
    head = json.dumps({**facts, "columns": _described(columns)})
    yield head[:-1].encode() + b', "rows": ['
    names = [column.name for column in columns]
    separator = b"\n"
    for row in rows:
        yield separator + json.dumps(dict(zip(names, row, strict=True))).encode()
        separator = b",\n"
    yield b"\n]}\n"


def votable_stream(
    columns: Sequence[Column], rows: Iterable[Row], *, name: str, description: str
) -> Iterator[bytes]:
    """VOTable 1.4 with one table in TABLEDATA; an empty cell is a missing value."""
    head, mark, tail = _empty_votable(columns, name=name, description=description).partition(b"</TABLE>")
    yield head + b"<DATA>\n<TABLEDATA>\n"
    for some in _chunks(rows, _ROWS_A_CHUNK):
        yield "".join(map(_table_row, some)).encode()
    yield b"</TABLEDATA>\n</DATA>\n" + mark + tail


def parquet_stream(
    columns: Sequence[Column], rows: Iterable[Row], *, facts: Mapping[str, str]
) -> Iterator[bytes]:
    """Parquet in row groups of some hundred rows; a missing number is null, a missing text is empty.

    Units, UCDs, descriptions and facts are where astropy looks for them, which reads no null among texts; the
    columns are also described as JSON under the key `columns`.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415  half a second that only Parquet costs

    sink = _Drain()
    schema = _arrow_schema(columns)
    lengths = {column.name: 1 for column in columns if column.kind == "string"}
    with pq.ParquetWriter(sink, schema, store_schema=False) as writer:
        for some in _chunks(rows, _ROWS_A_GROUP):
            by_name = _by_name(columns, some)
            lengths = {name: max(length, *map(len, by_name[name])) for name, length in lengths.items()}
            writer.write_batch(_arrow_batch(schema, by_name), row_group_size=_ROWS_A_GROUP)
            yield sink.take()
        # The footer is written at last, when the length of the longest text is known, which astropy wants.
        # Beside a stored Arrow schema readers would not look at it.
        known = {f"table::len::{name}": str(most) for name, most in lengths.items()}
        writer.add_key_value_metadata(_parquet_words(columns, facts) | known)
    yield sink.take()


class _Drain(io.RawIOBase):
    """A file that is carried away while it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._written += len(part)
        return len(part)

    def take(self) -> bytes:
        """All that was written since it was asked for last."""
        taken, self._parts = b"".join(self._parts), []
        return taken


def _chunks(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    remaining = iter(rows)
    while some := list(islice(remaining, size)):
        yield some


def _described(columns: Sequence[Column]) -> list[dict[str, str]]:
    words = ("name", "unit", "ucd", "description")
    return [{word: getattr(column, word) for word in words} for column in columns]


def _csv_lines(rows: Iterable[Row]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _empty_votable(columns: Sequence[Column], *, name: str, description: str) -> bytes:
    """VOTable whose one table has fields and no data."""
    tree = VOTableFile(version=VOTABLE_VERSION)
    tree.description = description
    resource = Resource(type="results")
    resource.infos.append(Info(name="QUERY_STATUS", value="OK"))
    tree.resources.append(resource)
    table = TableElement(tree, name=name)
    table.description = description
    table.fields.extend(votable_field(tree, column) for column in columns)
    resource.tables.append(table)
    stream = io.BytesIO()
    tree.to_xml(stream, tabledata_format="tabledata")
    return stream.getvalue()


def _table_row(row: Row) -> str:
    cells = (f"<TD>{'' if cell is None else _xml_text(cell)}</TD>" for cell in row)
    return "".join(chain(["<TR>"], cells, ["</TR>\n"]))


def _xml_text(cell: str | float) -> str:
    return escape(_NOT_XML.sub("\N{REPLACEMENT CHARACTER}", cell)) if isinstance(cell, str) else repr(cell)


def _arrow_schema(columns: Sequence[Column]) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    return pa.schema([(column.name, getattr(pa, _ARROW_TYPES[column.kind])()) for column in columns])


def _parquet_words(columns: Sequence[Column], facts: Mapping[str, str]) -> dict[str, str]:
    """What a Parquet file says of itself."""
    head = "\n".join(_astropy_head(columns, facts))
    return {**facts, "table_meta_yaml": head, "columns": json.dumps(_described(columns))}


def _astropy_head(columns: Sequence[Column], facts: Mapping[str, str]) -> list[str]:
    """Lines in which astropy describes a table."""
    described = Table(meta=dict(facts))
    for column in columns:
        kind = "U1" if column.kind == "string" else column.kind
        described[column.name] = TableColumn(
            [], dtype=kind, unit=column.unit or None, description=column.description, meta={"ucd": column.ucd}
        )
    lines: list[str] = get_yaml_from_table(described)
    return lines


def _by_name(columns: Sequence[Column], rows: Sequence[Row]) -> dict[str, Any]:
    """Values by column; a missing text is empty."""
    values = zip(*rows, strict=True)
    return {
        column.name: ["" if cell is None else cell for cell in cells] if column.kind == "string" else cells
        for column, cells in zip(columns, values, strict=True)
    }


def _arrow_batch(schema: Any, by_name: Mapping[str, Any]) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    arrays = [pa.array(by_name[field.name], type=field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
