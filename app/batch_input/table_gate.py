"""What a table says of its own size, looked at before any reader allocates for it."""

import io
from collections.abc import Iterator
from typing import BinaryIO, Final

import yaml

from fiberless.errors import UsageError

__all__ = ["ASTROPY_HEAD", "check_parquet", "check_text"]

ASTROPY_HEAD: Final = b"table_meta_yaml"
"""Key of a Parquet footer under which astropy keeps the head of an ECSV file."""

_MOST_COLUMNS: Final = 2000
_LONGEST_LINE: Final = 2**20
_LONGEST_HEAD: Final = 2**18
_LONGEST_FOOTER: Final = 2**20
_MOST_ALIASES: Final = 100
_DEEPEST: Final = 32
_PARQUET_END: Final = 8
"""Bytes at the end of a Parquet file: length of the footer, and the mark."""


def check_text(stream: BinaryIO) -> None:
    """Pass if the lines, the columns and the head of a CSV or ECSV file are of a size that tables have.

    Raises
    ------
    UsageError
        `table-too-large`, or `bad-table` for a head that is no YAML.

    """
    head, first = _head(stream)
    blanks = len(first.split(None, _MOST_COLUMNS + 1)) - 1
    _check_columns(1 + max(blanks, *(first.count(mark) for mark in (b",", b";", b"\t", b"|"))))
    if head.removeprefix(b"\xef\xbb\xbf").startswith(b"# %ECSV "):
        _check_yaml(b"\n".join(line[2:] for line in head.splitlines()[1:]))
    for _ in _lines(stream):
        pass  # its length is what counts


def check_parquet(stream: BinaryIO) -> None:
    """Pass if the footer of a Parquet file, and what astropy wrote into it, are of a size that tables have.

    Raises
    ------
    UsageError
        `table-too-large`, or `bad-table` where there is no footer.

    """
    import pyarrow as pa  # noqa: PLC0415  half a second that only Parquet costs
    import pyarrow.parquet as pq  # noqa: PLC0415

    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - _PARQUET_END))
    footer_bytes = int.from_bytes(stream.read(_PARQUET_END)[:4], "little")
    if footer_bytes > size:
        raise UsageError("bad-table", "the Parquet file is cut short")
    if footer_bytes > _LONGEST_FOOTER:
        raise UsageError("table-too-large", f"a Parquet footer may have at most {_LONGEST_FOOTER} bytes")
    stream.seek(0)
    try:
        footer = pq.read_metadata(stream)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UsageError("bad-table", "the Parquet file cannot be read") from error
    _check_columns(footer.num_columns)
    _check_yaml((footer.metadata or {}).get(ASTROPY_HEAD, b""))


def _head(stream: BinaryIO) -> tuple[bytes, bytes]:
    """Comment and blank lines at the start, and the first line after them."""
    head = bytearray()
    for line in _lines(stream):
        if line.strip() and not line.startswith(b"#") and not line.startswith(b"\xef\xbb\xbf#"):
            return bytes(head), line
        head += line
        if len(head) > _LONGEST_HEAD:
            raise UsageError("bad-table", "the head of the table is too long")
    return bytes(head), b""


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise UsageError("table-too-large", f"a line may have at most {_LONGEST_LINE} bytes")
        yield line


def _check_columns(columns: int) -> None:
    if columns > _MOST_COLUMNS:
        raise UsageError("table-too-large", f"a table may have at most {_MOST_COLUMNS} columns")


def _check_yaml(text: bytes) -> None:
    """Refuse aliases within what has an alias itself: nine levels of ten make a gigabyte of 600 bytes."""
    anchored: list[bool] = []
    n_aliases = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            match event:
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    anchored.append(event.anchor is not None)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    anchored.pop()
                case yaml.AliasEvent():
                    n_aliases += 1 + _MOST_ALIASES * any(anchored)
                case _:
                    continue
            if len(anchored) > _DEEPEST or n_aliases > _MOST_ALIASES:
                raise UsageError("table-too-large", "the YAML of the table's head has too many aliases")
    except yaml.YAMLError as error:
        raise UsageError("bad-table", "the head of the table cannot be read") from error
