"""`DiskCache`: files kept below a size, the longest unused going first, shared by many processes.

Needs `flock`, as Linux and macOS have it.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import BinaryIO, Final
from zlib import crc32

__all__ = ["DiskCache", "HeldFile", "alone"]

_LOCKS: Final = 64
_ABANDONED_SECONDS: Final = 3600.0


@dataclass(frozen=True)
class HeldFile:
    """A file of a cache, which stays there at least until it is closed.

    Parameters
    ----------
    path : the file
    stream : open on it, with a shared lock

    """

    path: Path
    stream: BinaryIO

    def close(self) -> None:
        """Let the file go."""
        self.stream.close()


class DiskCache:
    """A folder of files.

    A file appears whole, by renaming. Who uses a file holds a shared `flock` on it, and only what can be
    locked alone is removed; who was too late sees that the name leads to another file, and makes it again.
    A file is made by one process at a time.

    Parameters
    ----------
    folder : made if it is not there
    max_bytes : size that all files together are brought back to; files in use may exceed it

    """

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def hold(self, name: PurePosixPath, make: Callable[[BinaryIO], bool]) -> HeldFile | None:
        """File of a name, made if need be.

        Parameters
        ----------
        name : relative path
        make : writes the file, or says false if there is no such thing

        Returns
        -------
        the file, to be closed after use; None if there is no such thing

        """
        path = self._folder / name
        if held := _held(path):
            return held
        with alone(self._folder / f".lock-{crc32(str(name).encode()) % _LOCKS:02d}"):
            return _held(path) or self._made(path, make)

    def drop(self, name: PurePosixPath) -> None:
        """Forget a file, in use or not: it turned out to be damaged."""
        (self._folder / name).unlink(missing_ok=True)

    def _made(self, path: Path, make: Callable[[BinaryIO], bool]) -> HeldFile | None:
        part = self._folder / f".part-{token_hex(8)}"
        with ExitStack() as undo:
            stream = undo.enter_context(part.open("w+b"))
            undo.callback(part.unlink, missing_ok=True)
            if not make(stream):
                return None
            stream.flush()
            os.fsync(stream.fileno())
            fcntl.flock(stream, fcntl.LOCK_SH)
            path.parent.mkdir(parents=True, exist_ok=True)
            part.replace(path)
            undo.pop_all()
        self._shrink()
        return HeldFile(path, stream)

    def _shrink(self) -> None:
        """Remove the longest unused files until the rest fits."""
        with alone(self._folder / ".lock-shrink"):
            self._remove_abandoned()
            files = sorted(self._files())
            excess = sum(size for _, size, _ in files) - self._max_bytes
            for _, size, path in files:
                if excess <= 0:
                    break
                excess -= size if _is_removed(path) else 0

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """(time of last use in ns, bytes, path) of each file."""
        for root, folders, names in os.walk(self._folder):
            folders.sort()
            for name in names:
                path = Path(root, name)
                try:
                    found = path.stat()
                except FileNotFoundError:
                    continue
                if not name.startswith("."):
                    yield found.st_atime_ns, found.st_size, path

    def _remove_abandoned(self) -> None:
        """Remove what processes left that were killed while they wrote."""
        for part in self._folder.glob(".part-*"):
            try:
                age_seconds = time.time() - part.stat().st_mtime
            except FileNotFoundError:
                continue
            if age_seconds > _ABANDONED_SECONDS:
                part.unlink(missing_ok=True)


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other thread or process is in a block of the same lock file."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _held(path: Path) -> HeldFile | None:
    """File with a shared lock, marked as used now; None if it is not there, or goes just now."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return None
    fcntl.flock(stream, fcntl.LOCK_SH)
    try:
        is_same = os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        is_same = False
    if not is_same:
        stream.close()
        return None
    # Only the time of use: readers key on the time of change.
    os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
    return HeldFile(path, stream)


def _is_removed(path: Path) -> bool:
    """Remove a file unless somebody uses it."""
    try:
        with path.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except (BlockingIOError, FileNotFoundError):
        return False
    return True
