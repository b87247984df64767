"""`OriginGate`: under which names the service is called, and from which pages.

A browser carries a page of any site to the service of the machine that it runs on: by a form or a `fetch`
that needs no answer, or by a name of the site's own that its DNS lets point to 127.0.0.1. Where no key is
asked for, nothing else keeps such a page out.
"""

from collections.abc import Collection
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http.problems import problem_response
from fiberless.errors import UsageError

__all__ = ["OriginGate"]

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES: Final = frozenset({"same-origin", "none"})
"""Values of Sec-Fetch-Site (W3C Fetch Metadata): a page of this service, and a person at the address bar."""
_PROBES: Final = frozenset({"/healthz", "/readyz"})
"""Orchestrators ask for these by whatever address they know."""


class OriginGate:
    """Refuses requests under foreign names, and writing calls from pages of other sites.

    Parameters
    ----------
    hosts : names and addresses that the service is called by; None lets any pass
    is_keyless : whether anybody may write without a key; only then pages of other sites can do harm
    is_loopback_only : whether only connections to a loopback address may do without a key

    """

    def __init__(
        self, app: ASGIApp, *, hosts: Collection[str] | None, is_keyless: bool, is_loopback_only: bool
    ) -> None:
        self._app = app
        self._hosts = None if hosts is None else frozenset(map(str.lower, hosts))
        self._is_keyless = is_keyless
        self._is_loopback_only = is_loopback_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer what is wrong with where it comes from."""
        refusal = None
        if scope["type"] == "http" and scope["path"] not in _PROBES:
            refusal = self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await problem_response(refusal, path=scope["path"])(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> UsageError | None:
        host = headers.get("host", "")
        if self._hosts is not None and _name_of(host) not in self._hosts:
            return UsageError(
                "misdirected",
                "the service is not called by this name; FIBERLESS_ALLOWED_HOSTS lists its names",
            )
        if not self._is_keyless:
            return None
        if self._is_loopback_only and not _is_loopback(scope.get("server")):
            return UsageError(
                "unauthorized",
                "this server listens on an address of others, and was not told to ask for keys",
            )
        if scope["method"] not in _READS and _is_foreign(headers, host):
            return UsageError(
                "cross-site", "a page of another site asks for this; only this service's own may"
            )
        return None


def _name_of(host: str) -> str | None:
    """Name in a Host header, without its port; None where it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_foreign(headers: Headers, host: str) -> bool:
    """Whether a browser says that a page of another origin asks; programs say nothing of the kind."""
    if headers.get("sec-fetch-site", "none") not in _OWN_SITES:
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2].lower() != host.lower()


def _is_loopback(server: object) -> bool:
    """Whether a connection came in on a loopback address, or on no network address at all."""
    try:
        address = ip_address(server[0]) if isinstance(server, tuple | list) else None
    except ValueError:
        return True
    mapped = getattr(address, "ipv4_mapped", None)
    return address is None or (mapped or address).is_loopback
