"""Errors as RFC 9457 problem documents: one conversion for every error that can leave the service."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from fiberless.contract import OBJECT_ID_WORDS
from fiberless.errors import PROBLEMS, FiberlessError, Problem, UsageError

__all__ = [
    "PROBLEM_MEDIA_TYPE",
    "ProblemDetail",
    "install_problem_handlers",
    "problem_response",
    "problem_responses",
    "usage_error",
]

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
_SLUG_OF_STATUS: Final = {
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    400: "invalid-parameter",
}
_SLUG_OF_FIELD: Final = {
    "ra": "invalid-coordinates",
    "dec": "invalid-coordinates",
    "object_id": "invalid-object-id",
}
_SLUG_OF_TYPE: Final = {"incomplete_coordinates": "invalid-coordinates"}
_PATTERN_WORDS: Final = {
    "include": "candidates, samples and cutout, with commas",
    "Idempotency-Key": "1 to 255 visible characters of ASCII",
    "idempotency-key": "1 to 255 visible characters of ASCII",
}
_RETRY_AFTER_SECONDS: Final = {429: "1", 503: "5"}
_RETRY_AFTER_OF_SLUG: Final = {"queue-full": "10"}
_RETRY_AFTER: Final = {
    "description": "Seconds until it is worth asking again",
    "schema": {"type": "integer", "minimum": 1},
}
_LONGEST_INSTANCE: Final = 512
_log = logging.getLogger(__name__)


class ProblemDetail(BaseModel):
    """An RFC 9457 problem document. Further members may be added to it."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": True})

    type: str = Field(description="`/problems/<slug>`: what kind of problem, described for people there")
    title: str = Field(description="The same for every problem of this type")
    status: int = Field(description="The HTTP status of this answer")
    detail: str = Field(description="What was wrong with this very request, and what would be right")
    instance: str = Field(description="Path of the request")


def problem_response(error: FiberlessError, *, path: str, **members: Any) -> JSONResponse:
    """Answer that reports an error of the request to `path`; `members` extend the document."""
    status = error.problem.status
    document = _document(error.slug, error.problem, detail=error.detail, path=path)
    pause = _RETRY_AFTER_OF_SLUG.get(error.slug) or _RETRY_AFTER_SECONDS.get(status)
    headers = {} if pause is None else {"Retry-After": pause}
    return _answer(document | members, headers=headers)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI declaration of problem answers with these statuses, for `responses=` of a route."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemDetail"}}
    titles: dict[int | str, str] = {status: _titles(status) for status in statuses}
    titles["default"] = "Any other problem"
    return {
        status: {
            "description": title,
            "content": {PROBLEM_MEDIA_TYPE: schema},
            **({"headers": {"Retry-After": _RETRY_AFTER}} if status in _RETRY_AFTER_SECONDS else {}),
        }
        for status, title in titles.items()
    }


def usage_error(error: ValidationError | RequestValidationError) -> UsageError:
    """The caller's mistake behind a failed validation; names fields and limits, never repeats the input."""
    rows = error.errors()
    details = [f"{_place(row['loc'])}: {_said(row)}" for row in rows[:5]]
    return UsageError(_slug_of(rows[0]), "; ".join(details)[:500])


def install_problem_handlers(app: FastAPI) -> None:
    """Let every error of an application leave it as a problem document."""
    app.add_exception_handler(FiberlessError, _on_fiberless_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


def _document(slug: str, problem: Problem, *, detail: str, path: str) -> dict[str, Any]:
    return {
        "type": f"/problems/{slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "instance": quote(path, safe="/:@")[:_LONGEST_INSTANCE],
    }


def _answer(document: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        dict(document),
        status_code=document["status"],
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type=PROBLEM_MEDIA_TYPE,
    )


def _titles(status: int) -> str:
    titles = [problem.title for problem in PROBLEMS.values() if problem.status == status]
    return "; ".join(titles[:3]) + (" …" if len(titles) > 3 else "")


def _slug_of(row: Mapping[str, Any]) -> str:
    if row["type"].startswith("json"):
        return "invalid-json"
    if row["type"] == "not_a_target":
        return str(row["ctx"]["slug"])
    if row["type"] in _SLUG_OF_TYPE:
        return _SLUG_OF_TYPE[row["type"]]
    field = str(row["loc"][-1]) if row["loc"] else ""
    known = row["type"] != "extra_forbidden"
    return _SLUG_OF_FIELD.get(field, "invalid-parameter") if known else "invalid-parameter"


def _said(row: Mapping[str, Any]) -> str:
    """What is wrong, in words: a pattern is never repeated."""
    if row["type"] != "string_pattern_mismatch":
        return str(row["msg"])
    if {"object_id", "ids"} & set(map(str, row["loc"])):
        return f"a name has {OBJECT_ID_WORDS}"
    return _PATTERN_WORDS.get(str(row["loc"][-1]) if row["loc"] else "", "it has a form that is not known")


def _place(loc: Sequence[int | str]) -> str:
    return (
        ".".join(str(part)[:64] for part in loc if part not in {"query", "path", "body", "header"}) or "body"
    )


async def _on_fiberless_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, FiberlessError)  # noqa: S101  # the registration says so; mypy cannot know
    if error.problem.status >= 500:
        _log.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return problem_response(error, path=request.scope["path"])


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # as above
    return problem_response(usage_error(error), path=request.scope["path"])


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  # as above
    slug = _SLUG_OF_STATUS.get(error.status_code, "invalid-parameter")
    detail = f"{request.method} {request.url.path[:200]}: {PROBLEMS[slug].title.lower()}"
    document = _document(slug, PROBLEMS[slug], detail=detail, path=request.scope["path"])
    return _answer(document, headers=error.headers)
