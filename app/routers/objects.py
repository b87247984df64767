"""Objects: what was predicted for a name that callers gave, or for a place on the sky."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from app.found_objects import (
    LOOKUP_REQUEST,
    MAX_RADIUS_ARCSEC,
    ObjectLookupDep,
    lookup,
    object_document,
    object_page,
)
from app.http.access import CallerDep
from app.http.identifiers import KnownObjectId
from app.http.links import LinksDep
from app.http.negotiation import Cursor, PageSize, next_page, revalidated
from app.http.openapi import NOT_MODIFIED, OBJECT_HEADERS, PAGE_HEADERS, answered_with
from app.http.problems import problem_responses
from app.schemas.documents import LookupAnswer, ObjectDocument, ObjectPage
from app.schemas.examples import LOOKUP_ANSWER_EXAMPLE, OBJECT_PAGE_EXAMPLE
from app.service import ServiceDep

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/objects", tags=["objects"])
RightAscension = Annotated[
    float, Query(ge=0, lt=360, allow_inf_nan=False, description="Centre, ICRS degrees", examples=[38.35502])
]
Declination = Annotated[
    float, Query(ge=-90, le=90, allow_inf_nan=False, description="Centre, ICRS degrees", examples=[-0.1557])
]
Radius = Annotated[
    float,
    Query(
        ge=0,
        le=MAX_RADIUS_ARCSEC,
        allow_inf_nan=False,
        description="Great-circle distance; its end is inside",
        examples=[30],
    ),
]


@dataclass(frozen=True)
class Cone:
    """What a cone search asks for."""

    ra: RightAscension
    dec: Declination
    radius_arcsec: Radius


ConeDep = Annotated[Cone, Depends()]


@router.get(
    "",
    summary="Search around a position",
    responses={
        200: answered_with(ObjectPage, OBJECT_PAGE_EXAMPLE, headers=PAGE_HEADERS),
        **problem_responses(401, 403, 422, 429, 503),
    },
)
async def search(
    request: Request,
    caller: CallerDep,
    service: ServiceDep,
    links: LinksDep,
    *,
    cone: ConeDep,
    cursor: Cursor = None,
    limit: PageSize = 50,
) -> Response:
    """Answer with the objects in a cone, nearest first: the newest prediction that each has there."""
    search_cone = partial(service.store.objects.in_cone, cone.ra, cone.dec, radius_arcsec=cone.radius_arcsec)
    page = await service.call(partial(search_cone, owner=caller.owner, cursor=cursor, limit=limit))
    following = next_page(request, page.next_cursor)
    link = {} if following is None else {"Link": f'<{following}>; rel="next"'}
    document = object_page(page, following, links).model_dump_json()
    return Response(document, media_type="application/json", headers={"Cache-Control": "no-cache", **link})


@router.post(
    "/lookup",
    summary="Look up object IDs",
    responses={
        200: answered_with(LookupAnswer, LOOKUP_ANSWER_EXAMPLE),
        **problem_responses(401, 403, 413, 415, 422, 429, 503),
    },
    openapi_extra=LOOKUP_REQUEST,
)
async def look_up(
    names: ObjectLookupDep, caller: CallerDep, service: ServiceDep, links: LinksDep
) -> LookupAnswer:
    """Answer which of up to 1000 objects have a prediction, and which have none."""
    return await service.call(partial(lookup, service.store, names.ids, owner=caller.owner, links=links))


@router.get(
    "/{object_id}",
    summary="Read an object",
    responses={
        200: answered_with(ObjectDocument, headers=OBJECT_HEADERS),
        **NOT_MODIFIED,
        **problem_responses(401, 403, 404, 422, 429, 503),
    },
)
async def read(
    request: Request, object_id: KnownObjectId, caller: CallerDep, service: ServiceDep, links: LinksDep
) -> Response:
    """Answer with the newest prediction of an object, and the list of all."""
    document = await service.call(
        partial(object_document, service.store, object_id, owner=caller.owner, links=links)
    )
    return revalidated(request, document, media_type="application/json")
