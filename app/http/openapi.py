"""What FastAPI cannot derive for the OpenAPI document: bodies that we parse ourselves, and problems."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.http.access import declare_keys
from app.http.problems import ProblemDetail
from app.schemas.examples import TARGET_EXAMPLES
from app.submission_input import FITS_MEDIA_TYPES, PredictionBody
from fiberless.astro.bands import BANDS
from fiberless.contract import PredictionOptions

__all__ = [
    "JOB_HEADERS",
    "NOT_MODIFIED",
    "OBJECT_HEADERS",
    "PAGE_HEADERS",
    "PREDICTION_HEADERS",
    "PRODUCT_HEADERS",
    "SUBMITTED_HEADERS",
    "SUBMIT_REQUEST",
    "answered_with",
    "binary_content",
    "openapi_of",
    "option_parameters",
]

_COMPONENT: Final = "#/components/schemas/{model}"
_EXTRA_MODELS: Final[tuple[type[BaseModel], ...]] = (ProblemDetail, PredictionBody, PredictionOptions)
_BINARY: Final = {"type": "string", "format": "binary"}
NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "The caller has it already (ETag)"}
}


def _header(
    description: str, schema: dict[str, Any] | None = None, *, always: bool = False
) -> dict[str, Any]:
    return {"description": description, "required": always, "schema": schema or {"type": "string"}}


_RETRY_AFTER: Final = _header("Seconds until it is worth asking again", {"type": "integer", "minimum": 1})
JOB_HEADERS: Final = {"Retry-After": _RETRY_AFTER}
PAGE_HEADERS: Final = {"Link": _header('The next page, `<…>; rel="next"`; absent on the last (RFC 8288)')}
_APPLIED: Final = {"Preference-Applied": _header("`wait=N`, where it was asked for (RFC 7240)")}
SUBMITTED_HEADERS: Final = {
    "Location": _header("The job", {"type": "string", "format": "uri-reference"}, always=True),
    **JOB_HEADERS,
    **_APPLIED,
}
PREDICTION_HEADERS: Final = {
    "Content-Location": _header("The prediction", {"type": "string", "format": "uri-reference"}, always=True),
    **_APPLIED,
}

_ETAG: Final = {"ETag": _header("Strong; for `If-None-Match`", always=True)}
OBJECT_HEADERS: Final = _ETAG
PRODUCT_HEADERS: Final = {
    **_ETAG,
    "Vary": _header("The format depends on `Accept`, where `format` does not say it", always=True),
    "Content-Disposition": _header("A name for the file; absent for JSON and PNG"),
}


def binary_content(*, is_text: bool = False) -> dict[str, Any]:
    """OpenAPI declaration of bytes, or of text, without a schema of their own."""
    return {"schema": {"type": "string"} if is_text else _BINARY}


def answered_with(
    model: type[BaseModel],
    example: Any = None,
    *,
    headers: dict[str, Any] | None = None,
    description: str = "As asked for",
) -> dict[str, Any]:
    """OpenAPI declaration of an answer with a model, for `responses=` of a route."""
    declared: dict[str, Any] = {"model": model, "description": description}
    if headers is not None:
        declared["headers"] = headers
    if example is not None:
        declared["content"] = {"application/json": {"example": example}}
    return declared


def _multipart_schema() -> dict[str, Any]:
    one = {"image": {**_BINARY, "description": "One FITS: a (5,H,W) cube, or five image HDUs u, g, r, i, z"}}
    five = {f"image_{band}": {**_BINARY, "description": f"FITS image of the {band} band"} for band in BANDS}
    options = {"options": {"$ref": _COMPONENT.format(model="PredictionOptions")}}
    return {
        "type": "object",
        "properties": one | five | options,
        "additionalProperties": False,
        "oneOf": [{"required": ["image"]}, {"required": list(five)}],
    }


def option_parameters(note: str) -> list[dict[str, Any]]:
    """OpenAPI declaration of the options as query parameters; the note says for which form of a body."""
    properties = PredictionOptions.model_json_schema()["properties"]
    return [
        {"name": name, "in": "query", "required": False, "description": note, "schema": schema}
        for name, schema in properties.items()
    ]


_OPTIONS_NOTE: Final = "Option of the raw FITS form; the other forms take options in their body"
SUBMIT_REQUEST: Final[dict[str, Any]] = {
    "parameters": [
        *option_parameters(_OPTIONS_NOTE),
        {
            "name": "Prefer",
            "in": "header",
            "required": False,
            "description": "`wait=N`: answer when the prediction is there, or after N ≤ 60 s (RFC 7240)",
            "schema": {"type": "string", "examples": ["wait=30"]},
        },
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": _multipart_schema(),
                "encoding": {"options": {"contentType": "application/json"}},
            },
            **{media: {"schema": _BINARY} for media in FITS_MEDIA_TYPES},
            "application/json": {
                "schema": {"$ref": _COMPONENT.format(model="PredictionBody")},
                "examples": {
                    "position": {"summary": "By coordinates", "value": TARGET_EXAMPLES[0]},
                    "name": {"summary": "By object ID", "value": TARGET_EXAMPLES[1]},
                    "line": {"summary": "As typed", "value": TARGET_EXAMPLES[2]},
                },
            },
        },
    },
}


def openapi_of(app: FastAPI, *, needs_keys: bool = False) -> Callable[[], dict[str, Any]]:
    """Function that makes the document of an application, once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            made.setdefault("components", {}).setdefault("schemas", {}).update(_extra_schemas())
            declare_keys(made, needed=needs_keys)
            app.openapi_schema = made
        return app.openapi_schema

    return document


def _extra_schemas() -> dict[str, Any]:
    _, schemas = models_json_schema(
        [(model, "validation") for model in _EXTRA_MODELS], ref_template=_COMPONENT
    )
    definitions: dict[str, Any] = schemas["$defs"]
    return definitions
