"""Tables that come compressed, and what kind of table bytes are."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Final, Literal, TypeAlias, cast

from fiberless.errors import UsageError

__all__ = ["TableKind", "kind_of", "unpacked"]

TableKind: TypeAlias = Literal["text", "votable", "parquet", "fits"]
_MOST_BYTES: Final = 2**29
_IN_MEMORY_BYTES: Final = 2**20
_CHUNK_BYTES: Final = 2**18
_OPENERS: Final[Mapping[bytes, Callable[[BinaryIO], Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}


@contextmanager
def unpacked(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Stream of a table; one that gzip, bzip2 or xz has compressed is unpacked into a temporary file.

    Raises
    ------
    UsageError
        `bad-table` if it is damaged or a ZIP archive; `table-too-large` if it unpacks to more than 0.5 GB.

    """
    head = stream.read(8)
    stream.seek(0)
    if head.startswith(b"PK\x03\x04"):
        raise UsageError(
            "bad-table", "a ZIP archive (or .xlsx) is not read; send the table itself, or .gz of it"
        )
    opener = next((opener for mark, opener in _OPENERS.items() if head.startswith(mark)), None)
    if opener is None:
        yield stream
        return
    with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as plain:
        try:
            with opener(stream) as source:
                while chunk := source.read(_CHUNK_BYTES):
                    plain.write(chunk)
                    if plain.tell() > _MOST_BYTES:
                        raise UsageError("table-too-large", f"a table unpacks to at most {_MOST_BYTES} bytes")
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise UsageError("bad-table", "the compressed table is damaged") from error
        plain.seek(0)
        yield cast("BinaryIO", plain)


def kind_of(stream: BinaryIO, *, declared: TableKind = "text") -> TableKind:
    """Kind of a table by its first bytes; as declared where they tell nothing."""
    head = stream.read(256)
    stream.seek(0)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"SIMPLE  ="):
        return "fits"
    return "votable" if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else declared
