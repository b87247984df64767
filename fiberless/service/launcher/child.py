"""`Child`: one process of the stack, which dies with it; has a log, and is started again when it dies."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from fiberless.service.launcher.parent_death import ending_with_parent

__all__ = ["Child", "LogTail"]

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0
_STEADY_SECONDS: Final = 60.0
"""A child that has run for so long starts with a clean record."""
_WORTH_SHOWING: Final = re.compile(
    r"\b(WARNING|ERROR|CRITICAL)\b|\[(warning|error|critical)\b|\"level\": \"(warning|error|critical)\""
)
_HARMLESS: Final = re.compile(r"Memory overcommit must be enabled")
"""Redis says so at each start on most machines; it concerns snapshots, which we do not take."""
_LONGEST_LOG_BYTES: Final = 16 * 2**20


class LogTail:
    """Reads what is appended to a log file, and picks the lines that a person should see."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0
        self._rest = b""

    def new_warnings(self) -> list[str]:
        """Complete lines at WARNING or above since the last call."""
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            data = stream.read()
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        texts = (line.decode(errors="replace").rstrip() for line in lines)
        return [text for text in texts if _WORTH_SHOWING.search(text) and not _HARMLESS.search(text)]


class Child:
    """One process of the stack.

    Parameters
    ----------
    name : str
        How it is called in messages and in the name of its log.
    command : sequence of str
    log_dir : Path
        Its output is appended to `<name>.log` there.
    environment : mapping
        The whole environment of the process.
    folder : Path
        Where it runs.
    pass_fds : sequence of int
        Open file descriptors that it inherits.

    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log_dir: Path,
        environment: Mapping[str, str],
        folder: Path,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.log_path = log_dir / f"{name}.log"
        self._command = list(command)
        self._environment = dict(environment)
        self._folder = folder
        self._pass_fds = tuple(pass_fds)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._failures = 0
        self._due: float | None = None
        _rotate(self.log_path)
        self._tail = LogTail(self.log_path)

    @property
    def pid(self) -> int | None:
        """Process ID of the running process; None before the start."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the process; call it from a thread that lives as long as the process shall."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own commands, no shell
                ending_with_parent(self._command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._folder,
                pass_fds=self._pass_fds,
                start_new_session=True,
            )
        self._started = time.monotonic()
        self._due = None

    def tend(self) -> list[str]:
        """Start the process again if it died and its pause is over; returns what a person should know."""
        news = self._tail.new_warnings()
        if self._process is None or self._process.poll() is None:
            return news
        now = time.monotonic()
        if self._due is None:
            return [*news, self._plan_restart(now, self._process.returncode)]
        if now >= self._due:
            self.start()
        return news

    def stop(self, *, grace_seconds: float) -> None:
        """Ask the process to end, and kill it if it has not after the grace."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def kill(self) -> None:
        """Kill the process and all of its group; never waits, so that a signal handler may call it."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def _plan_restart(self, now: float, returncode: int) -> str:
        self._failures = 0 if now - self._started > _STEADY_SECONDS else self._failures + 1
        pause = min(_FIRST_PAUSE_SECONDS * 2**self._failures, _LONGEST_PAUSE_SECONDS)
        self._due = now + pause
        how = signal.Signals(-returncode).name if returncode < 0 else f"exit status {returncode}"
        return f"{self.name} ended ({how}); starting it again in {pause:.1f} s, see {self.log_path}"


def _rotate(path: Path) -> None:
    if path.exists() and path.stat().st_size > _LONGEST_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    path.touch()
