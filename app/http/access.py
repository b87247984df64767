"""Who calls: `Caller` with its owner and scopes; every route that touches stored things asks for one.

How to use it in a router:

- ask for `caller: CallerDep` and pass `caller.owner` into every query that lists or searches, and into every
  row that is written (`SubmitJob(owner=caller.owner)`, batches likewise). Without a key the owner is "";
- name ids in paths by the types of `app.http.identifiers` (`JobId`, `PredictionId`): they answer 404 for what
  belongs to another owner, with the body of an absent one. A new kind of id (batches) gets such a type too;
- scopes are checked before any route by its method: GET needs `read`, everything else `submit`. A POST that
  only reads is named in `READ_BY_POST`. A route that needs another scope says `require(Scope.ADMIN)`.

Which owner sees what: jobs, batches, predictions and objects are seen by their owner alone. A prediction's id
depends on its owner, so that nobody learns from a cached answer what another asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from app.http.limits import Allowance
from app.http.problems import problem_response
from app.service import Service
from fiberless.errors import FiberlessError, TransientError, UsageError
from fiberless.service.api_keys import ApiKey, Scope, Token

__all__ = [
    "LOCAL_CALLER",
    "PUBLIC_FOLDERS",
    "PUBLIC_PATHS",
    "READ_BY_POST",
    "AccessGate",
    "Caller",
    "CallerDep",
    "Scope",
    "declare_keys",
    "get_caller",
    "is_public",
    "needed_scope",
    "require",
]

PUBLIC_PATHS: Final = frozenset(
    {"/", "/docs", "/example.fits", "/healthz", "/readyz", "/version", "/openapi.json"}
)
PUBLIC_FOLDERS: Final = ("/static/", "/problems/")
"""Pages and health, served to everyone: nothing that anybody has stored."""
READ_BY_POST: Final = frozenset({"/api/v1/objects/lookup", "/vo/links"})
"""Calls that send a question in a body and change nothing."""
_REALM: Final = 'Bearer realm="fiberless"'


@dataclass(frozen=True)
class Caller:
    """Who calls.

    Parameters
    ----------
    owner : str
        Whose jobs, batches and predictions these are; "" without a key.
    scopes : frozenset of Scope
        What the caller may do; `admin` includes the others.

    """

    owner: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether a scope is among the caller's."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


LOCAL_CALLER: Final = Caller(owner="", scopes=frozenset(Scope))
"""Whoever calls without a key where none is needed."""


class AccessGate:
    """Lets a request pass that shows a good key, or needs none, and that its caller's rate limit allows.

    Everything that `is_public` does not name is behind it, also routes that are added later.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Note the caller for the routes, or answer 401, 403 or 429."""
        if scope["type"] != "http" or is_public(scope["path"]):
            await self._app(scope, receive, send)
            return
        state = scope["app"].state
        headers: dict[str, str] = {}
        try:
            caller = await self._known_caller(scope)
            headers = _counted(await state.rate_limits.take(_subject(caller, scope)))
            _check_scope(caller, needed_scope(scope["method"], scope["path"]))
        except _Refused as refusal:
            answer = problem_response(refusal.error, path=scope["path"])
            answer.headers.update(headers | refusal.headers)
            await answer(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, _marked(send, headers, is_shared=not caller.owner))

    async def _known_caller(self, scope: AsgiScope) -> Caller:
        """Caller of a request; those that are refused share the limit of their address."""
        state = scope["app"].state
        try:
            return await _identify(state.service, Headers(scope=scope))
        except _Refused as refusal:
            refusal.headers |= _counted(await state.rate_limits.take(f"refused:{_address(scope)}"))
            raise


def get_caller(request: Request) -> Caller:
    """Caller of a request, as the gate has found it."""
    caller: Caller = request.state.caller
    return caller


CallerDep = Annotated[Caller, Depends(get_caller)]


def require(scope: Scope) -> Callable[[CallerDep], Caller]:
    """Dependency that answers with the caller, or refuses it.

    Raises
    ------
    UsageError
        `forbidden`, when the caller lacks the scope.

    """

    def check(caller: CallerDep) -> Caller:
        if not caller.may(scope):
            raise UsageError("forbidden", f"this needs a key with the scope {scope}")
        return caller

    return check


def is_public(path: str) -> bool:
    """Whether a path is served to everyone."""
    return path in PUBLIC_PATHS or path.startswith(PUBLIC_FOLDERS)


def needed_scope(method: str, path: str) -> Scope:
    """Scope that a call needs, whatever its route says."""
    reads = method in {"GET", "HEAD", "OPTIONS"} or path in READ_BY_POST
    return Scope.READ if reads else Scope.SUBMIT


def declare_keys(document: dict[str, Any], *, needed: bool) -> None:
    """Say in an OpenAPI document how keys are shown, and where they are needed."""
    schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
    schemes["key"] = {"type": "http", "scheme": "bearer", "description": "`flk_…`, from the operator"}
    for path, calls in document.get("paths", {}).items():
        for method, call in calls.items():
            if needed and not is_public(path):
                call["security"] = [{"key": [str(needed_scope(method.upper(), path))]}]


class _Refused(Exception):  # noqa: N818  # an answer, not an error
    """The request goes no further: its problem, and headers that belong to it."""

    def __init__(self, error: FiberlessError, headers: Mapping[str, str]) -> None:
        super().__init__(error.detail)
        self.error = error
        self.headers = dict(headers)


async def _identify(service: Service, headers: Headers) -> Caller:
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        if service.settings.needs_keys:
            error = UsageError("unauthorized", "send your API key as `Authorization: Bearer flk_…`")
            raise _Refused(error, {"WWW-Authenticate": _REALM})
        return LOCAL_CALLER
    key = await _recognise(service, credentials.strip())
    if key is None:
        error = UsageError("unauthorized", "this API key is not known here, or no longer")
        raise _Refused(error, {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'})
    return Caller(owner=key.owner, scopes=key.scopes)


async def _recognise(service: Service, text: str) -> ApiKey | None:
    token = Token.parse(text)
    try:
        return None if token is None else await service.call(service.store.keys.recognise, token)
    except TransientError as error:
        raise _Refused(error, {}) from error


def _check_scope(caller: Caller, scope: Scope) -> None:
    if not caller.may(scope):
        error = UsageError("forbidden", f"this needs a key with the scope {scope}")
        challenge = f'{_REALM}, error="insufficient_scope", scope="{scope}"'
        raise _Refused(error, {"WWW-Authenticate": challenge})


def _counted(allowance: Allowance | None) -> dict[str, str]:
    if allowance is None:
        return {}
    if not allowance.granted:
        error = TransientError("rate-limited", f"at most {allowance.limit} requests a minute")
        raise _Refused(error, allowance.headers)
    return allowance.headers


def _subject(caller: Caller, scope: AsgiScope) -> str:
    """Who shares a rate limit: all keys of an owner; without a key, an address."""
    if caller.owner:
        return f"owner:{caller.owner}"
    return f"address:{_address(scope)}"


def _address(scope: AsgiScope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _marked(send: Send, headers: Mapping[str, str], *, is_shared: bool) -> Send:
    """Add headers to an answer; one that is its caller's alone must not stay in a cache that others use."""

    async def send_marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer = MutableHeaders(scope=message)
            answer.update(headers)
            if not is_shared:
                answer.add_vary_header("Authorization")
                answer["Cache-Control"] = answer.get("Cache-Control", "no-cache").replace("public", "private")
        await send(message)

    return send_marked
