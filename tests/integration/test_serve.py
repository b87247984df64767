"""`fiberless serve` as a whole: real processes, a toy model, HTTP."""

import signal
import socket

import httpx
import psutil
import pytest

from fiberless.client import Client
from fiberless.images.fits.read import write_cutout
from fiberless.testing import synthetic_cutout, write_toy_store
from tests.running_service import PATIENCE_SECONDS, PROCESSES, serving

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def model_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    write_toy_store(folder)
    return folder


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
    from fiberless.service.settings import Settings  # noqa: PLC0415  # reads the environment when it is made

    monkeypatch.setenv("PORT", "8123")
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    assert (Settings().port, Settings().data_dir) == (8123, tmp_path)
    monkeypatch.setenv("FIBERLESS_PORT", "8124")
    assert Settings().port == 8124
