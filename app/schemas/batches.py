"""Batches as documents: pages of batches and of their rows, what OpenAPI says of them, and examples."""

from datetime import UTC, datetime
from typing import Any, Final

from fastapi import Request, Response
from pydantic import BaseModel, Field

from app.batch_input.json_rows import BatchTarget
from app.batch_input.reading import TABLE_MEDIA_TYPES
from app.batch_results import RESULT_MEDIA_TYPES
from app.http.links import Links
from app.http.negotiation import next_page
from app.http.openapi import option_parameters
from app.schemas.documents import Document
from fiberless.contract import BatchItemLinks, BatchLinks, ErrorReport, JobPhase, LinkedBatch, LinkedBatchItem
from fiberless.errors import ErrorKind
from fiberless.service.storage import BatchesPage, ItemsPage

__all__ = [
    "BATCHES_EXAMPLE",
    "BATCH_EXAMPLE",
    "BATCH_REQUEST",
    "ITEMS_EXAMPLE",
    "RESULTS_CONTENT",
    "BatchItemList",
    "BatchList",
    "batch_answer",
    "batches_answer",
    "items_answer",
]

_POLL_SECONDS: Final = "2"


class BatchList(Document):
    """A page of batches, newest first."""

    batches: tuple[LinkedBatch, ...]
    next: str | None = Field(description="The next page, also as `Link: rel=next`; null on the last")


class BatchItemList(Document):
    """A page of the rows of a batch, in their order."""

    items: tuple[LinkedBatchItem, ...]
    next: str | None = Field(description="The next page, also as `Link: rel=next`; null on the last")


def batch_answer(batch: LinkedBatch, *, status_code: int = 200) -> Response:
    """Answer with a batch; while it has not ended, says when to ask again."""
    headers = {"Cache-Control": "no-store"}
    if status_code == 202:
        headers["Location"] = batch.links.self
    if not batch.phase.is_final:
        headers["Retry-After"] = _POLL_SECONDS
    return _json(batch, headers, status_code=status_code)


def batches_answer(request: Request, page: BatchesPage, links: Links) -> Response:
    """Answer with a page of batches, and where the next one is."""
    following = next_page(request, page.next_cursor)
    return _json(
        BatchList(batches=tuple(map(links.batch, page.batches)), next=following), _page_headers(following)
    )


def items_answer(request: Request, page: ItemsPage, links: Links) -> Response:
    """Answer with a page of rows, and where the next one is."""
    following = next_page(request, page.next_cursor)
    return _json(
        BatchItemList(items=tuple(map(links.item, page.items)), next=following), _page_headers(following)
    )


def _json(document: BaseModel, headers: dict[str, str], *, status_code: int = 200) -> Response:
    return Response(
        document.model_dump_json(), media_type="application/json", headers=headers, status_code=status_code
    )


def _page_headers(following: str | None) -> dict[str, str]:
    link = {} if following is None else {"Link": f'<{following}>; rel="next"'}
    return {"Cache-Control": "no-store", **link}


_ID: Final = "b_0c7f5e1d9a3b4826b5c4d3e2f1a09b8c"
_JOB_ID: Final = "j_5f0e9d3c2b1a48679b8c7d6e5f4a3b2c"
_BATCH: Final = LinkedBatch(
    id=_ID,
    phase=JobPhase.EXECUTING,
    n_rows=500,
    counts={
        JobPhase.PENDING: 0,
        JobPhase.QUEUED: 180,
        JobPhase.EXECUTING: 16,
        JobPhase.COMPLETED: 301,
        JobPhase.ERROR: 3,
        JobPhase.ABORTED: 0,
    },
    label="plate 266",
    created=datetime(2026, 3, 1, 21, 0, 0, tzinfo=UTC),
    links=BatchLinks(
        self=f"/api/v1/batches/{_ID}",
        items=f"/api/v1/batches/{_ID}/items",
        results=f"/api/v1/batches/{_ID}/results",
    ),
)
_ITEM: Final = LinkedBatchItem(
    row=0,
    id="NGC 1",
    ra=361.0,
    phase=JobPhase.ERROR,
    error=ErrorReport(
        slug="invalid-coordinates", kind=ErrorKind.USAGE, detail="ICRS degrees: 0 ≤ ra < 360, −90 ≤ dec ≤ 90"
    ),
    job_id=_JOB_ID,
    links=BatchItemLinks(job=f"/api/v1/jobs/{_JOB_ID}"),
)
BATCH_EXAMPLE: Final[dict[str, Any]] = _BATCH.model_dump(mode="json")
BATCHES_EXAMPLE: Final[dict[str, Any]] = {"batches": [BATCH_EXAMPLE], "next": None}
ITEMS_EXAMPLE: Final[dict[str, Any]] = {"items": [_ITEM.model_dump(mode="json") | {"ra": None}], "next": None}

_BINARY: Final = {"type": "string", "format": "binary"}
_OPTIONS: Final = {"$ref": "#/components/schemas/PredictionOptions"}
_TARGETS: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "items": {
        "anyOf": [
            BatchTarget.model_json_schema(),
            {"description": "Whatever is no target becomes a row with an error"},
        ]
    },
}
_JSON_BODY: Final = {
    "oneOf": [
        _TARGETS,
        {
            "type": "object",
            "properties": {"targets": _TARGETS, "options": _OPTIONS},
            "required": ["targets"],
            "additionalProperties": False,
        },
    ]
}
_FORM: Final = {
    "type": "object",
    "properties": {
        "image": {"type": "array", "items": _BINARY, "description": "FITS files, one a row"},
        "table": {**_BINARY, "description": "One table: CSV, ECSV, VOTable or Parquet"},
        "options": _OPTIONS,
    },
    "additionalProperties": False,
    "oneOf": [{"required": ["image"]}, {"required": ["table"]}],
}
_TABLE: Final = "id,ra,dec\nNGC 1,1.8163,27.7087\nNGC 2,1.8211,27.6783\n"
BATCH_REQUEST: Final[dict[str, Any]] = {
    "parameters": option_parameters("Option of the table forms; the other forms take options in their body"),
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": _JSON_BODY,
                "examples": {
                    "positions": {
                        "summary": "Positions",
                        "value": {
                            "targets": [
                                {"id": "a", "ra": 38.35502, "dec": -0.1557},
                                {"ra": 10.0, "dec": 0.5},
                            ],
                            "options": {"n_candidates": 25, "label": "plate 266"},
                        },
                    },
                    "names": {
                        "summary": "Object IDs",
                        "value": [{"object_id": "sdss:1237648720693755918"}],
                    },
                },
            },
            "multipart/form-data": {
                "schema": _FORM,
                "encoding": {"options": {"contentType": "application/json"}},
            },
            "text/csv": {"schema": {"type": "string"}, "example": _TABLE},
            **{media: {"schema": _BINARY} for media in TABLE_MEDIA_TYPES if media != "text/csv"},
        },
    },
}
RESULTS_CONTENT: Final[dict[str, Any]] = {
    media.partition(";")[0]: {"schema": {"type": "object"} if name == "json" else _BINARY}
    for name, media in RESULT_MEDIA_TYPES.items()
}
