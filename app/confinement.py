"""`confined`: runs a reader of untrusted bytes in a child process with limits of memory and of time.

A small file can ask for gigabytes or for hours: a dictionary of Parquet, an alias of YAML, a cell of no
width. Where a format tells its sizes they are checked before; what it hides ends the child, and costs this
process and its other callers nothing.
"""

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from fiberless.errors import TransientError, UsageError

__all__ = ["Reader", "ReadingLimits", "confined", "prepare_children"]

Reader: TypeAlias = Callable[[BinaryIO], Iterator[bytes]]
"""Reads a file and yields what it found in pieces; a function that a child can import."""

_CONTEXT: Final = get_context("forkserver")
"""Children are forked from a small process of one thread, never from this one with its many."""
_DATA, _REFUSED, _END = b"d", b"r", b"e"
_EXIT_OUT_OF_MEMORY: Final = 77
_SIGNS_OF_COST: Final = (_EXIT_OUT_OF_MEMORY, -signal.SIGXCPU, -signal.SIGKILL, -signal.SIGABRT)
"""How a child ends that asked for too much; C++ calls abort where memory is refused."""


@dataclass(frozen=True)
class ReadingLimits:
    """What a child may use.

    Parameters
    ----------
    memory_bytes : int
        Beyond what its libraries take before it begins.
    cpu_seconds : int
    wait_seconds : float
        Longest time that is spent waiting for it, all pieces together.
    piece_bytes : int
        Largest piece that it may send.

    """

    memory_bytes: int
    cpu_seconds: int
    wait_seconds: float = 60.0
    piece_bytes: int = 2**24


def prepare_children(modules: Sequence[str]) -> None:
    """Start the process that children are forked from, with these modules imported; does not wait for it."""
    _CONTEXT.set_forkserver_preload(list(modules))
    ensure_running()


def confined(reader: Reader, stream: BinaryIO, limits: ReadingLimits) -> Generator[bytes]:
    """Pieces of what a reader finds in a file, read in a child; closing the iterator ends the child.

    Parameters
    ----------
    stream : with a file descriptor; read from its beginning

    Raises
    ------
    UsageError
        As the reader raises it; `table-too-large` where the child exceeds its limits; `bad-table` where it
        breaks in any other way.
    TransientError
        `not-ready` if no child can be started.

    """
    ours, theirs = _CONTEXT.Pipe()
    child = _CONTEXT.Process(target=_read, args=(theirs, reader, limits), daemon=True)
    try:
        child.start()
        send_handle(ours, stream.fileno(), child.pid)
        theirs.close()
        yield from _pieces(ours, child, limits)
    except OSError as error:
        raise TransientError("not-ready", "no process could be started to read the file") from error
    finally:
        ours.close()
        theirs.close()
        _end(child)


def _pieces(pipe: Connection, child: BaseProcess, limits: ReadingLimits) -> Iterator[bytes]:
    patience = limits.wait_seconds
    while True:
        since = time.monotonic()
        if not pipe.poll(max(0.0, patience)):
            raise _too_costly()
        try:
            message = pipe.recv_bytes(limits.piece_bytes)
        except (EOFError, ConnectionError) as error:
            raise _reason_of_death(child) from error
        except OSError as error:  # the piece is too large
            raise _too_costly() from error
        patience -= time.monotonic() - since
        match message[:1]:
            case kind if kind == _DATA:
                yield message[1:]
            case kind if kind == _END:
                return
            case _:
                slug, detail = json.loads(message[1:])
                raise UsageError(slug, detail)


def _reason_of_death(child: BaseProcess) -> UsageError:
    child.join(timeout=1.0)
    return _too_costly() if child.exitcode in {None, *_SIGNS_OF_COST} else _unreadable()


def _too_costly() -> UsageError:
    return UsageError("table-too-large", "reading the table takes more memory or time than a request may")


def _unreadable() -> UsageError:
    return UsageError("bad-table", "the table cannot be read")


def _end(child: BaseProcess) -> None:
    if child.pid is None:
        return
    child.kill()
    child.join()
    child.close()


# In the child


def _read(pipe: Connection, reader: Reader, limits: ReadingLimits) -> None:
    """Read what the parent has open, and send it in pieces; whatever breaks, the parent hears or sees it."""
    try:
        _limit(limits)
        with os.fdopen(recv_handle(pipe), "rb") as stream:
            stream.seek(0)
            for piece in reader(stream):
                pipe.send_bytes(_DATA + piece)
        pipe.send_bytes(_END)
    except MemoryError:
        os._exit(_EXIT_OUT_OF_MEMORY)
    except UsageError as error:
        pipe.send_bytes(_REFUSED + json.dumps([error.slug, error.detail]).encode())
    except BrokenPipeError:
        pass  # nobody waits any more
    except Exception as error:
        sys.stderr.write(f"a reader broke: {type(error).__name__}\n")
        raise SystemExit(1) from error


def _limit(limits: ReadingLimits) -> None:
    _lower(resource.RLIMIT_CPU, limits.cpu_seconds)
    _lower(resource.RLIMIT_CORE, 0)
    pages = Path("/proc/self/statm")
    if pages.exists():  # elsewhere the kernel does not hold to this limit
        used = int(pages.read_text().split()[0]) * resource.getpagesize()
        _lower(resource.RLIMIT_AS, used + limits.memory_bytes)


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (lowest, lowest))
