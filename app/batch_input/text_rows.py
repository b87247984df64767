"""Rows of CSV and its dialects, of ECSV, and of the text tables of VizieR, TOPCAT, SkyServer and IRSA."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import BinaryIO, Final

from app.batch_input.ecsv_head import ECSV_MARK, read_ecsv_head
from app.batch_input.ipac_rows import ipac_rows, is_ipac
from app.batch_input.rows import failed_row, row_name, table_rows
from app.batch_input.text_layout import BLANKS, TextLayout, lay_out
from fiberless.errors import UsageError
from fiberless.service.storage import BatchRow
from fiberless.targets.columns import TableField, TargetColumns, find_columns

__all__ = ["text_rows"]

_LONGEST_HEAD: Final = 2**18
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


def text_rows(stream: BinaryIO) -> Iterator[BatchRow]:
    """Rows of a text table: ECSV, IPAC, or cells parted by commas, semicolons, tabs, bars or blanks.

    Bytes that are no UTF-8 are read as Latin-1. Lines that begin with `#` are comments, unless the last of
    them before the rows is the header.

    Raises
    ------
    UsageError
        `bad-table` where it is not such a file.

    """
    text = io.TextIOWrapper(stream, encoding=_encoding(stream), errors="surrogateescape", newline="")
    try:
        comments, first = _head(text)
        if comments and comments[0].startswith(ECSV_MARK):
            yield from _ecsv_rows("".join(comments), first, text)
            return
        top = list(islice(text, 1))
        if top and is_ipac(first, top[0]):
            yield from ipac_rows(chain([first], top, text))
            return
        layout = lay_out([_decoded(line) for line in comments], first, chain(top, text))
        yield from _rows(find_columns(layout.fields), layout)
    except (csv.Error, UnicodeError) as error:
        raise UsageError("bad-table", f"the text table cannot be read: {str(error)[:200]}") from error
    finally:
        text.detach()


def _ecsv_rows(head: str, first: str, text: io.TextIOWrapper) -> Iterator[BatchRow]:
    declared = read_ecsv_head(head)
    lines = csv.reader(chain([first], text), delimiter=declared.delimiter, strict=True)
    names = next(lines, [])
    described = {field.name: field for field in declared.fields}
    fields = [described.get(name, TableField(name)) for name in names]
    layout = TextLayout(tuple(fields), (cells for cells in lines if cells), declared.delimiter)
    yield from _rows(find_columns(fields), layout)


def _rows(columns: TargetColumns, layout: TextLayout) -> Iterator[BatchRow]:
    return table_rows(columns, (_fitting(columns, layout, cells) for cells in layout.rows))


def _fitting(columns: TargetColumns, layout: TextLayout, cells: Sequence[str]) -> Sequence[str] | BatchRow:
    """Cells of a row; one whose cells do not fit the header is refused, since they may have shifted."""
    n_cells = len(layout.fields)
    is_short = layout.delimiter == BLANKS and len(cells) < n_cells
    if not is_short and not any(cells[n_cells:]):
        return [_decoded(cell) for cell in cells]
    name = None if columns.id is None or columns.id >= len(cells) else cells[columns.id]
    words = f"the row has {len(cells)} cells, the header {n_cells}"
    return failed_row(row_name(name), UsageError("bad-table", words))


def _encoding(stream: BinaryIO) -> str:
    mark = stream.read(2)
    stream.seek(-len(mark), io.SEEK_CUR)
    return "utf-16" if mark in _UTF16_MARKS else "utf-8-sig"


def _decoded(cell: str) -> str:
    """Text, where it was no UTF-8 as Latin-1."""
    if cell.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in cell):
        return cell
    return cell.encode("utf-8", "surrogateescape").decode("latin-1")


def _head(text: io.TextIOWrapper) -> tuple[list[str], str]:
    """Comment lines at the start, and the first line after them."""
    head: list[str] = []
    length = 0
    for line in text:
        if line.strip() and not line.startswith(("#", "\\")):
            return head, line
        head.append(line)
        length += len(line)
        if length > _LONGEST_HEAD:
            raise UsageError("bad-table", "the head of the table is too long")
    return head, ""
