"""`BlobStore`: bytes under the sha256 of their content, on a local disk or any fsspec file system."""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from fiberless.errors import FatalError, TransientError

__all__ = ["MARK_KEY", "BlobStore", "StoredBlob"]

_MARK: Final = b"The blob store of a Fiberless service.\n"
MARK_KEY: Final = hashlib.sha256(_MARK).hexdigest()
"""Key of a blob that every store of a running service holds, and no other folder."""


@dataclass(frozen=True)
class StoredBlob:
    """A file of the blob store; `modified` in seconds since 1970-01-01 UTC, `size` in bytes."""

    path: str
    modified: float
    size: int

    @property
    def key(self) -> str:
        """Key of the blob; no key at all for what a killed writer has left behind."""
        return self.path.rpartition("/")[2]


class BlobStore:
    """Content-addressed bytes: written once, never changed.

    Parameters
    ----------
    url : str
        fsspec URL of the folder, e.g. `/data/blobs`, `s3://bucket/blobs`, `memory://blobs`.

    """

    def __init__(self, url: str) -> None:
        self._files: Any
        self._root: str
        # a plain path is no URL: fsspec would split it at `::`
        self._files, self._root = url_to_fs(url) if "://" in url else (LocalFileSystem(), url)

    def put(self, data: bytes) -> str:
        """Store bytes durably and return their key, the sha256 in hex.

        What is there already is young again, and whole again if it was damaged.

        Raises
        ------
        TransientError
            `storage-unavailable` if they cannot be written.

        """
        key = hashlib.sha256(data).hexdigest()
        path = self._path(key)
        try:
            if not isinstance(self._files, LocalFileSystem):
                self._files.pipe_file(path, data)
            elif not _is_kept(Path(path), data):
                _write_durably(Path(path), data)
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

    def mark(self) -> None:
        """Leave the mark by which others know that they see the same store; raises as `put`."""
        self.put(_MARK)

    def has_mark(self) -> bool:
        """Whether this is the store that the service's front end has marked, and can be read."""
        return self.is_whole(MARK_KEY)

    def is_whole(self, key: str) -> bool:
        """Whether a blob is there, and what was stored.

        Raises
        ------
        TransientError
            `storage-unavailable` if it cannot be read now.

        """
        try:
            self.get(key)
        except FatalError:
            return False
        return True

    def stored(self) -> Iterator[StoredBlob]:
        """All blobs, in no order; also what a writer that was killed has left behind.

        Raises
        ------
        TransientError
            `storage-unavailable` if the folder cannot be listed.

        """
        for shard in range(256):
            try:
                found = self._files.ls(f"{self._root}/{shard:02x}", detail=True, refresh=True)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise TransientError("storage-unavailable", "the blob store cannot be listed") from error
            for info in found:
                yield StoredBlob(info["name"], modified=_modified(info), size=int(info["size"]))

    def discard(self, blob: StoredBlob, *, before: float) -> bool:
        """Delete a blob last asked for before a time; False, and nothing done, if it is younger by now.

        Parameters
        ----------
        before : float
            Seconds since 1970-01-01 UTC.

        """
        try:
            if isinstance(self._files, LocalFileSystem):
                return _discard_local(Path(blob.path), before)
            if _modified(self._files.info(blob.path, refresh=True)) >= before:
                return False
            self._files.rm_file(blob.path)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise TransientError("storage-unavailable", "a blob cannot be deleted") from error
        return True

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


def _is_kept(path: Path, data: bytes) -> bool:
    """Whether the file holds these bytes; if so it is young from now on, and so safe from `discard`."""
    try:
        os.utime(path)
        return path.read_bytes() == data
    except FileNotFoundError:
        return False


def _discard_local(path: Path, before: float) -> bool:
    """Move the file aside before looking at its age: a writer who comes later finds none, and writes one."""
    if path.stat().st_mtime >= before:
        return False
    aside = path.with_name(f".{path.name}.discarded")
    path.rename(aside)
    if aside.stat().st_mtime >= before:
        aside.rename(path)
        return False
    aside.unlink()
    return True


def _modified(info: Mapping[str, Any]) -> float:
    """Time of the last write, in seconds, in the words of the file system: local, S3, others."""
    told = next(info[word] for word in ("mtime", "LastModified", "updated", "created") if word in info)
    return told.timestamp() if isinstance(told, datetime) else float(told)
