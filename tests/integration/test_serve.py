"""`fiberless serve` as a whole: real processes, a toy model, HTTP."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from fiberless.client import Client
from fiberless.cutouts.fits import write_cutout
from fiberless.testing import synthetic_cutout, write_toy_store

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
PROCESSES = {"api", "fetch", "predict", "redis"}
PATIENCE_SECONDS = 120.0


class Service:
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
        return {_name(child): child for child in psutil.Process(self.process.pid).children(recursive=True)}


def _name(process: psutil.Process) -> str:
    words = process.cmdline()
    if "redis-server" in words[0]:
        return "redis"
    return "api" if "app" in words else words[-1]


@pytest.fixture(scope="module")
def model_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_toy_store(folder)
    return folder


@contextmanager
def serving(folder: Path, model_store: Path, *options: str) -> Iterator[Service]:
    folder.mkdir(exist_ok=True)
    output = folder / f"output-{len(list(folder.glob('output-*')))}.txt"
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FIBERLESS_") and k != "PORT"}
    environment = clean | {"FIBERLESS_MODEL_STORE": str(model_store), "OMP_NUM_THREADS": "1"}
    words = ["-c", "from fiberless.cli import main; main()", "serve", "--data-dir", str(folder), *options]
    with (
        output.open("w") as stream,
        subprocess.Popen(
            [sys.executable, "-u", *words], stdout=stream, stderr=stream, env=environment, text=True
        ) as process,
    ):
        try:
            yield Service(process, output)
        finally:
            process.kill()


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_a_galaxy_goes_in_and_a_prediction_comes_out_and_all_ends(tmp_path, model_store):
    image = write_cutout(synthetic_cutout(1))
    with serving(tmp_path, model_store, "--port", "0") as service:
        with Client(service.url, timeout_seconds=PATIENCE_SECONDS) as client:
            first = client.predict(image, object_id="t:1")
            again = client.predict(image, object_id="t:1")
            assert again == first == client.get("t:1")
            assert first.provenance.model.version == "toy-1"
            assert client.spectrum_fits(first.id).startswith(b"SIMPLE  =")
            assert client.cutout_fits(first.id) == image

            with serving(tmp_path, model_store, "--port", "0") as second:
                assert second.process.wait(PATIENCE_SECONDS) == 2
                assert second.said("another `fiberless serve` uses the data folder")

            processes = service.children()
            assert set(processes) == PROCESSES
            for name in ("predict", "api", "redis"):
                processes[name].kill()
                service.wait(lambda name=name: service.said(f"{name} ended (SIGKILL)"))
            assert client.predict(image, seed=2).provenance.sampler.seed == 2
            service.wait(lambda: set(service.children()) == PROCESSES)

        processes = service.children()
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(PATIENCE_SECONDS) == 0
        assert all(is_gone(process) for process in processes.values())
        assert service.said("stopped")


def test_nothing_is_left_when_the_launcher_is_killed(tmp_path, model_store):
    with serving(tmp_path, model_store, "--port", "0") as service:
        url = service.url
        processes = service.children()
        assert set(processes) == PROCESSES
        service.process.kill()
        service.process.wait()
        _, alive = psutil.wait_procs(processes.values(), timeout=10)
        assert not [process for process in alive if not is_gone(process)]
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz", trust_env=False)


def test_it_says_when_it_cannot_start(tmp_path, model_store):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with serving(tmp_path / "a", model_store, "--port", port) as service:
            assert service.process.wait(PATIENCE_SECONDS) == 2
            assert service.said(f"cannot listen on 127.0.0.1 port {port}")


def test_port_and_data_folder_come_from_the_environment_too(tmp_path, monkeypatch):
    from fiberless.settings import Settings  # noqa: PLC0415  # reads the environment when it is made

    monkeypatch.setenv("PORT", "8123")
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert (Settings().port, Settings().data_dir) == (8123, tmp_path)
    monkeypatch.setenv("FIBERLESS_PORT", "8124")
    assert Settings().port == 8124
