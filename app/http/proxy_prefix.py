"""`ProxyPrefix`: under which path a proxy shows the service, as the settings or the proxy say."""

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from fiberless.service.settings import LOOPBACK

__all__ = ["ProxyPrefix", "prefix_of"]

_KEY: Final = "fiberless.prefix"
_HEADERS: Final = ("x-forwarded-prefix", "x-forwarded-context", "x-proxycontextpath")
"""What Traefik and others send, and the two that jupyter-server-proxy sends."""
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~@%+=-]+){1,16}")
_LONGEST: Final = 512


class ProxyPrefix:
    """Notes the path under which a proxy shows the service, and takes it off a request that still has it.

    Parameters
    ----------
    root_path : str
        The prefix of the settings; without it a proxy on this machine is believed, and no other caller.

    """

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self._app = app
        self._root_path = root_path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its prefix beside its path."""
        if scope["type"] == "http" and (prefix := self._root_path or _said_by_proxy(scope)):
            scope = {**scope, _KEY: prefix}
            if scope["path"].startswith(prefix + "/"):
                scope["path"] = scope["path"].removeprefix(prefix)
                raw_path: bytes = scope.get("raw_path") or b""
                scope["raw_path"] = raw_path.removeprefix(prefix.encode())
        await self._app(scope, receive, send)


def prefix_of(scope: Scope) -> str:
    """Prefix under which the caller sees the service, without a slash at its end; mostly empty."""
    return str(scope.get(_KEY) or scope.get("root_path", "")).rstrip("/")


def _said_by_proxy(scope: Scope) -> str:
    """Prefix in the headers of a proxy on this machine; empty where there is none, or none that is a path."""
    client = scope.get("client")
    if not client or client[0] not in LOOPBACK:
        return ""
    headers = Headers(scope=scope)
    said = next((headers[name].rstrip("/") for name in _HEADERS if headers.get(name)), "")
    return said if len(said) <= _LONGEST and _PREFIX.fullmatch(said) and "/.." not in said else ""
