"""Documents about objects: the predictions of one, those near a place, those of a list of names."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from pydantic import ValidationError

from app.http.links import Links
from app.http.problems import usage_error
from app.http.strict_json import read_json
from app.schemas.documents import (
    LookupAnswer,
    NeighbourEntry,
    ObjectEntry,
    ObjectLookup,
    ObjectPage,
    PredictionEntry,
)
from app.schemas.examples import LOOKUP_EXAMPLE
from fiberless.errors import UsageError
from fiberless.service.storage import ConePage, PredictionSummary, Store

__all__ = [
    "LOOKUP_REQUEST",
    "MAX_RADIUS_ARCSEC",
    "ObjectLookupDep",
    "lookup",
    "object_document",
    "object_page",
]

MAX_RADIUS_ARCSEC: Final = 36_000.0
"""Ten degrees: a page of a cone looks at all that lies in it."""

_MOST_BYTES: Final = 2**18
"""Of a list of 1000 names."""
LOOKUP_REQUEST: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": ObjectLookup.model_json_schema(), "example": LOOKUP_EXAMPLE}
        },
    }
}


async def _names_to_look_up(request: Request) -> ObjectLookup:
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media != "application/json":
        raise UsageError("unsupported-media-type", 'send application/json: {"ids": ["…"]}')
    try:
        return ObjectLookup.model_validate(await read_json(request, max_bytes=_MOST_BYTES), strict=True)
    except ValidationError as error:
        raise usage_error(error) from error


ObjectLookupDep = Annotated[ObjectLookup, Depends(_names_to_look_up)]


def object_document(store: Store, object_id: str, *, owner: str, links: Links) -> bytes:
    """Newest prediction of an object, and the list of all that an owner has.

    Raises
    ------
    UsageError
        `not-found` if there is none; says how to get one.

    """
    summaries = store.objects.predictions_of(object_id, owner=owner)
    newest = _newest_document(store, summaries, links)
    if newest is None:
        raise UsageError(
            "not-found",
            f"there is no prediction of {object_id} yet; POST its image to /api/v1/predictions with the "
            f'option object_id, or {{"target": {{"object_id": "{object_id}"}}}} if a survey knows the name',
        )
    entries = [_prediction_entry(summary, links).model_dump(mode="json") for summary in summaries]
    # The stored document goes in as it is: parsing 300 kB to write the same again would be the whole cost.
    head = json.dumps({"object_id": object_id, "predictions": entries})
    return head[:-1].encode() + b', "prediction": ' + newest + b"}"


def _newest_document(store: Store, summaries: Sequence[PredictionSummary], links: Links) -> bytes | None:
    """Document of the first of the predictions that can be read, with its links."""
    for summary in summaries:
        with suppress(UsageError):  # its files are lost: it counts as not stored
            return links.added_to(store.predictions.document(summary.id), summary.id)
    return None


def object_page(page: ConePage, following: str | None, links: Links) -> ObjectPage:
    """Document of a page of a cone; `following` is the address of the next one."""
    return ObjectPage(
        total=page.total,
        objects=tuple(
            NeighbourEntry(
                **_object_entry(one.summary, links).model_dump(), separation_arcsec=one.separation_arcsec
            )
            for one in page.neighbours
        ),
        next=following,
    )


def lookup(store: Store, object_ids: Sequence[str], *, owner: str, links: Links) -> LookupAnswer:
    """Which of the names an owner has predictions of."""
    asked = tuple(dict.fromkeys(object_ids))
    newest = store.objects.newest_of(asked, owner=owner)
    return LookupAnswer(
        found=tuple(_object_entry(newest[name], links) for name in asked if name in newest),
        missing=tuple(name for name in asked if name not in newest),
    )


def _object_entry(summary: PredictionSummary, links: Links) -> ObjectEntry:
    return ObjectEntry(
        object_id=summary.object_id,
        ra=summary.ra,
        dec=summary.dec,
        prediction=_prediction_entry(summary, links),
    )


def _prediction_entry(summary: PredictionSummary, links: Links) -> PredictionEntry:
    return PredictionEntry(
        id=summary.id,
        created=summary.created,
        redshift=summary.redshift,
        model_version=summary.model_version,
        href=links.path("prediction", prediction_id=summary.id),
    )
