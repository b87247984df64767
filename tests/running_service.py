"""`fiberless serve` in a process of its own, for tests that need the whole service."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil

__all__ = ["PATIENCE_SECONDS", "PROCESSES", "RunningService", "serving"]

PROCESSES = {"api", "fetch", "predict", "redis"}
PATIENCE_SECONDS = 120.0


class RunningService:
    """A running `fiberless serve`, and what it prints."""

    def __init__(self, process: subprocess.Popen[str], output: Path) -> None:
        self.process = process
        self._output = output

    def said(self, text: str) -> bool:
        return text in self._output.read_text()

    @property
    def url(self) -> str:
        self.wait(lambda: self.said("listens on"))
        return self._output.read_text().split("listens on ")[1].split()[0]

    def wait(self, happened: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not happened():
            assert self.process.poll() is None, self._output.read_text()
            assert time.monotonic() < deadline, self._output.read_text()
            time.sleep(0.05)

    def children(self) -> dict[str, psutil.Process]:
        """Processes of the stack by their names, without those that the front end reads tables in."""
        everything = psutil.Process(self.process.pid).children(recursive=True)
        return {
            _name(child): child for child in everything if "multiprocessing" not in "".join(child.cmdline())
        }


def _name(process: psutil.Process) -> str:
    words = process.cmdline()
    if "redis-server" in words[0]:
        return "redis"
    return "api" if "app" in words else words[-1]


@contextmanager
def serving(
    folder: Path, model_store: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[RunningService]:
    """Run it on a data folder of its own; `environment` is added to what it inherits."""
    folder.mkdir(exist_ok=True)
    output = folder / f"output-{len(list(folder.glob('output-*')))}.txt"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FIBERLESS_") and k != "PORT"}
    own = {"FIBERLESS_MODEL_STORE": str(model_store), "OMP_NUM_THREADS": "1"}
    everything = clean | own | dict(environment or {})
    words = ["-c", "from fiberless.cli import main; main()", "serve", "--data-dir", str(folder), *options]
    with (
        output.open("w") as stream,
        subprocess.Popen(
            [sys.executable, "-u", *words],
            stdout=stream,
            stderr=stream,
            env=everything,
            text=True,
        ) as process,
    ):
        try:
            yield RunningService(process, output)
        finally:
            process.kill()
