"""Names through Sesame: resolved, unknown, and without a network."""

import pytest

from fiberless.contract import Target
from fiberless.errors import FatalError, UsageError
from fiberless.sources.download import SurveyClient
from fiberless.sources.sesame import LONGEST_SECONDS, SESAME_PATIENCE, Sesame
from fiberless.sources.source import SourceChain
from fiberless.testing import synthetic_cutout
from tests.survey_server import SurveyServer

PATH = "sesame/-oI/SNV"
ANSWER = b"# NGC 1068\n#=S=Simbad:\n%@ 1572\n%J 40.669629 -00.013280 = 02:42:40.71 -00:00:47.8\n"


@pytest.fixture
def server(tmp_path):
    server = SurveyServer(tmp_path)
    yield server
    server.close()


@pytest.fixture
def sesame():
    clients = []

    def made(url, allowed=None):
        clients.append(SurveyClient([allowed or url], SESAME_PATIENCE))
        return Sesame(clients[-1], f"{url}/sesame")

    yield made
    for client in clients:
        client.close()


def test_a_name_becomes_a_position(server, sesame):
    server.services[PATH] = lambda _: ANSWER
    assert sesame(server.url).locate("NGC 1068") == (40.669629, -0.01328)
    assert server.requests == {PATH: 1}


def test_a_name_that_no_catalogue_knows_is_not_found(server, sesame):
    server.services[PATH] = lambda _: b"#!SIMBAD: No known catalog could be found"
    with pytest.raises(UsageError, match="know no such name; give its position instead"):
        sesame(server.url).locate("M 999")


def test_without_a_network_a_sentence_comes(sesame):
    with pytest.raises(FatalError, match=r"Sesame cannot be asked .*give its position instead"):
        sesame("http://127.0.0.1:1").locate("NGC 1068")


def test_a_resolver_that_never_answers_is_given_up(server, sesame):
    server.hold_at = 1
    with pytest.raises(FatalError, match="give its position instead"):
        sesame(server.url).locate("NGC 1068")


def test_the_wait_for_a_name_is_below_five_seconds():
    assert SESAME_PATIENCE.attempts == 1
    assert LONGEST_SECONDS < 5


def test_a_host_that_is_not_allowed_is_not_asked(server, sesame):
    with pytest.raises(FatalError, match="not among FIBERLESS_SURVEY_HOSTS"):
        sesame(server.url, allowed="https://data.example.org").locate("NGC 1068")
    assert server.n_requests == 0


class ByPosition:
    """Knows no names."""

    def fetch(self, target):
        if target.position is None:
            raise UsageError("not-found", "no such name")
        return synthetic_cutout(1)


def test_the_chain_resolves_what_no_source_knows_and_says_so():
    chain = SourceChain([("frames", ByPosition())], locate=lambda _: (40.5, -0.25))
    cutout = chain.fetch(Target(object_id="NGC 1068"))
    assert cutout.notes[-1] == "position of NGC 1068 from Sesame: 40.500000 -0.250000"


@pytest.mark.parametrize("name", ["my:galaxy", "sdss:1237648720693755918", "1237648720693755918"])
def test_names_of_a_namespace_and_objids_are_not_resolved(name):
    chain = SourceChain([("frames", ByPosition())], locate=lambda _: pytest.fail("asked"))
    with pytest.raises(UsageError, match="not-found"):
        chain.fetch(Target(object_id=name))
