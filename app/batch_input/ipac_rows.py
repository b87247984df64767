"""Rows of an IPAC table, the fixed-width form of IRSA, NED and TOPCAT."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from app.batch_input.rows import table_rows
from fiberless.errors import UsageError
from fiberless.service.storage import BatchRow
from fiberless.targets.columns import TableField, find_columns

__all__ = ["ipac_rows", "is_ipac"]

_TYPES: Final = frozenset(
    ["c", "char", "date", "d", "double", "f", "float", "r", "real", "i", "int", "l", "long"]
)


def is_ipac(first: str, second: str) -> bool:
    """Whether two lines are the names and the types of an IPAC table."""
    if not first.startswith("|") or not second.startswith("|"):
        return False
    types = {cell.strip().lower() for cell in second.strip().strip("|").split("|")}
    return bool(types - {""}) and types <= _TYPES | {""}


def ipac_rows(lines: Iterable[str]) -> Iterator[BatchRow]:
    """Rows of an IPAC table; raises `bad-table` where astropy cannot read it."""
    from astropy.io import ascii as text_tables  # noqa: PLC0415  a third of a second that only IPAC costs

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of astropy, on keywords that nobody reads
            table = text_tables.read([line.rstrip("\r\n") for line in lines], format="ipac", guess=False)
    except (ValueError, TypeError, IndexError, KeyError, text_tables.InconsistentTableError) as error:
        raise UsageError("bad-table", f"the IPAC table cannot be read: {str(error)[:200]}") from error
    fields = [TableField(name, _unit(table[name])) for name in table.colnames]
    yield from table_rows(find_columns(fields), (_cells(row) for row in table.iterrows()))


def _unit(column: Any) -> str:
    return "" if column.unit is None else str(column.unit)


def _cells(row: Sequence[Any]) -> list[object]:
    """Cells as plain values; a masked one is None."""
    return [None if getattr(cell, "mask", False) is not False and bool(cell.mask) else cell for cell in row]
