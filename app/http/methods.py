"""`AllowedMethods`: tells which methods a path has, by OPTIONS and beside every 405 (RFC 9110)."""

import re
from typing import Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["AllowedMethods", "allowed_methods"]

_NOT_ALLOWED: Final = 405


class AllowedMethods:
    """Answers OPTIONS, and completes the Allow header of a 405, which otherwise names one route's methods."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._literal: dict[str, frozenset[str]] = {}
        self._table: list[tuple[re.Pattern[str], frozenset[str]]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer OPTIONS for a path that is there; pass all else on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._table:
            self._literal = allowed_methods(scope["app"])
            self._table = [(compile_path(path)[0], names) for path, names in self._literal.items()]
        methods = self._methods_at(scope["path"])
        if scope["method"] == "OPTIONS" and methods:
            await Response(status_code=204, headers={"Allow": _listed(methods)})(scope, receive, send)
            return

        async def send_completed(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == _NOT_ALLOWED and methods:
                MutableHeaders(scope=message)["Allow"] = _listed(methods)
            await send(message)

        await self._app(scope, receive, send_completed)

    def _methods_at(self, path: str) -> frozenset[str]:
        """Methods of a path: of its own entry if it has one, else of all templates that it fits."""
        fitting = [names for template, names in self._table if template.match(path)]
        return self._literal.get(path) or frozenset().union(*fitting)


def allowed_methods(application: FastAPI) -> dict[str, frozenset[str]]:
    """Methods of each path template of an application, but for HEAD and OPTIONS, which every GET answers."""
    methods: dict[str, frozenset[str]] = {}
    for route in iter_route_contexts(application.routes):
        names = frozenset(route.methods or ()) - {"HEAD", "OPTIONS"}
        if route.path and names:
            methods[route.path] = methods.get(route.path, frozenset()) | names
    return methods


def _listed(methods: frozenset[str]) -> str:
    implied = {"OPTIONS", "HEAD"} if "GET" in methods else {"OPTIONS"}
    return ", ".join(sorted(methods | implied))
