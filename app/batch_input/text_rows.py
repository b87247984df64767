"""Rows of CSV and ECSV, read line by line."""

import csv
import io
from collections.abc import Iterator
from itertools import chain
from typing import Any, BinaryIO, Final

import yaml

from app.batch_input.columns import TableField, find_columns
from fiberless.errors import UsageError
from fiberless.service.storage import BatchRow

__all__ = ["ecsv_fields", "text_rows"]

_LONGEST_HEAD: Final = 2**18
_ECSV_MARK: Final = "# %ECSV "


class _PlainLoader(yaml.SafeLoader):
    """Builds plain values only; what has a tag of its own, as mixed columns of astropy have, is None."""


_PlainLoader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)


def text_rows(stream: BinaryIO) -> Iterator[BatchRow]:
    """Rows of a CSV or ECSV file; lines that begin with `#` before its header line are comments.

    Raises
    ------
    UsageError
        `bad-table` where it is not such a file.

    """
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        head, first = _head(text)
        given = ecsv_fields("".join(head)) if head and head[0].startswith(_ECSV_MARK) else None
        delimiter = "," if given is None else given[1]
        lines = csv.reader(chain([first], text), delimiter=delimiter, strict=True)
        names = next(lines, [])
        described = {} if given is None else {field.name: field for field in given[0]}
        columns = find_columns(described.get(name, TableField(name)) for name in names)
        yield from (columns.row(cells) for cells in lines if cells)
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError("bad-table", f"the text table cannot be read: {str(error)[:200]}") from error
    finally:
        text.detach()


def ecsv_fields(head: str) -> tuple[list[TableField], str]:
    """Columns and delimiter that the YAML head of an ECSV file declares.

    Raises
    ------
    UsageError
        `bad-table` if it is not such a head.

    """
    document = "\n".join(line[2:] for line in head.splitlines()[1:])
    try:
        described = _PlainLoader(document).get_single_data()
        columns = described["datatype"]
        fields = [_field(column) for column in columns]
        delimiter = str(described.get("delimiter", " "))
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        raise UsageError("bad-table", "the head of the ECSV table cannot be read") from error
    if delimiter not in {" ", ","}:
        raise UsageError("bad-table", "an ECSV table is delimited by blanks or commas")
    return fields, delimiter


def _head(text: io.TextIOWrapper) -> tuple[list[str], str]:
    """Comment lines at the start, and the first line after them."""
    head: list[str] = []
    length = 0
    for line in text:
        if line.strip() and not line.startswith("#"):
            return head, line
        head.append(line)
        length += len(line)
        if length > _LONGEST_HEAD:
            raise UsageError("bad-table", "the head of the table is too long")
    return head, ""


def _field(column: Any) -> TableField:
    return TableField(name=str(column["name"]), unit=str(column.get("unit", "")))
