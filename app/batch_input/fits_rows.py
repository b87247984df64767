"""Rows of a FITS table, binary or ASCII: the first extension that holds positions, else the first table."""

import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from app.batch_input.rows import table_rows
from fiberless.errors import UsageError
from fiberless.service.storage import BatchRow
from fiberless.targets.columns import CellType, TableField, TargetColumns, find_columns
from fiberless.targets.frames import SkyFrame, read_frame
from fiberless.targets.position_names import axis_of_name, axis_of_ucd

__all__ = ["fits_rows"]

_MOST_TABLES: Final = 64
_ROWS_AT_ONCE: Final = 4096
_CARD_SYSTEMS: Final = ("RADESYS", "RADECSYS", "RADESYSA")


def fits_rows(stream: BinaryIO, *, max_rows: int) -> Iterator[BatchRow]:
    """Rows of a FITS table, with its units (TUNIT), UCDs (TUCD) and frame (RADESYS, EQUINOX).

    Raises
    ------
    UsageError
        `bad-table` where there is no such table; `body-too-large` for more rows.

    """
    from astropy.io import fits  # noqa: PLC0415  a third of a second that only FITS costs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of astropy, on cards that nobody reads
        try:
            with fits.open(stream, memmap=False, lazy_load_hdus=True) as hdus:
                table, columns = _chosen(hdus)
                _check_rows(table, max_rows)
                yield from table_rows(columns, _cells(table, columns))
        except UsageError:
            raise
        except (OSError, ValueError, TypeError, KeyError, IndexError, EOFError, fits.VerifyError) as error:
            raise UsageError("bad-table", "the FITS table cannot be read") from error


def _check_rows(hdu: Any, max_rows: int) -> None:
    if hdu.header.get("NAXIS2", 0) > max_rows:
        raise UsageError("body-too-large", f"a batch may have at most {max_rows} rows")


def _chosen(hdus: Any) -> tuple[Any, TargetColumns]:
    """Table that holds positions, and their columns; a table of names alone only where no other has any."""
    named: tuple[Any, TargetColumns] | None = None
    refusal: UsageError | None = None
    for place, hdu in enumerate(hdus):
        if place > _MOST_TABLES:
            raise UsageError("bad-table", f"the FITS file has more than {_MOST_TABLES} extensions")
        if not hasattr(hdu, "columns"):
            continue
        try:
            columns = find_columns(_fields(hdu))
        except UsageError as error:
            refusal = refusal or error
            continue
        if columns.position is not None:
            return hdu, columns
        named = named or (hdu, columns)
    if refusal is not None:
        raise refusal
    if named is None:
        raise UsageError(
            "bad-table", "the FITS file holds no table; images go to /api/v1/predictions, or as `image`"
        )
    return named


def _fields(hdu: Any) -> list[TableField]:
    header = hdu.header
    frame = _frame(header)
    fields = []
    for number, column in enumerate(hdu.columns, start=1):
        ucd = str(header.get(f"TUCD{number}", ""))
        is_position = axis_of_name(column.name) or axis_of_ucd(ucd)
        fields.append(
            TableField(
                column.name, str(column.unit or ""), ucd, _type(column), frame if is_position else None
            )
        )
    return fields


def _frame(header: Any) -> SkyFrame | UsageError | None:
    """Frame that the cards of a table declare; None where none does."""
    system = next((str(header[card]) for card in _CARD_SYSTEMS if card in header), "")
    equinox = str(header.get("EQUINOX", ""))
    if not system and not equinox:
        return None
    try:
        return read_frame(system, equinox)
    except UsageError as error:
        return error


def _type(column: Any) -> CellType:
    letters = str(column.format).lstrip("0123456789")[:1]
    if letters == "A":
        return "text"
    return "number" if letters in set("BIJKEDFL") else ""


def _cells(hdu: Any, columns: TargetColumns) -> Iterator[list[object]]:
    """Cells of each row at the places in use, the others None."""
    names = [hdu.columns.names[place] for place in columns.places]
    nulls = {name: hdu.columns[name].null for name in names}
    for begin in range(0, len(hdu.data), _ROWS_AT_ONCE):
        some = hdu.data[begin : begin + _ROWS_AT_ONCE]
        parts = {name: some.field(name).tolist() for name in names}
        for row in range(len(some)):
            cells: list[object] = [None] * len(hdu.columns)
            for place, name in zip(columns.places, names, strict=True):
                value = parts[name][row]
                cells[place] = None if nulls[name] is not None and value == nulls[name] else value
            yield cells
