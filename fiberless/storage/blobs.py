"""`BlobStore`: bytes under the sha256 of their content, on a local disk or any fsspec file system."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from fiberless.errors import FatalError, TransientError

__all__ = ["BlobStore"]


class BlobStore:
    """Content-addressed bytes: written once, never changed.

    Parameters
    ----------
    url : str
        fsspec URL of the folder, e.g. `/data/blobs`, `s3://bucket/blobs`, `memory://blobs`.

    """

    def __init__(self, url: str) -> None:
        self._files: Any
        self._files, self._root = url_to_fs(url)

    def put(self, data: bytes) -> str:
        """Store bytes durably and return their key, the sha256 in hex.

        Raises
        ------
        TransientError
            `storage-unavailable` if they cannot be written.

        """
        key = hashlib.sha256(data).hexdigest()
        path = self._path(key)
        try:
            if self._files.exists(path):
                return key
            if isinstance(self._files, LocalFileSystem):
                _write_durably(Path(path), data)
            else:
                self._files.pipe_file(path, data)
        except OSError as error:
            raise TransientError("storage-unavailable", "the blob store cannot be written") from error
        return key

    def get(self, key: str) -> bytes:
        """Bytes of a key.

        Raises
        ------
        TransientError
            `storage-unavailable` if they cannot be read now.
        FatalError
            `internal-error` if they are missing or not what was stored.

        """
        try:
            data = bytes(self._files.cat_file(self._path(key)))
        except FileNotFoundError as error:
            raise FatalError("internal-error", f"blob {key} is missing") from error
        except OSError as error:
            raise TransientError("storage-unavailable", "the blob store cannot be read") from error
        if hashlib.sha256(data).hexdigest() != key:
            raise FatalError("internal-error", f"blob {key} is corrupt")
        return data

    def _path(self, key: str) -> str:
        return f"{self._root}/{key[:2]}/{key}"


def _write_durably(path: Path, data: bytes) -> None:
    """Write to a temporary file, fsync it, rename it, fsync the folder: whole or absent after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as stream:
        temporary = Path(stream.name)
        try:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    _fsync_folder(path.parent)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
