"""A cache shared by processes: whole files, a bound, and nothing taken away from who uses it."""

import multiprocessing
import os
import random
import threading
import time
from pathlib import Path, PurePosixPath

import pytest

from fiberless.sources.disk_cache import DiskCache

A, B, C = (PurePosixPath(f"x/{letter}.fits") for letter in "abc")


def write(data, *, calls=None):
    def make(stream):
        if calls is not None:
            calls.append(data)
        stream.write(data)
        return True

    return make


def taken(cache, name, data=b"x" * 100, **arguments):
    with cache.hold(name, write(data, **arguments)).stream as stream:
        stream.seek(0)
        return stream.read()


@pytest.fixture
def cache(tmp_path):
    return DiskCache(tmp_path / "cache", max_bytes=250)


def kept(cache):
    return sorted(path.name for path in cache._folder.rglob("*.fits"))


def test_a_file_is_made_once(cache):
    calls = []
    assert [taken(cache, A, calls=calls) for _ in range(3)] == [b"x" * 100] * 3
    assert calls == [b"x" * 100]


def test_what_does_not_exist_is_not_kept(cache):
    assert cache.hold(A, lambda _: False) is None
    assert kept(cache) == []


def test_a_file_that_fails_half_way_leaves_nothing(cache):
    def fail(stream):
        stream.write(b"half")
        raise ConnectionError

    with pytest.raises(ConnectionError):
        cache.hold(A, fail)
    assert [path for path in cache._folder.iterdir() if not path.name.startswith(".lock")] == []
    assert taken(cache, A) == b"x" * 100


def test_the_longest_unused_file_goes_first(cache):
    for name in (A, B, A, C):
        taken(cache, name)
        time.sleep(0.002)  # two uses in one tick of the clock have no order
    assert kept(cache) == ["a.fits", "c.fits"]


def test_use_does_not_change_the_time_of_change(cache):
    taken(cache, A)
    path = cache._folder / A
    os.utime(path, ns=(5, 5))
    taken(cache, A)
    assert path.stat().st_mtime_ns == 5
    assert path.stat().st_atime_ns > 5


def test_a_file_in_use_stays(cache):
    held = cache.hold(A, write(b"x" * 100))
    for name in (B, C):
        taken(cache, name)
    assert kept(cache) == ["a.fits", "c.fits"]
    held.close()
    taken(cache, B)
    assert kept(cache) == ["b.fits", "c.fits"]


def test_a_dropped_file_is_made_again(cache):
    taken(cache, A, b"bad")
    cache.drop(A)
    cache.drop(A)
    assert taken(cache, A, b"good") == b"good"


def test_leavings_of_killed_processes_go_after_an_hour(cache):
    taken(cache, A)
    old, new = cache._folder / ".part-old", cache._folder / ".part-new"
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 4000,) * 2)
    taken(cache, B)
    assert (old.exists(), new.exists()) == (False, True)


def test_threads_that_want_one_file_make_it_once(cache):
    calls = []
    barrier = threading.Barrier(8)

    def want():
        barrier.wait()
        taken(cache, A, calls=calls)

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def _use_for_a_while(folder: Path, seed: int) -> None:
    """Take random files out of a cache that holds two of ten, and look at each one."""
    cache = DiskCache(folder, max_bytes=2 * 4000)
    draw = random.Random(seed)  # noqa: S311  chooses files
    for _ in range(150):
        number = draw.randrange(10)
        data = bytes([number]) * 4000
        held = cache.hold(PurePosixPath(f"{number}.fits"), write(data))
        assert held.path.read_bytes() == data
        held.close()


def test_processes_never_see_a_file_vanish_or_half_written(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_use_for_a_while, args=(tmp_path, seed)) for seed in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    taken(DiskCache(tmp_path, max_bytes=8000), A)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.fits")) <= 8000
