"""The rows of a batch with all that was predicted for them, one after the other, never all in memory."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from fiberless.contract import BatchItem, Prediction
from fiberless.products.columns import Cell, Column, row_columns, row_of
from fiberless.products.row_streams import csv_stream, json_stream, parquet_stream, votable_stream
from fiberless.service.storage import Store

__all__ = ["RESULT_MEDIA_TYPES", "result_columns", "result_rows", "result_stream"]

RESULT_MEDIA_TYPES: Final[Mapping[str, str]] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "votable": "application/x-votable+xml",
    "parquet": "application/vnd.apache.parquet",
}
_ROWS_AT_ONCE: Final = 32
"""Documents in memory; each has some hundred kilobytes."""
_TITLE: Final = "Properties predicted from images, not observed; one row for each row of the batch"
_ROW_COLUMNS: Final = (
    Column("row", "int64", "", "meta.record", "Place in the batch, from 0"),
    Column("id", "string", "", "meta.id", "Identifier of the row, as the caller wrote it"),
    Column("phase", "string", "", "meta.code.status", "COMPLETED, ERROR, ABORTED, or where the row is"),
    Column("error", "string", "", "meta.code.error", "What was wrong, if something was: type of the problem"),
    Column("error_detail", "string", "", "meta.note", "What was wrong with this row"),
    Column("job_id", "string", "", "meta.id", "Name of the job"),
)


def result_columns() -> tuple[Column, ...]:
    """Columns of the results: where each row stands, then those that every prediction has as one row."""
    return _ROW_COLUMNS + row_columns()


def result_rows(store: Store, batch_id: str, *, owner: str) -> Iterator[tuple[Cell, ...]]:
    """Rows of a batch in their order, as they are now; a bounded number is read at a time."""
    after = -1
    while some := store.batches.outcomes(batch_id, owner=owner, after_row=after, limit=_ROWS_AT_ONCE):
        yield from (_cells(item, document) for item, document in some)
        after = some[-1][0].row


def result_stream(store: Store, batch_id: str, *, owner: str, format_name: str) -> Iterator[bytes]:
    """Results in one of `RESULT_MEDIA_TYPES`, written while they are read."""
    rows = result_rows(store, batch_id, owner=owner)
    facts = {"batch_id": batch_id, "kind": "predicted-properties", "title": _TITLE}
    writers: Mapping[str, Callable[[], Iterator[bytes]]] = {
        "csv": lambda: csv_stream(result_columns(), rows),
        "json": lambda: json_stream(result_columns(), rows, facts=facts),
        "votable": lambda: votable_stream(result_columns(), rows, name="predictions", description=_TITLE),
        "parquet": lambda: parquet_stream(result_columns(), rows, facts=facts),
    }
    return writers[format_name]()


def _cells(item: BatchItem, document: bytes | None) -> tuple[Cell, ...]:
    slug, detail = (None, None) if item.error is None else (item.error.slug, item.error.detail)
    head = (item.row, item.id, item.phase.value, slug, detail, item.job_id)
    if document is not None:
        return head + row_of(Prediction.model_validate_json(document))
    known: dict[str, Cell] = {"object_id": item.object_id, "ra": item.ra, "dec": item.dec}
    return head + tuple(known.get(column.name) for column in row_columns())
