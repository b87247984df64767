"""Downloads: politeness, patience, wholeness."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from fiberless.datasets.sdss.options import USER_AGENT, Manners
from fiberless.errors import FatalError, TransientError, UsageError
from fiberless.sources.pace import Pace

SPECTRUM = b"SIMPLE  =                    T".ljust(2880)


class Watch:
    """A clock that moves only when somebody sleeps."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def watch():
    return Watch()


@pytest.fixture
def client(local, watch):
    made = []

    def make(**manners):
        chosen = Manners(**{"requests_per_second": 4, "first_pause_seconds": 2, "attempts": 3} | manners)
        pace = Pace(chosen.requests_per_second, clock=watch.clock, sleep=watch.sleep)
        made.append(local.client(chosen, pace=pace, jitter=lambda: 1.0))
        return made[-1]

    yield make
    for archive in made:
        archive.close()


@pytest.fixture
def wanted(local, tmp_path):
    """Ten files at the server and where they are to go."""
    for i in range(10):
        (local.root / f"{i}.fits").write_bytes(SPECTRUM)
    return {path.relative_to(local.root): tmp_path / "taken" / path.name for path in local.root.iterdir()}


def test_requests_are_spaced_and_the_client_says_who_it_is(client, local, watch, wanted):
    archive = client()
    for path, to in wanted.items():
        assert archive.fetch(path, to).n_bytes == 2880
    assert watch.slept == pytest.approx([0.25] * 9)
    assert local.n_requests == 10
    assert local.agents == {USER_AGENT}


def test_never_more_connections_than_agreed(client, local, wanted):
    client(connections=2, requests_per_second=1000).fetch_all(wanted)
    assert local.n_requests == 10
    assert local.most_at_once <= 2


def test_pauses_double_with_each_failure(client, local, watch, wanted):
    path, to = next(iter(wanted.items()))
    local.faults[str(path)] = [503, 500]
    assert client().fetch(path, to) is not None
    assert watch.slept == pytest.approx([2, 4])


def test_jitter_spreads_the_pauses(local, watch, wanted):
    path, to = next(iter(wanted.items()))
    local.faults[str(path)] = [503]
    pace = Pace(4, clock=watch.clock, sleep=watch.sleep)
    archive = local.client(Manners(first_pause_seconds=2), pace=pace, jitter=lambda: 0.0)
    archive.fetch(path, to)
    archive.close()
    assert watch.slept == pytest.approx([1.0])


@pytest.mark.parametrize("as_date", [False, True])
def test_a_server_that_names_a_pause_is_obeyed(client, local, watch, wanted, as_date):
    path, to = next(iter(wanted.items()))
    local.faults[str(path)] = [429]
    moment = datetime.now(UTC) + timedelta(seconds=120)
    local.headers["Retry-After"] = format_datetime(moment, usegmt=True) if as_date else "120"
    client().fetch(path, to)
    assert watch.slept == pytest.approx([120], abs=30 if as_date else 1e-6)


def test_after_the_last_try_it_stops(client, local, wanted):
    path, to = next(iter(wanted.items()))
    local.faults[str(path)] = [503] * 9
    with pytest.raises(TransientError, match=r"3 tries \(status 503\)") as caught:
        client().fetch(path, to)
    assert caught.value.slug == "source-unavailable"
    assert local.n_requests == 3
    assert not to.exists()


def test_if_told_so_it_leaves_out_what_never_comes(client, local, wanted):
    path, to = next(iter(wanted.items()))
    local.faults[str(path)] = [500] * 3
    assert client(skip_unavailable=True).fetch(path, to) is None
    assert local.n_requests == 3


def test_a_file_that_is_not_there_is_asked_for_once(client, local, tmp_path, wanted):
    missing = next(iter(wanted)).with_name("none.fits")
    assert client().fetch(missing, tmp_path / "none.fits") is None
    assert local.n_requests == 1


def test_a_refusal_is_final(client, local, wanted):
    path, to = next(iter(wanted.items()))
    local.faults[str(path)] = [403]
    with pytest.raises(FatalError, match="403"):
        client().fetch(path, to)
    assert local.n_requests == 1


def test_a_cut_body_is_taken_again_and_leaves_nothing(client, local, wanted):
    path, to = next(iter(wanted.items()))
    local.faults[str(path)] = ["cut", "cut"]
    fetched = client().fetch(path, to)
    assert local.n_requests == 3
    assert to.read_bytes() == SPECTRUM
    assert [file.name for file in to.parent.iterdir()] == [to.name]
    assert fetched.n_bytes == len(SPECTRUM)


@pytest.mark.parametrize(("name", "body"), [("a.fits", b"<html>busy</html>"), ("a.fits.bz2", b"<html>")])
def test_a_page_instead_of_a_file_is_not_taken(client, local, tmp_path, name, body):
    (local.root / name).write_bytes(body)
    archive = client()
    with pytest.raises(TransientError, match="no complete"):
        archive.fetch((local.root / name).relative_to(local.root), tmp_path / name)
    assert not (tmp_path / name).exists()


def test_what_is_there_is_not_taken_again(client, local, wanted):
    path, to = next(iter(wanted.items()))
    archive = client()
    assert archive.fetch(path, to) == archive.fetch(path, to)
    assert local.n_requests == 1


def test_a_server_that_is_not_there_is_a_passing_fault(client, local, wanted):
    path, to = next(iter(wanted.items()))
    archive = client()
    local.close()
    with pytest.raises(TransientError, match="3 tries"):
        archive.fetch(path, to)


def test_a_server_that_wants_to_be_left_alone_for_hours_is(client, local, watch, wanted):
    path, to = next(iter(wanted.items()))
    local.faults[str(path)] = [503]
    local.headers["Retry-After"] = "7200"
    with pytest.raises(TransientError, match="busy for 7200 s"):
        client().fetch(path, to)
    assert (local.n_requests, watch.slept) == (1, [])
    assert list(to.parent.iterdir()) == []


def test_a_query_goes_to_the_archives_own_server_or_one_that_is_named(local, tmp_path, serve):
    other = serve(tmp_path / "other")
    other.services["query"] = lambda _query: b"a,b"
    archive = local.client()
    with pytest.raises(FatalError, match="FIBERLESS_SURVEY_HOSTS"):
        archive.fetch_page(f"{other.url}/query", {}, tmp_path / "page.csv")
    archive.close()
    both = local.client(also=[f"{other.url}/query"])
    both.fetch_page(f"{other.url}/query", {}, tmp_path / "page.csv")
    both.close()
    assert (tmp_path / "page.csv").read_bytes() == b"a,b"


@pytest.mark.parametrize("address", ["data.sdss.org/sas", "ftp://data.sdss.org", "https://a.org:x"])
def test_what_is_no_address_is_said_to_be_none(local, address):
    with pytest.raises(UsageError, match="is no http or https address"):
        local.client(also=[address])
