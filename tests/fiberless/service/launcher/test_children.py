"""Children of the launcher: started again when they die, killed with their parent, listened to."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from fiberless.service.launcher.child import Child, LogTail
from fiberless.service.launcher.parent_death import ending_with_parent


def child_of(folder, *words: str) -> Child:
    return Child("sleeper", [*words], log_dir=folder, environment=os.environ, folder=folder)


def wait(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_child_that_dies_is_started_again_and_said(tmp_path):
    child = child_of(tmp_path, "sleep", "60")
    child.start()
    first = child.pid
    os.kill(first, signal.SIGKILL)
    news: list[str] = []
    wait(lambda: bool(news.extend(child.tend()) or child.pid != first))
    child.stop(grace_seconds=5)
    assert any("sleeper ended (SIGKILL)" in line for line in news)


def test_pauses_between_restarts_grow(tmp_path):
    child = child_of(tmp_path, "false")
    news: list[str] = []
    child.start()
    wait(lambda: bool(news.extend(child.tend()) or len(news) >= 2))
    child.stop(grace_seconds=1)
    pauses = [float(line.split(" in ")[1].split()[0]) for line in news]
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[1]
    assert "exit status 1" in news[0]


def test_a_child_that_does_not_end_is_killed(tmp_path):
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(60)"
    )
    child = child_of(tmp_path, sys.executable, "-c", code)
    child.start()
    wait(lambda: "deaf" in child.log_path.read_text())
    process = psutil.Process(child.pid)
    child.stop(grace_seconds=0.2)
    assert not process.is_running()


def test_what_a_child_prints_is_in_its_log_and_its_warnings_are_news(tmp_path):
    child = child_of(tmp_path, "sh", "-c", "echo fine; echo '2026 WARNING disk nearly full'; sleep 60")
    child.start()
    news: list[str] = []
    wait(lambda: bool(news.extend(child.tend()) or news))
    child.stop(grace_seconds=5)
    assert news == ["2026 WARNING disk nearly full"]
    assert child.log_path.read_text().startswith("fine\n")


def test_what_a_dead_parent_left_is_killed():
    code = (
        "import subprocess, time; from fiberless.service.launcher.parent_death import ending_with_parent;"
        "print(subprocess.Popen(ending_with_parent(['sleep', '60'])).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        wait(lambda: "sleep" in child.name())
        parent.kill()
    wait(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_nothing_starts_for_a_parent_that_is_gone():
    command = ending_with_parent(["echo", "started"])
    command[command.index(str(os.getpid()))] = "1"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "started" not in done.stdout


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-01 WARNING root x",
        "2026-01-01T00:00:00Z [warning  ] message not sent",
        '{"event": "x", "level": "error"}',
        "celery CRITICAL x",
    ],
)
def test_lines_worth_showing_are_shown_once_and_when_complete(tmp_path, line):
    path = tmp_path / "x.log"
    path.write_text("2026 ERROR of an earlier run\n")
    tail = LogTail(path)
    with path.open("a") as log:
        log.write("INFO no warning here\n" + line[:10])
        log.flush()
        assert tail.new_warnings() == []
        log.write(line[10:] + "\n")
    assert tail.new_warnings() == [line]
    assert tail.new_warnings() == []
