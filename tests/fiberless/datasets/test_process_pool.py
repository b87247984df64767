import os
import subprocess
import sys
import time
from pathlib import Path

from fiberless.datasets.process_pool import process_pool


def test_children_have_one_thread_and_the_caller_keeps_its_own(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with process_pool(1) as pool:
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
    assert "OMP_NUM_THREADS" not in os.environ


def test_the_caller_s_choice_stays(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with process_pool(1) as pool:
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "3"
    assert os.environ["OMP_NUM_THREADS"] == "3"


CALLER = """
import os, time
from fiberless.datasets.process_pool import process_pool

if __name__ == "__main__":
    with process_pool(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""


def test_no_child_outlives_a_caller_that_is_killed(tmp_path):
    script = tmp_path / "caller.py"
    script.write_text(CALLER)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as caller:
        child = int(caller.stdout.readline())
        os.kill(child, 0)
        caller.kill()
    deadline = time.monotonic() + 30
    while _lives(child):
        assert time.monotonic() < deadline, "the child is still there"
        time.sleep(0.05)


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # a process that ended and was not waited for is a zombie
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
