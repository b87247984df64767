import json
import os
import time

import pytest

from app.confinement import ReadingLimits, confined
from fiberless.errors import UsageError

LIMITS = ReadingLimits(memory_bytes=2**27, cpu_seconds=2)


def _lines(stream):
    yield from stream


def _two_then_endless(stream):
    yield stream.read(1)
    yield str(os.getpid()).encode()
    while True:
        time.sleep(1)


def _gigabyte(stream):
    yield bytes(2**30) + stream.read()


def _endless(stream):
    while not stream.closed:
        pass
    yield b""


def _crash(stream):
    yield stream.read()
    os._exit(3)


def _broken(stream):
    raise RuntimeError(stream.name)
    yield b""


def _refusing(stream):
    yield stream.read()
    raise UsageError("bad-table", "row 7 is none")


@pytest.fixture
def stream(tmp_path):
    (tmp_path / "table").write_bytes(b"first\nsecond\n")
    with (tmp_path / "table").open("rb") as stream:
        yield stream


def test_pieces_come_in_their_order_from_the_beginning_of_the_file(stream):
    stream.read(3)
    assert list(confined(_lines, stream, LIMITS)) == [b"first\n", b"second\n"]


def test_a_refusal_keeps_its_words(stream):
    pieces = confined(_refusing, stream, LIMITS)
    assert next(pieces) == b"first\nsecond\n"
    with pytest.raises(UsageError, match=r"^bad-table: row 7 is none$"):
        next(pieces)


@pytest.mark.parametrize(
    ("reader", "slug"),
    [
        (_gigabyte, "table-too-large"),
        (_endless, "table-too-large"),
        (_crash, "bad-table"),
        (_broken, "bad-table"),
    ],
)
def test_a_child_that_exceeds_its_limits_or_breaks_is_a_refusal(stream, reader, slug):
    with pytest.raises(UsageError, match=slug):
        list(confined(reader, stream, LIMITS))
    assert list(confined(_lines, stream, LIMITS)), "the next file is read as ever"


def test_waiting_has_a_limit_of_its_own(stream):
    limits = ReadingLimits(memory_bytes=2**27, cpu_seconds=60, wait_seconds=3.0)
    with pytest.raises(UsageError, match="table-too-large"):
        list(confined(_two_then_endless, stream, limits))


def test_who_stops_asking_ends_the_child(stream):
    pieces = confined(_two_then_endless, stream, LIMITS)
    next(pieces)
    child = int(next(pieces))
    pieces.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_piece_is_not_larger_than_agreed(stream):
    limits = ReadingLimits(memory_bytes=2**27, cpu_seconds=2, piece_bytes=8)
    with pytest.raises(UsageError, match="table-too-large"):
        json.dumps([piece.decode() for piece in confined(_refusing, stream, limits)])
