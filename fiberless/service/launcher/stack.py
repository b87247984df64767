"""`Stack`: broker, front end and workers as processes of one machine, without root, docker or network."""

import fcntl
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import httpx

import fiberless
from fiberless.errors import FatalError, UsageError
from fiberless.service.launcher.broker import find_redis_server, redis_command, socket_folder, socket_url
from fiberless.service.launcher.child import Child
from fiberless.service.settings import Settings
from fiberless.service.storage.access_check import refuse_open_access

__all__ = ["Stack", "checkout_root"]

_GRACE_SECONDS: Final = {"api": 10.0, "predict": 30.0, "fetch": 15.0, "redis": 10.0}
_BROKER_SECONDS: Final = 20.0
_TICK_SECONDS: Final = 0.1
_CELERY_ON_ROOT: Final = "ignore:You're running the worker with superuser privileges"
"""Five lines at each start in a container; there is no pickle in our queues, which they warn of."""


def checkout_root() -> Path:
    """Folder that holds `app/` and `worker/` beside the library.

    Raises
    ------
    FatalError
        `internal-error` if the library was installed without them.

    """
    root = Path(fiberless.__file__).resolve().parents[1]
    missing = [name for name in ("app/main.py", "worker/__main__.py") if not (root / name).is_file()]
    if missing:
        raise FatalError(
            "internal-error",
            f"{' and '.join(missing)} not found in {root}: `fiberless serve` runs from a checkout of the "
            "repository (pip install -e .), since the wheel holds the library and the client only",
        )
    return root


class Stack:
    """All processes of the service on one machine. Use it as a context manager, from one lasting thread.

    Parameters
    ----------
    settings : Settings
        `port` 0 takes a free one; a `redis_url` replaces the embedded broker.
    say : callable
        Receives what a person should know: a process that died, a warning that it logged.

    Raises
    ------
    UsageError
        `invalid-parameter` if the port is taken, or another stack uses the same data folder.

    """

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._root = checkout_root()
        self._data_dir = settings.data_dir.resolve()
        self._resources = ExitStack()
        self._children: list[Child] = []
        self.url = ""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def tend(self) -> None:
        """Start again what died, and pass on what it logged. Call it often; it never waits."""
        for child in self._children:
            for line in child.tend():
                self._say(f"{child.name}: {line}" if not line.startswith(child.name) else line)

    def not_ready(self) -> str | None:
        """What is missing before a prediction can be made; None if nothing is."""
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=2.0, trust_env=False)
            checks: Mapping[str, str] = answer.json().get("checks", {})
        except (httpx.HTTPError, ValueError):
            return "api"
        if answer.is_success:
            return None
        return ", ".join(name for name, state in checks.items() if state != "ok") or "api"

    def wait_ready(self, *, timeout_seconds: float, stopping: Callable[[], bool] = lambda: False) -> bool:
        """Tend the stack until a prediction can be made; False if `stopping` said so first.

        Raises
        ------
        FatalError
            `internal-error` if it takes longer than the timeout; says what is missing and where the logs are.

        """
        deadline = time.monotonic() + timeout_seconds
        while not stopping():
            self.tend()
            missing = self.not_ready()
            if missing is None:
                return True
            if time.monotonic() > deadline:
                raise FatalError(
                    "internal-error",
                    f"not ready after {timeout_seconds:.0f} s, missing: {missing}; "
                    f"see {self._data_dir / 'logs'}",
                )
            time.sleep(_TICK_SECONDS)
        return False

    def stop(self) -> None:
        """End all processes in order: no new requests, then no new work, then the broker."""
        for child in sorted(self._children, key=lambda child: list(_GRACE_SECONDS).index(child.name)):
            child.stop(grace_seconds=_GRACE_SECONDS[child.name])
        self._children.clear()
        self._resources.close()

    def kill(self) -> None:
        """End all processes at once. Accepted jobs are kept: they are in the database."""
        for child in self._children:
            child.kill()

    def _start(self) -> None:
        for name in ("logs", "redis"):
            (self._data_dir / name).mkdir(parents=True, exist_ok=True)
        self._lock_data_dir()
        refuse_open_access(self._settings)
        listener = self._resources.enter_context(_listen(self._settings.host, self._settings.port))
        port = listener.getsockname()[1]
        self.url = f"http://{_reachable(self._settings.host)}:{port}"
        environment = self._environment(port) | {"FIBERLESS_REDIS_URL": self._broker()}
        python = sys.executable
        self._launch(
            "api", [python, "-m", "app", "--fd", str(listener.fileno())], environment, listener.fileno()
        )
        self._launch("fetch", [python, "-m", "worker", "fetch"], environment)
        self._launch("predict", [python, "-m", "worker", "predict"], environment)

    def _launch(self, name: str, command: list[str], environment: Mapping[str, str], *pass_fds: int) -> None:
        child = Child(
            name,
            command,
            log_dir=self._data_dir / "logs",
            environment=environment,
            folder=self._root,
            pass_fds=pass_fds,
        )
        self._children.append(child)
        child.start()

    def _environment(self, port: int) -> dict[str, str]:
        store = self._settings.model_store
        found = store if store.is_absolute() or store.is_dir() else self._root / store
        paths = [str(self._root), *filter(None, [os.environ.get("PYTHONPATH")])]
        return os.environ | {
            "FIBERLESS_HOST": self._settings.host,
            "FIBERLESS_ACCESS": self._settings.access,
            "FIBERLESS_PORT": str(port),
            "FIBERLESS_DATA_DIR": str(self._data_dir),
            "FIBERLESS_MODEL_STORE": str(found.resolve()),
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": ",".join(filter(None, [os.environ.get("PYTHONWARNINGS"), _CELERY_ON_ROOT])),
        }

    def _broker(self) -> str:
        if self._settings.redis_url:
            return self._settings.redis_url
        path = socket_folder(self._data_dir) / "redis.sock"
        path.unlink(missing_ok=True)
        command = redis_command(find_redis_server(), socket=path, folder=self._data_dir / "redis")
        self._launch("redis", command, os.environ)
        _await_broker(path)
        return socket_url(path)

    def _lock_data_dir(self) -> None:
        lock: IO[str] = self._resources.enter_context((self._data_dir / "serve.lock").open("w"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                "invalid-parameter", f"another `fiberless serve` uses the data folder {self._data_dir}"
            ) from error


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket that outlives restarts of the front end: callers wait and are not refused."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise UsageError(
            "invalid-parameter", f"cannot listen on {host} port {port}: {error.strerror}"
        ) from error


def _reachable(host: str) -> str:
    """A host name under which this machine reaches what listens on `host`."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104  # compared, not bound
        return "127.0.0.1" if host == "0.0.0.0" else "[::1]"  # noqa: S104  # as above
    return f"[{host}]" if ":" in host else host


def _await_broker(path: Path) -> None:
    deadline = time.monotonic() + _BROKER_SECONDS
    while not _pongs(path):
        if time.monotonic() > deadline:
            raise FatalError("internal-error", f"redis-server does not answer on {path}; see logs/redis.log")
        time.sleep(_TICK_SECONDS / 4)


def _pongs(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith(b"+PONG")
        except OSError:
            return False
