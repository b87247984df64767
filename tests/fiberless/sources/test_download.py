"""Downloads: only from allowed hosts, bounded in size and time, patient but not for ever."""

from io import BytesIO
from itertools import count

import pytest

from fiberless.errors import FatalError, TransientError, UsageError
from fiberless.sources.download import Patience, SurveyClient

THREE = Patience(attempts=3, first_pause_seconds=2, longest_pause_seconds=60, longest_asked_seconds=60)


@pytest.fixture
def slept():
    return []


@pytest.fixture
def asking(local, client, slept):
    """Ask the local server, which has one file of 100 bytes."""
    (local.root / "file").write_bytes(b"x" * 100)

    def ask(path="file", *, max_bytes=100, **arguments):
        one = client(local, **({"patience": THREE, "sleep": slept.append, "jitter": lambda: 1.0} | arguments))
        return one.read(f"{local.url}/{path}", max_bytes=max_bytes)

    return ask


def test_a_file_comes_whole(asking):
    assert asking() == b"x" * 100


def test_what_is_not_there_is_asked_for_once(local, asking):
    assert asking("none") is None
    assert local.n_requests == 1


def test_only_allowed_hosts_are_asked(local):
    port = local.url.rsplit(":", 1)[1]
    client = SurveyClient([local.url])
    for url in (
        f"http://localhost:{port}/file",
        f"https://127.0.0.1:{port}/file",
        "http://127.0.0.1/file",
        f"http://127.0.0.1:{port}@169.254.169.254/file",
        "file:///etc/passwd",
    ):
        with pytest.raises(FatalError, match="FIBERLESS_SURVEY_HOSTS"):
            client.read(url, max_bytes=100)
    client.close()
    assert local.n_requests == 0


def test_the_port_of_the_scheme_may_be_written_or_not():
    client = SurveyClient(["https://data.sdss.org:443"])
    client._check_host("https://data.sdss.org/sas/dr17")
    client.close()


@pytest.mark.parametrize(
    "text", ["data.sdss.org", "ftp://data.sdss.org", "https://", "https://a.org/b", "https://a.org:x"]
)
def test_what_names_no_server_cannot_be_allowed(text):
    with pytest.raises(UsageError, match="FIBERLESS_SURVEY_HOSTS"):
        SurveyClient([text])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(local, asking, status):
    local.faults["file"] = [status]
    local.headers["Location"] = f"{local.url}/file"
    with pytest.raises(FatalError, match="redirect"):
        asking()
    assert local.n_requests == 1


def test_a_file_larger_than_the_bound_is_refused(asking):
    with pytest.raises(FatalError, match="larger than 99 bytes"):
        asking(max_bytes=99)


def test_pauses_double_with_each_failure(local, asking, slept):
    local.faults["file"] = [503, "cut"]
    assert asking() == b"x" * 100
    assert slept == [2, 4]


def test_the_same_stream_is_written_from_its_beginning_again(local, client):
    (local.root / "file").write_bytes(b"0123456789")
    local.faults["file"] = ["cut"]
    stream = BytesIO()
    assert client(local).save(f"{local.url}/file", stream, max_bytes=10)
    assert stream.getvalue() == b"0123456789"


def test_after_the_last_try_it_stops(local, asking, slept):
    local.faults["file"] = [500] * 9
    with pytest.raises(TransientError, match=r"3 tries \(status 500\)") as caught:
        asking()
    assert caught.value.slug == "source-unavailable"
    assert local.n_requests == 3
    assert len(slept) == 2


def test_a_pause_that_the_server_names_is_kept(local, asking, slept):
    local.faults["file"] = [429]
    local.headers["Retry-After"] = "30"
    asking()
    assert slept == [30]


def test_a_pause_that_is_too_long_is_left_to_the_queue(local, asking, slept):
    local.faults["file"] = [429]
    local.headers["Retry-After"] = "3600"
    with pytest.raises(TransientError, match="busy"):
        asking()
    assert slept == []


def test_a_refusal_is_final(local, asking):
    local.faults["file"] = [403]
    with pytest.raises(FatalError, match="403"):
        asking()
    assert local.n_requests == 1


def test_a_server_that_drips_is_cut_off(local, asking):
    """A clock that jumps a minute at each look: no chunk arrives within the 180 s of a try."""
    (local.root / "file").write_bytes(b"x" * 2**20)
    ticks = count(step=200)
    with pytest.raises(TransientError, match="not whole after 180 s"):
        asking(max_bytes=2**21, clock=lambda: next(ticks))


def test_a_server_that_is_not_there_is_a_passing_fault(local, asking):
    local.close()
    with pytest.raises(TransientError, match="3 tries"):
        asking()


def test_a_coded_body_is_not_decoded(local, asking):
    """A body that says it is gzip cannot grow on our side: its bytes are taken as they are."""
    local.headers["Content-Encoding"] = "gzip"
    assert asking() == b"x" * 100


def test_a_body_with_a_fault_is_asked_for_again(local, client, slept):
    (local.root / "file").write_bytes(b"<html>")
    one = client(local, patience=THREE, sleep=slept.append)
    with pytest.raises(TransientError, match=r"3 tries \(a page\)"):
        one.save(f"{local.url}/file", BytesIO(), max_bytes=10, fault=lambda _body: "a page")
    assert local.n_requests == 3
