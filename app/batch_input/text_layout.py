"""How a text table is laid out: which line is its header, what parts its cells, which lines tell units."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from fiberless.errors import UsageError
from fiberless.targets.angles import is_angle_unit, is_sexagesimal
from fiberless.targets.columns import CellType, TableField

__all__ = ["BLANKS", "TextLayout", "lay_out", "split_rows"]

BLANKS: Final = " "
_DELIMITERS: Final = ("\t", ";", "|", ",")
_QUOTED: Final = re.compile(r'"[^"]*"')
_NUMBER: Final = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_RULE: Final = re.compile(r"[\s:|+=-]*[-=]{2,}[\s:|+=-]*", re.ASCII)


@dataclass(frozen=True)
class TextLayout:
    """Columns, and the rows that follow them.

    Parameters
    ----------
    fields : columns, with the type of their first cell
    rows : cells of the rows

    """

    fields: tuple[TableField, ...]
    rows: Iterator[list[str]]
    delimiter: str


def lay_out(comments: Sequence[str], first: str, lines: Iterable[str]) -> TextLayout:
    """Layout of a table.

    A comment is the header where it has as many cells as the first line, and that line is data: so write
    numpy, TOPCAT and SkyServer. A line of units and a line of dashes below the header are VizieR's.

    Parameters
    ----------
    comments : lines that begin with `#`, before the first
    first : first line that is no comment
    lines : those after it

    """
    header, remaining = _header(comments, first), chain([first], lines)
    if header is None:
        header = first
        next(remaining)
    delimiter = _delimiter(header)
    (names,) = split_rows([_without_bars(header, delimiter)], delimiter) or [[]]
    if not any(names):
        raise UsageError("bad-table", "the table has no header line")
    body = (_without_bars(line, delimiter) for line in remaining if not _is_passed_over(line))
    rows = _rows(body, delimiter)
    top = list(islice(rows, 2))
    units = _units(top)
    data = top[1:] if units else top
    data = [row for row in data if row]
    fields = _fields(names, units, data[0] if data else [])
    return TextLayout(tuple(fields), chain(data, rows), delimiter)


def split_rows(lines: Iterable[str], delimiter: str) -> list[list[str]]:
    """Cells of lines; for those few that are looked at before the table is read."""
    return list(_rows(iter(lines), delimiter))


def _rows(lines: Iterator[str], delimiter: str) -> Iterator[list[str]]:
    if delimiter == BLANKS:
        lines = (" ".join(line.split("\t")).strip() + "\n" for line in lines)
    if delimiter == "|":
        reader = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        is_strict = delimiter in {",", ";"}
        reader = csv.reader(lines, delimiter=delimiter, strict=is_strict, skipinitialspace=True)
    return ([cell.strip() for cell in row] for row in reader if row and row != [""])


def _header(comments: Sequence[str], first: str) -> str | None:
    """Comment that names the columns of the line after it; None where the first line is the header."""
    for comment in reversed(comments):
        body = comment.strip().lstrip("#").strip()
        if not body:
            continue
        delimiter = _delimiter(body)
        cells = split_rows([body, first], delimiter)
        if (
            len(cells) == 2
            and len(cells[0]) == len(cells[1])
            and _is_data(cells[1])
            and not _is_data(cells[0])
        ):
            return body
    return None


def _is_data(cells: Sequence[str]) -> bool:
    return any(_NUMBER.fullmatch(cell) or is_sexagesimal(cell) for cell in cells)


def _delimiter(line: str) -> str:
    """What parts the cells of a header: the commonest outside of quotes; blanks where there is none."""
    bare = _QUOTED.sub("", line.strip())
    best = max(_DELIMITERS, key=bare.count)
    if bare.count(best):
        return best
    return BLANKS if bare.split(None, 1)[1:] else ","


def _without_bars(line: str, delimiter: str) -> str:
    """Line without the bars at its ends, as Markdown has them."""
    bare = line.strip()
    return bare[1:-1] if delimiter == "|" and len(bare) > 1 and bare[0] == bare[-1] == "|" else line


def _is_passed_over(line: str) -> bool:
    """Whether a line is a rule (dashes) or a comment between the rows."""
    return _RULE.fullmatch(line) is not None or line.startswith("#")


def _units(top: Sequence[Sequence[str]]) -> Sequence[str]:
    """Cells of a line of units below the header; empty where there is none."""
    if not top or _is_data(top[0]):
        return []
    return top[0] if any(cell and is_angle_unit(cell) for cell in top[0]) else []


def _fields(names: Sequence[str], units: Sequence[str], data: Sequence[str]) -> Iterator[TableField]:
    for place, name in enumerate(names):
        cell = data[place] if place < len(data) else ""
        kind: CellType = "" if not cell else "number" if _NUMBER.fullmatch(cell) else "text"
        yield TableField(name, units[place] if place < len(units) else "", "", kind)
