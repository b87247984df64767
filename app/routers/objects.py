"""Objects: what was predicted for a name that callers gave."""

from fastapi import APIRouter, Response

from app.answers import object_document
from app.documents import ObjectDocument
from app.identifiers import KnownObjectId
from app.problems import problem_responses
from app.service import ServiceDep

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/objects", tags=["objects"])


@router.get(
    "/{object_id}",
    summary="Read an object",
    responses={200: {"model": ObjectDocument}, **problem_responses(404, 422, 503)},
)
async def read(object_id: KnownObjectId, service: ServiceDep) -> Response:
    """Answer with the newest prediction of an object, and the list of all."""
    document = await service.call(object_document, service.store, object_id)
    return Response(document, media_type="application/json", headers={"Cache-Control": "no-cache"})
