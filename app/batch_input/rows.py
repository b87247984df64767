"""One row of a table as what is to be done for it, or as what is wrong with it: no row can sink its batch."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
from pydantic import TypeAdapter, ValidationError

from fiberless.contract import OBJECT_ID_WORDS, ErrorReport, ObjectId, Target
from fiberless.errors import ErrorKind, UsageError
from fiberless.service.storage import BatchRow
from fiberless.targets.by_hand import read_position
from fiberless.targets.columns import PositionColumns, TargetColumns
from fiberless.targets.frames import ICRS, SkyFrame, to_icrs
from fiberless.targets.identifiers import identifier_text
from fiberless.targets.positions import cell_frame, cell_position, checked_position

__all__ = ["as_object_id", "failed_row", "named_row", "position_row", "row_name", "table_rows"]

_LONGEST_NAME: Final = 128
_ROWS_AT_ONCE: Final = 1000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_OBJECT_ID: Final[TypeAdapter[str]] = TypeAdapter(ObjectId)


class _Placed(NamedTuple):
    """A row whose position is known in its own frame, degrees."""

    name: str | None
    position: tuple[float, float]
    frame: SkyFrame


def table_rows(columns: TargetColumns, rows: Iterable[Sequence[object] | BatchRow]) -> Iterator[BatchRow]:
    """Rows of the batch from those of a table, some at a time.

    Cells that a short row lacks are missing; what is a row of the batch already is passed on.
    """
    remaining = iter(rows)
    while some := list(islice(remaining, _ROWS_AT_ONCE)):
        if columns.position is None:
            yield from (row if isinstance(row, BatchRow) else _named(_cell(row, columns.id)) for row in some)
        else:
            position = columns.position
            yield from _in_icrs(
                [row if isinstance(row, BatchRow) else _placed(row, columns.id, position) for row in some]
            )


def position_row(name: object, ra: object, dec: object) -> BatchRow:
    """Row of a position, ICRS: degrees, or sexagesimal text."""
    return _in_icrs([_placed((name, ra, dec), 0, PositionColumns(1, 2))])[0]


def named_row(name: object, object_id: object) -> BatchRow:
    """Row of an object that a survey knows by name."""
    known = row_name(name) or row_name(object_id)
    try:
        survey_name = _OBJECT_ID.validate_python(None if object_id is None else str(object_id))
        return BatchRow(name=known, object_id=survey_name, target=Target(object_id=survey_name))
    except ValidationError:
        error = UsageError("invalid-object-id", f"without ra and dec a name is needed: {OBJECT_ID_WORDS}")
        return failed_row(known, error)


def failed_row(name: str | None, error: UsageError) -> BatchRow:
    """Row that ends with an error before it begins."""
    report = ErrorReport(slug=error.slug, kind=ErrorKind.USAGE, detail=error.detail)
    return BatchRow(name=name, object_id=as_object_id(name), error=report)


def row_name(name: object) -> str | None:
    """Identifier as text that can be stored and shown, however long and strange it was; None if blank."""
    if name is None:
        return None
    text = name.decode("latin-1").rstrip("\0") if isinstance(name, bytes) else str(name)
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text).strip()[:_LONGEST_NAME] or None


def as_object_id(name: str | None) -> str | None:
    """The identifier, where it can name an object of this service."""
    try:
        return None if name is None else _OBJECT_ID.validate_python(name)
    except ValidationError:
        return None


def _named(cell: object) -> BatchRow:
    try:
        return named_row(None, identifier_text(cell))
    except UsageError as error:
        return failed_row(row_name(cell), error)


def _placed(row: Sequence[object], id_place: int | None, columns: PositionColumns) -> _Placed | BatchRow:
    name = _cell(row, id_place)
    try:
        checked = _checked_name(identifier_text(name))
        frame = cell_frame(columns, _cell(row, columns.system), _cell(row, columns.equinox))
        first, second = _cell(row, columns.first), _cell(row, columns.second)
        if columns.is_combined:
            return _Placed(checked, read_position("" if first is None else str(first)), frame)
        return _Placed(checked, cell_position(columns, first, second), frame)
    except UsageError as error:
        return failed_row(row_name(name), error)


def _in_icrs(rows: Sequence[_Placed | BatchRow]) -> list[BatchRow]:
    """Rows with their positions in ICRS, those of a frame converted together."""
    ready = list(rows)
    for frame in {row.frame for row in rows if isinstance(row, _Placed)} - {ICRS}:
        at = [place for place, row in enumerate(rows) if isinstance(row, _Placed) and row.frame == frame]
        positions = np.array(
            [row.position for row in rows if isinstance(row, _Placed) and row.frame == frame]
        )
        for place, (ra, dec) in zip(at, to_icrs(positions, frame).tolist(), strict=True):
            ready[place] = rows[place]._replace(position=(ra, dec))  # type: ignore[union-attr]  # chosen above
    return [_row_of(row) if isinstance(row, _Placed) else row for row in ready]


def _row_of(placed: _Placed) -> BatchRow:
    ra, dec = checked_position(*placed.position)
    target = Target.model_construct(ra=ra, dec=dec, object_id=None)
    return BatchRow(name=placed.name, object_id=as_object_id(placed.name), target=target)


def _cell(row: Sequence[object], place: int | None) -> object:
    return row[place] if place is not None and place < len(row) else None


def _checked_name(name: str | None) -> str | None:
    """Identifier that could be kept as it was written."""
    kept = row_name(name)
    if name is not None and kept != name.strip():
        raise UsageError(
            "invalid-object-id",
            f"an id has at most {_LONGEST_NAME} characters, none of them control characters",
        )
    return kept
