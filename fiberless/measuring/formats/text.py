"""Plain text of columns: CSV in its dialects, columns between blanks, names in a comment, units below."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from fiberless.errors import UsageError
from fiberless.measuring.formats.columns import TableColumn
from fiberless.measuring.formats.unit_text import is_unit_text

__all__ = ["TextTable", "decoded", "text_table"]

_COMMENTS: Final = ("#", "%", "!", "//")
_DELIMITERS: Final = (";", "\t", ",", "|", None)
_Columns: TypeAlias = tuple[list[TableColumn], list[str]]
_MISSING: Final = frozenset({"", "nan", "na", "n/a", "null", "none", "--", "-", "masked"})
_TRUTHS: Final = frozenset({"true", "false", "t", "f", "yes", "no"})
_INDEX: Final = re.compile(r"(unnamed: ?\d+|index|row|pixel|pix|idx|id|n|#)?", re.IGNORECASE)
_GENERIC: Final = re.compile(r"(col(umn)?|c|var|v)?[ _]?\d+", re.IGNORECASE)
_MIN_SHARE: Final = 0.9
_MAX_HEAD: Final = 200


@dataclass(frozen=True, eq=False)
class TextTable:
    """Columns of a text, and what had to be assumed.

    Parameters
    ----------
    columns : wavelength, flux and error by order where `is_named` is false
    comments : all comment lines as one text
    notes : what had to be assumed

    """

    columns: tuple[TableColumn, ...]
    comments: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Rows:
    """Cells of the lines of one delimiter."""

    cells: list[list[str]]
    delimiter: str | None

    @property
    def width(self) -> int:
        """Cells of most lines."""
        counts = [len(row) for row in self.cells[-200:]]
        return max(set(counts), key=lambda width: (counts.count(width), width)) if counts else 0

    @property
    def numeric_share(self) -> float:
        """Share of the cells of the last lines that are numbers, missing ones or truth values."""
        last = [cell for row in self.cells[-200:] for cell in row]
        return sum(map(_is_datum, last)) / max(len(last), 1)


class _Headed(NamedTuple):
    """Lines of a text: remarks, names and units, numbers."""

    remarks: list[list[str]]
    header: list[list[str]]
    data: list[list[str]]


def decoded(content: bytes) -> str:
    """Text of UTF-8, UTF-16 with its mark, else Latin-1."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def text_table(name: str, text: str) -> TextTable:
    """Columns of a text with their names and units.

    Raises
    ------
    UsageError
        `not-a-spectrum` if it has no two columns of numbers.

    """
    lines = [line for line in text.splitlines() if line.strip()]
    comments = [line for line in lines if line.lstrip().startswith(_COMMENTS)]
    body = [line for line in lines if not line.lstrip().startswith(_COMMENTS)]
    if not body or "\x00" in text:
        raise UsageError("not-a-spectrum", f"{name} is no table of numbers")
    rows = _split(name, body)
    remarks, header, data = _headed(rows)
    titles = header[0] if header else _numbered(comments, rows) or _commented(comments, rows)
    unit_row = header[1] if len(header) > 1 else None
    said = "no names of columns understood" if comments else "columns without names"
    columns, notes = _columns(name, titles, unit_row, data, rows.width, said=said)
    if len(columns) < 2:
        raise UsageError("not-a-spectrum", f"{name} has one column; wavelength and flux are needed")
    if remarks:
        notes.append(f"{len(remarks)} lines before the columns' names not used")
    return TextTable(tuple(columns), "\n".join(comments), tuple(notes))


def _split(name: str, body: Sequence[str]) -> _Rows:
    tried = [_Rows(_cells(body, delimiter), delimiter) for delimiter in _DELIMITERS]
    wide = [rows for rows in tried if rows.width > 1 and rows.numeric_share > 0.5]
    if wide:
        return max(wide, key=lambda rows: (rows.numeric_share, rows.delimiter is not None))
    if any(rows.width > 1 for rows in tried) and not any(map(_is_datum, body[-1].split())):
        raise UsageError("not-a-spectrum", f"{name} is no table of numbers")
    if all(rows.width <= 1 for rows in tried):
        raise UsageError("not-a-spectrum", f"{name} has one column; wavelength and flux are needed")
    raise UsageError("not-a-spectrum", f"{name}: its columns are not numbers")


def _cells(body: Sequence[str], delimiter: str | None) -> list[list[str]]:
    if delimiter is None:
        rows = [[cell.strip('"') for cell in line.split()] for line in body]
    else:
        rows = [[cell.strip() for cell in row] for row in csv.reader(body, delimiter=delimiter)]
    if delimiter != "," and any(re.fullmatch(r"[-+]?\d+,\d+([eE][-+]?\d+)?", cell) for cell in rows[-1]):
        rows = [[_decimal_point(cell) for cell in row] for row in rows]
    return rows


def _decimal_point(cell: str) -> str:
    return cell.replace(",", ".") if re.fullmatch(r"[-+]?\d*,\d+([eE][-+]?\d+)?", cell) else cell


def _headed(rows: _Rows) -> _Headed:
    """The lines of numbers, and before them remarks and up to two lines of words, names and units."""
    is_data = [len(row) == rows.width and any(map(_is_number, row)) for row in rows.cells[:_MAX_HEAD]]
    # a remark may hold numbers as well: the numbers begin where two lines of them follow each other
    pairs = (i for i in range(len(is_data)) if all(is_data[i : i + 2]))
    first = next(pairs, 0)
    words = [_is_words(row, rows.width) for row in rows.cells[:first]]
    start = first - 1 if words[-1:] == [True] else first
    if words[-2:] == [True, True] and any(map(is_unit_text, rows.cells[start])):
        start -= 1
    return _Headed(rows.cells[:start], rows.cells[start:first], rows.cells[first:])


def _is_words(row: Sequence[str], width: int) -> bool:
    """Whether a line may name the columns: R leaves out the name of the index."""
    return len(row) in {width, width - 1} and not any(map(_is_number, row))


def _numbered(comments: Sequence[str], rows: _Rows) -> list[str] | None:
    """Names from comment lines that number the columns: `1: lambda [Angstrom]`."""
    found = {}
    for line in comments:
        match = re.fullmatch(r"[#%!/\s]*(?:col(?:umn)?)?\s*(\d+)\s*[:.)=]\s*(.+?)\s*", line, re.IGNORECASE)
        if match:
            found[int(match[1])] = match[2]
    numbers = range(1, rows.width + 1)
    return [found[number] for number in numbers] if set(found) >= set(numbers) else None


def _commented(comments: Sequence[str], rows: _Rows) -> list[str] | None:
    """Names from the last comment line with one for each column."""
    for line in reversed(comments):
        words = line.lstrip().lstrip("#%!/").strip()
        for titles in (
            [cell.strip() for cell in words.split(rows.delimiter or "\t")],
            re.findall(r"[^\s,;]+(?:\s*[\[(][^\])]*[\])])?", words),
        ):
            if len(titles) == rows.width and not any(map(_is_number, titles)):
                return titles
    return None


def _columns(
    name: str,
    titles: list[str] | None,
    unit_row: list[str] | None,
    data: Sequence[list[str]],
    width: int,
    *,
    said: str,
) -> _Columns:
    whole = [row for row in data if len(row) == width]
    notes = []
    if len(whole) < len(data):
        notes.append(f"{len(data) - len(whole)} lines of another number of cells left out")
    if len(whole) < _MIN_SHARE * len(data):
        raise UsageError("not-a-spectrum", f"{name}: its lines differ in their numbers of cells")
    if titles is not None and len(titles) == width - 1:
        titles = ["", *titles]  # R writes no name for the index
    titles = None if titles is None or len(titles) != width else titles
    values = [_values([row[i] for row in whole]) for i in range(width)]
    names = titles or [f"col{i + 1}" for i in range(width)]
    filled = [i for i in range(width) if any(row[i] for row in whole)]
    kept = [i for i in filled if titles is None or not _is_index(names[i], values[i])]
    if titles is None or all(_GENERIC.fullmatch(names[i]) for i in kept):
        return _by_order([values[i] for i in kept], notes, said)
    unit_of = unit_row if unit_row is not None and any(map(is_unit_text, unit_row)) else None
    texts = [None if unit_of is None else unit_of[i].strip("[]() ") or None for i in range(width)]
    return [TableColumn.titled(names[i], values[i], texts[i]) for i in kept], notes


def _by_order(values: Sequence[npt.NDArray[Any]], notes: list[str], said: str) -> _Columns:
    """Columns without names, as wavelength, flux and error, behind one that counts the rows."""
    counts = len(values) > 2 and _is_index("", values[0]) and values[0][0] in (0, 1)
    kept = list(values[1:] if counts else values)
    words = ("wavelength", "flux", "error")[: len(kept)]
    columns = [TableColumn(word, column) for word, column in zip(words, kept, strict=False)]
    taken = f"{said}: taken in their order as {', '.join(words)}"
    taken += " behind one that counts the rows" if counts else ""
    left = len(kept) - len(words)
    return columns, [*notes, taken + (f"; {left} more not used" if left else "")]


def _is_index(name: str, values: npt.NDArray[Any]) -> bool:
    """Whether a column only counts the rows."""
    if not _INDEX.fullmatch(name) or values.dtype.kind != "f" or values.size < 2:
        return False
    return bool(np.all(np.diff(values) == 1))


def _values(cells: Sequence[str]) -> npt.NDArray[Any]:
    """Numbers (L,), NaN where missing; words where they are none."""
    if all(cell.lower() in _TRUTHS or cell in {"", "0", "1"} for cell in cells):
        return np.array(cells)
    try:
        return np.array([_number(cell) for cell in cells])
    except ValueError:
        return np.array(cells)


def _number(cell: str) -> float:
    low = cell.lower()
    if low in _MISSING:
        return float("nan")
    return float(low.replace("d", "e"))


def _is_number(cell: str) -> bool:
    try:
        return not np.isnan(_number(cell))
    except ValueError:
        return False


def _is_datum(cell: str) -> bool:
    return cell.lower() in _MISSING or cell.lower() in _TRUTHS or _is_number(cell)
