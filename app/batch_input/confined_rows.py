"""Rows of a table or a JSON list, read in a child with limits; what comes back of them is checked again."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO, Final, assert_never

from pydantic import TypeAdapter

from app.batch_input.fits_rows import fits_rows
from app.batch_input.json_rows import json_rows, read_json_batch
from app.batch_input.parquet_rows import parquet_rows
from app.batch_input.table_gate import check_parquet, check_text
from app.batch_input.text_rows import text_rows
from app.batch_input.unpacked import TableKind, kind_of, unpacked
from app.batch_input.votable_rows import votable_rows
from app.confinement import ReadingLimits, confined
from fiberless.contract import PredictionOptions
from fiberless.service.storage import BatchRow

__all__ = [
    "PRELOADED",
    "TableKind",
    "TableLimits",
    "confined_json",
    "confined_rows",
    "decoded_rows",
    "encoded_json",
    "encoded_rows",
    "read_rows",
]

PRELOADED: Final = ("app.batch_input.confined_rows", "pyarrow.parquet")
"""Modules that a child needs."""
_ROWS_AT_ONCE: Final = 1000
_ROWS: Final[TypeAdapter[list[BatchRow]]] = TypeAdapter(list[BatchRow])


@dataclass(frozen=True)
class TableLimits:
    """How large a batch may be, and what reading it may cost."""

    max_rows: int
    reading: ReadingLimits


def confined_rows(stream: BinaryIO, kind: TableKind, limits: TableLimits) -> Generator[BatchRow]:
    """Rows of a table, read in a child.

    Raises
    ------
    UsageError
        `bad-table`, `body-too-large`, `table-too-large`.

    """
    reader = partial(encoded_rows, kind=kind, max_rows=limits.max_rows)
    with closing(confined(reader, stream, limits.reading)) as pieces:
        yield from decoded_rows(pieces)


def confined_json(stream: BinaryIO, limits: TableLimits) -> tuple[PredictionOptions, Generator[BatchRow]]:
    """Options and rows of a JSON batch, read in a child; raises as `confined_rows` and `read_json_batch`."""
    pieces = confined(partial(encoded_json, max_rows=limits.max_rows), stream, limits.reading)
    options = PredictionOptions.model_validate_json(next(pieces))
    return options, _closing_rows(pieces)


def _closing_rows(pieces: Generator[bytes]) -> Generator[BatchRow]:
    with closing(pieces):
        yield from decoded_rows(pieces)


def decoded_rows(pieces: Iterable[bytes]) -> Iterator[BatchRow]:
    """Rows that a child has sent."""
    for piece in pieces:
        yield from _ROWS.validate_json(piece)


# In the child


def encoded_json(stream: BinaryIO, *, max_rows: int) -> Iterator[bytes]:
    """Options of a JSON batch, then its rows, as a child sends them; raises as `read_json_batch`."""
    targets, options = read_json_batch(stream.read(), max_rows=max_rows)
    yield options.model_dump_json().encode()
    yield from _encoded(json_rows(targets))


def encoded_rows(stream: BinaryIO, *, kind: TableKind, max_rows: int) -> Iterator[bytes]:
    """Rows of a table as a child sends them; raises `bad-table`, `body-too-large`, `table-too-large`."""
    with unpacked(stream) as plain:
        yield from _encoded(read_rows(plain, kind=kind_of(plain, declared=kind), max_rows=max_rows))


def read_rows(stream: BinaryIO, *, kind: TableKind, max_rows: int) -> Iterator[BatchRow]:
    """Rows of a table that is not compressed; raises as `encoded_rows`."""
    match kind:
        case "text":
            check_text(stream)
            stream.seek(0)
            return text_rows(stream)
        case "parquet":
            check_parquet(stream)
            stream.seek(0)
            return parquet_rows(stream, max_rows=max_rows)
        case "votable":
            return votable_rows(stream, max_rows=max_rows)
        case "fits":
            return fits_rows(stream, max_rows=max_rows)
    assert_never(kind)


def _encoded(rows: Iterator[BatchRow]) -> Iterator[bytes]:
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        yield _ROWS.dump_json(some)
