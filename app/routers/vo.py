"""Virtual Observatory: cone search and availability, over the same objects as the JSON face."""

from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from app.http.access import CallerDep
from app.http.links import LinksDep
from app.http.problems import problem_responses
from app.service import ServiceDep
from app.vo.availability import availability_document
from app.vo.cone import cone_error, cone_votable, read_cone
from app.vo.parameters import Parameters
from fiberless.errors import UsageError

__all__ = ["router"]

router = APIRouter(prefix="/vo", tags=["virtual observatory"])
_VOTABLE: Final = "application/x-votable+xml"


def _parameter(name: str, description: str, example: object, *, required: bool = False) -> dict[str, Any]:
    schema = {"type": "number" if required else "string"}
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": schema,
        "example": example,
    }


_CONE_PARAMETERS: Final = [
    _parameter("RA", "Centre: right ascension, ICRS degrees, 0 to 360", 38.35502, required=True),
    _parameter("DEC", "Centre: declination, ICRS degrees, -90 to 90", -0.1557, required=True),
    _parameter("SR", "Radius in degrees, 0 to 10", 0.01, required=True),
    _parameter("MAXREC", "Most records; 1000 unless told, at most 10000", "100"),
    _parameter("VERB", "1, 2 or 3: the same columns", "2"),
    _parameter("RESPONSEFORMAT", "`votable`", "votable"),
]


@router.get(
    "/scs",
    summary="Simple Cone Search",
    response_class=Response,
    responses={
        200: {"content": {_VOTABLE: {"schema": {"type": "string"}}}, "description": "VOTable 1.4"},
        **problem_responses(401, 403, 429, 503),
    },
    openapi_extra={"parameters": _CONE_PARAMETERS},
)
async def cone_search(request: Request, caller: CallerDep, service: ServiceDep, links: LinksDep) -> Response:
    """Answer with the objects in a cone, nearest first; mistakes are told in an INFO named Error.

    Names of parameters have no case; what the protocol does not know is ignored.
    """
    try:
        query = read_cone(Parameters(request.query_params.multi_items()))
    except UsageError as error:
        return Response(cone_error(error.detail), media_type=_VOTABLE)
    search = partial(service.store.objects.in_cone, query.ra, query.dec, radius_arcsec=query.radius * 3600)
    page = await service.call(partial(search, owner=caller.owner, limit=query.maxrec))
    origin = f"{request.url.scheme}://{request.url.netloc}"
    document = await service.call(partial(cone_votable, page, links, origin=origin))
    return Response(document, media_type=_VOTABLE, headers={"Cache-Control": "no-cache"})


@router.get(
    "/availability",
    summary="VOSI availability",
    response_class=Response,
    responses={
        200: {"content": {"text/xml": {"schema": {"type": "string"}}}, "description": "VOSI 1.1"},
        **problem_responses(401, 403, 429, 503),
    },
)
async def availability(service: ServiceDep) -> Response:
    """Answer whether predictions can be made, and what is missing if not."""
    checks = await service.call(service.checks)
    return Response(
        availability_document(checks), media_type="text/xml", headers={"Cache-Control": "no-cache"}
    )
