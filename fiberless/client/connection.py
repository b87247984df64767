"""`Connection`: what both clients are made with: address, key, patience, and what carries requests."""

from typing import Any, ClassVar, Generic, TypeVar

import httpx

from fiberless.client.conversation import http_options

__all__ = ["Connection"]

HttpT = TypeVar("HttpT", httpx.Client, httpx.AsyncClient)
TransportT = TypeVar("TransportT", httpx.BaseTransport, httpx.AsyncBaseTransport)


class Connection(Generic[HttpT, TransportT]):
    """An httpx client of the kind that a subclass names, and how long its calls may wait.

    Parameters are described at `fiberless.Client`.
    """

    _http_type: ClassVar[Any]

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_seconds: float = 600.0,
        transport: TransportT | None = None,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._http: HttpT = self._http_type(**http_options(base_url, api_key), transport=transport)
