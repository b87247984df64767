"""Models: the versions that predictions can be made with, and their cards."""

from fastapi import APIRouter

from app.http.links import LinksDep
from app.http.problems import problem_responses
from app.model_cards import model_document, model_list
from app.schemas.documents import ModelDocument, ModelList
from app.service import ServiceDep
from fiberless.errors import UsageError

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/models", tags=["models"])


@router.get("", summary="List the models", responses=problem_responses(503))
async def read_all(service: ServiceDep, links: LinksDep) -> ModelList:
    """Answer with all model versions, and which is used when none is named."""
    return await service.call(model_list, service, links)


@router.get("/{version}", name="model", summary="Read a model card", responses=problem_responses(404, 503))
async def read(version: str, service: ServiceDep, links: LinksDep) -> ModelDocument:
    """Answer with one model version: its manifest and its card."""
    if version not in await service.call(service.versions):
        raise UsageError("not-found", "there is no such model version; /api/v1/models lists them")
    return await service.call(model_document, service, version, links)
