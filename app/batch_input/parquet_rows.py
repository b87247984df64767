"""Rows of a Parquet file, a bounded number in memory at a time."""

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from app.batch_input.ecsv_head import read_ecsv_head
from app.batch_input.rows import table_rows
from app.batch_input.table_gate import ASTROPY_HEAD
from fiberless.errors import UsageError
from fiberless.service.storage import BatchRow
from fiberless.targets.columns import CellType, TableField, find_columns

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
            yield from table_rows(columns, zip(*by_place, strict=True))
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
    """Columns with what astropy wrote of them, if it did, else with the types of the file."""
    head = (schema.metadata or {}).get(ASTROPY_HEAD)
    known: dict[str, TableField] = {}
    if head is not None:
        text = "\n".join(f"# {line}" for line in ("", *head.decode(errors="replace").splitlines()))
        known = {field.name: field for field in read_ecsv_head(text).fields}
    return [known.get(column.name, TableField(column.name, type=_type(column.type))) for column in schema]


def _type(arrow_type: Any) -> CellType:
    words = str(arrow_type)
    if words.startswith(("string", "large_string", "string_view")):
        return "text"
    return "number" if words.startswith(("int", "uint", "float", "double", "halffloat", "decimal")) else ""
