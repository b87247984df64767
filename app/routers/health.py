"""Health: whether the process answers, whether predictions can be made, which program this is."""

from fastapi import APIRouter, Depends, Request, Response

from app.http.access import Scope, require
from app.http.metrics import exposition
from app.http.problems import problem_response, problem_responses
from app.schemas.documents import Health, Readiness, VersionDocument
from app.service import ServiceDep
from fiberless import __version__
from fiberless.contract import SCHEMA_VERSION
from fiberless.errors import TransientError

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Does the process answer?", responses=problem_responses())
async def healthz() -> Health:
    """Answer, and touch nothing else."""
    return Health()


@router.get(
    "/readyz",
    summary="Can predictions be made?",
    responses={200: {"model": Readiness}, **problem_responses(503)},
)
async def readyz(request: Request, service: ServiceDep) -> Response:
    """Check storage, broker, model and worker; 503 names what is missing."""
    checks = await service.call(service.checks)
    missing = [name for name, state in checks.items() if state != "ok"]
    if missing:
        error = TransientError("not-ready", f"not ready: {', '.join(missing)}")
        return problem_response(error, path=request.url.path, checks=checks)
    return Response(Readiness(checks=checks).model_dump_json(), media_type="application/json")


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    dependencies=[Depends(require(Scope.ADMIN))],
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problem_responses(503)},
)
async def metrics(request: Request, service: ServiceDep) -> Response:
    """Answer with requests by route, jobs that wait and workers' signs of life; needs the scope `admin`."""
    content = await service.call(exposition, request.app, service.store)
    return Response(content, media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/version", summary="Which program is this?", responses=problem_responses())
async def version() -> VersionDocument:
    """Answer with the versions of the program and of its documents."""
    return VersionDocument(version=__version__, api="1", prediction_schema=SCHEMA_VERSION)
