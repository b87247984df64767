"""Where the clients call, and what they show of themselves."""

import httpx
import pytest

import fiberless
from fiberless.client import AsyncClient, Client
from fiberless.errors import FatalError
from tests.played_service import Played, client_of


def test_the_clients_are_found_at_the_top():
    assert (fiberless.Client, fiberless.AsyncClient) == (Client, AsyncClient)
    with pytest.raises(AttributeError, match="Clients"):
        _ = fiberless.Clients


@pytest.mark.parametrize("given", ["argument", "environment"])
def test_the_key_is_shown_with_each_request(given, monkeypatch, document):
    if given == "environment":
        monkeypatch.setenv("FIBERLESS_API_KEY", "flk_1")
    played = Played(httpx.Response(200, content=document))
    with client_of(played, api_key="flk_1" if given == "argument" else None) as client:
        client.prediction("p_1")
    assert played.requests[0].headers["Authorization"] == "Bearer flk_1"


def test_the_address_is_read_from_the_environment(monkeypatch, document):
    monkeypatch.setenv("FIBERLESS_URL", "http://elsewhere:99/galaxies")
    played = Played(httpx.Response(200, content=document))
    with Client(transport=httpx.MockTransport(played)) as client:
        client.prediction("p_1")
    assert str(played.requests[0].url) == "http://elsewhere:99/galaxies/api/v1/predictions/p_1"
    assert "Authorization" not in played.requests[0].headers


def test_a_redirect_is_not_followed_so_that_no_key_goes_astray():
    played = Played(httpx.Response(307, headers={"Location": "http://thief/"}))
    with client_of(played, api_key="flk_1") as client, pytest.raises(FatalError, match="307"):
        client.models()
