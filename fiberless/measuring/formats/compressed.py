"""Bytes of a file, unpacked if they are compressed, and what kind of file they make."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final

from fiberless.errors import UsageError

__all__ = ["unpacked"]

_MAX_BYTES: Final = 1 << 30
_FOREIGN: Final = MappingProxyType(
    {
        b"\x89HDF": "HDF5",
        b"\x93NUMPY": "NumPy",
        b"\x89PNG": "PNG",
        b"%PDF": "PDF",
        b"\x28\xb5\x2f\xfd": "Zstandard",
        b"ARROW1": "Arrow",
        b"\xff\xd8\xff": "JPEG",
        b"#ASDF": "ASDF",
        b"{": "JSON",
        b"\\documentclass": "LaTeX",
        b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    }
)
_KNOWN: Final = "FITS, VOTable, ECSV, CSV, text, Parquet; also as .gz, .bz2, .xz or .zip of one file"


def unpacked(path: Path) -> bytes:
    """Content of a file, through gzip, bzip2, xz and zip archives of one file.

    Raises
    ------
    UsageError
        `not-a-spectrum` if the file is missing, empty, damaged, too large, or of a kind that is not read.

    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UsageError("not-a-spectrum", f"{path.name} has more than {_MAX_BYTES >> 20} MiB")
        content = _inner(path.name, path.read_bytes())
    except OSError as error:
        raise UsageError("not-a-spectrum", f"{path.name}: {error.strerror or error}") from error
    except (EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile) as error:
        raise UsageError("not-a-spectrum", f"{path.name} is damaged: {error}") from error
    if not content.strip():
        raise UsageError("not-a-spectrum", f"{path.name} is empty")
    kind = next((kind for start, kind in _FOREIGN.items() if content.startswith(start)), None)
    if kind is not None:
        raise UsageError("not-a-spectrum", f"{path.name} is a file of kind {kind}; what is read: {_KNOWN}")
    return content


def _inner(name: str, content: bytes) -> bytes:
    for start, opened in ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ", lzma.open)):
        if content.startswith(start):
            with opened(io.BytesIO(content)) as stream:
                return _limited(name, stream)
    if content.startswith(b"PK\x03\x04"):
        return _member(name, content)
    return content


def _member(name: str, content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [item.filename for item in archive.infolist() if not item.is_dir()]
        if len(names) != 1:
            detail = f"{name} is an archive (or a spreadsheet) of {len(names)} files; what is read: {_KNOWN}"
            raise UsageError("not-a-spectrum", detail)
        with archive.open(names[0]) as stream:
            return _limited(name, stream)


def _limited(name: str, stream: IO[bytes] | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile) -> bytes:
    content: bytes = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise UsageError("not-a-spectrum", f"{name} unpacks to more than {_MAX_BYTES >> 20} MiB")
    return content
