from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fiberless.sources.download import SurveyClient
from tests.survey_server import SurveyServer


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], SurveyServer]]:
    """Start servers of folders; they end with the tests."""
    servers: list[SurveyServer] = []

    def start(root: Path) -> SurveyServer:
        servers.append(SurveyServer(root))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def local(tmp_path: Path, serve: Callable[[Path], SurveyServer]) -> SurveyServer:
    """A server of an empty folder."""
    (tmp_path / "served").mkdir()
    return serve(tmp_path / "served")


@pytest.fixture
def client() -> Iterator[Callable[..., SurveyClient]]:
    """Clients that do not sleep, and may ask one server."""
    made: list[SurveyClient] = []

    def make(server: SurveyServer, **arguments: Any) -> SurveyClient:
        made.append(SurveyClient([server.url], **({"sleep": lambda _: None} | arguments)))
        return made[-1]

    yield make
    for one in made:
        one.close()
