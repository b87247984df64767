import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from app.http.limits import Allowance, LocalBuckets, RateLimits
from fiberless.service.launcher.broker import find_redis_server, redis_command

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""

    class Clock:
        now = 1000.0

        def move(self, seconds):
            self.now += seconds

    moved = Clock()
    monkeypatch.setattr("app.http.limits.time.monotonic", lambda: moved.now)
    return moved


@pytest.fixture
def redis_server():
    """A Redis of its own: the process, and its URL."""
    folder = Path(tempfile.mkdtemp(prefix="fl-limits-", dir="/tmp"))
    path = folder / "redis.sock"
    command = redis_command(find_redis_server(), socket=path, folder=folder)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.01)
    yield process, f"redis+socket://{path}"
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()
    shutil.rmtree(folder)


def test_a_bucket_is_full_at_first_and_fills_at_its_rate(clock):
    buckets = LocalBuckets(60)
    assert [buckets.take("a").granted for _ in range(61)] == [True] * 60 + [False]
    clock.move(2.5)
    assert [buckets.take("a").granted for _ in range(3)] == [True, True, False]
    clock.move(3600)
    assert buckets.take("a").tokens == 59


def test_buckets_know_nothing_of_each_other(clock):  # noqa: ARG001  it stands still
    buckets = LocalBuckets(1)
    assert [buckets.take(name).granted for name in ("a", "b", "a", "b")] == [True, True, False, False]


def test_a_flood_of_callers_fills_no_memory():
    buckets = LocalBuckets(5)
    for number in range(10_100):
        buckets.take(str(number))
    assert len(buckets._buckets) == 10_000


def test_headers_tell_what_is_left_and_when_to_come_again():
    assert Allowance(granted=True, limit=120, tokens=59.5).headers == {
        "RateLimit-Limit": "120",
        "RateLimit-Policy": "120;w=60",
        "RateLimit-Remaining": "59",
        "RateLimit-Reset": "31",
    }
    assert Allowance(granted=False, limit=6, tokens=0.25).headers["Retry-After"] == "8"


async def test_redis_counts_for_all_front_ends_as_one_bucket_would(redis_server):
    _, url = redis_server
    first, second = RateLimits(url, per_minute=4), RateLimits(url, per_minute=4)
    taken = [await limits.take("a") for limits in (first, second, first, second, first)]
    assert [one.granted for one in taken] == [True] * 4 + [False]
    assert [round(one.tokens) for one in taken] == [3, 2, 1, 0, 0]
    assert (await second.take("b")).granted
    await first.close()
    await second.close()


async def test_a_bucket_in_redis_fills_at_its_rate(redis_server):
    _, url = redis_server
    limits = RateLimits(url, per_minute=600)
    for _ in range(600):
        last = await limits.take("a")
    await limits._redis.hincrbyfloat("fiberless:rate:a", "at", -3.0)
    after = await limits.take("a")
    assert after.tokens - last.tokens == pytest.approx(3 * 10 - 1, abs=20)
    assert await limits._redis.ttl("fiberless:rate:a") <= 61
    await limits.close()


@pytest.mark.parametrize("fault", ["frozen", "killed"])
async def test_without_redis_each_front_end_counts_for_itself(redis_server, fault):
    process, url = redis_server
    limits = RateLimits(url, per_minute=2)
    assert (await limits.take("a")).tokens == pytest.approx(1, abs=0.1)
    os.kill(process.pid, signal.SIGSTOP if fault == "frozen" else signal.SIGKILL)
    taken = [await limits.take("a") for _ in range(3)]
    assert [one.granted for one in taken] == [True, True, False]
    await limits.close()


async def test_no_limit_counts_nothing():
    limits = RateLimits("redis+socket:///nowhere.sock", per_minute=0)
    assert await limits.take("a") is None
    await limits.close()
