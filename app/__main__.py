"""Run the front end: `python -m app`, on the address of the settings or on a socket that was passed down."""

import logging
import socket
from types import FrameType
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI

from app.main import create_app
from fiberless.errors import FiberlessError
from fiberless.service.api_keys import Redacted
from fiberless.service.settings import Settings
from fiberless.service.storage.access_check import refuse_open_access

__all__ = ["main"]

_GRACE_SECONDS = 8
_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """A server whose waiting requests are answered at once when it is told to stop."""

    def __init__(self, application: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._application = application

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        service = getattr(self._application.state, "service", None)
        if service is not None:
            service.closing.set()
        super().handle_exit(sig, frame)


def main(
    *, fd: Annotated[int | None, typer.Option(help="File descriptor of a listening socket")] = None
) -> None:
    """Serve until a signal comes."""
    settings = Settings()
    _configure_logs()
    try:
        refuse_open_access(settings)
    except FiberlessError as error:
        _log.critical("not started: %s", error.detail)
        raise SystemExit(2) from error
    application = create_app(settings)
    config = uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=_GRACE_SECONDS,
        backlog=2048,
    )
    sockets = None if fd is None else [socket.socket(fileno=fd)]
    _Server(application, config).run(sockets=sockets)


def _configure_logs() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(Redacted(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


if __name__ == "__main__":
    typer.run(main)
