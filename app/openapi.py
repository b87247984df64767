"""What FastAPI cannot derive for the OpenAPI document: bodies that we parse ourselves, and problems."""

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.problems import ProblemDetail
from app.submissions import FITS_MEDIA_TYPES, PredictionBody
from fiberless.bands import BANDS
from fiberless.contract import PredictionOptions

__all__ = ["FITS_CONTENT", "NOT_MODIFIED", "SUBMIT_REQUEST", "openapi_of"]

_COMPONENT: Final = "#/components/schemas/{model}"
_EXTRA_MODELS: Final[tuple[type[BaseModel], ...]] = (ProblemDetail, PredictionBody, PredictionOptions)
_BINARY: Final = {"type": "string", "format": "binary"}
FITS_CONTENT: Final = {"application/fits": {"schema": _BINARY}}
NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "The caller has it already (ETag)"}
}


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


def _option_parameters() -> list[dict[str, Any]]:
    properties = PredictionOptions.model_json_schema()["properties"]
    note = "Option of the raw FITS form; the other forms take options in their body"
    return [
        {"name": name, "in": "query", "required": False, "description": note, "schema": schema}
        for name, schema in properties.items()
    ]


SUBMIT_REQUEST: Final[dict[str, Any]] = {
    "parameters": [
        *_option_parameters(),
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
            "application/json": {"schema": {"$ref": _COMPONENT.format(model="PredictionBody")}},
        },
    },
}


def openapi_of(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """Function that makes the document of an application, once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            made.setdefault("components", {}).setdefault("schemas", {}).update(_extra_schemas())
            app.openapi_schema = made
        return app.openapi_schema

    return document


def _extra_schemas() -> dict[str, Any]:
    _, schemas = models_json_schema(
        [(model, "validation") for model in _EXTRA_MODELS], ref_template=_COMPONENT
    )
    definitions: dict[str, Any] = schemas["$defs"]
    return definitions
