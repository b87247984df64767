"""Rows of a Parquet file, a bounded number in memory at a time."""

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from app.batch_input.columns import TableField, find_columns
from app.batch_input.table_gate import ASTROPY_HEAD
from app.batch_input.text_rows import ecsv_fields
from fiberless.errors import UsageError
from fiberless.service.storage import BatchRow

__all__ = ["parquet_rows"]

_ROWS_AT_ONCE: Final = 4096
_MOST_BYTES_A_COLUMN: Final = 2**28


def parquet_rows(stream: BinaryIO, *, max_rows: int) -> Iterator[BatchRow]:
    """Rows of a Parquet file; units are those that astropy wrote into it, if it did.

    Raises
    ------
    UsageError
        `bad-table` where it is not such a file; `body-too-large` for more rows, or more bytes when unpacked.

    """
    import pyarrow as pa  # noqa: PLC0415  half a second that only Parquet costs
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        file = pq.ParquetFile(stream)
        _check_size(file.metadata, max_rows)
        columns = find_columns(_fields(file.schema_arrow))
        names = [file.schema_arrow.names[place] for place in columns.places]
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=names):
            cells = dict(zip(names, (column.to_pylist() for column in batch.columns), strict=True))
            none = [None] * batch.num_rows
            by_place = [cells.get(name, none) for name in file.schema_arrow.names]
            yield from (columns.row(row) for row in zip(*by_place, strict=True))
    except UsageError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise UsageError("bad-table", "the Parquet file cannot be read") from error


def _check_size(metadata: Any, max_rows: int) -> None:
    """Refuse by what the file says of itself, before anything is unpacked."""
    if metadata.num_rows > max_rows:
        raise UsageError("body-too-large", f"a batch may have at most {max_rows} rows")
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        sizes = [row_group.column(place).total_uncompressed_size for place in range(row_group.num_columns)]
        if max(sizes, default=0) > _MOST_BYTES_A_COLUMN:
            raise UsageError("body-too-large", "a column of the Parquet file is too large when unpacked")


def _fields(schema: Any) -> list[TableField]:
    head = (schema.metadata or {}).get(ASTROPY_HEAD)
    units: dict[str, str] = {}
    if head is not None:
        text = "\n".join(f"# {line}" for line in ("", *head.decode(errors="replace").splitlines()))
        units = {field.name: field.unit for field in ecsv_fields(text)[0]}
    return [TableField(name, units.get(name, "")) for name in schema.names]
