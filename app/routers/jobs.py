"""Jobs: how far they are, and where their predictions lie."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.answers import job_answer
from app.identifiers import JobId
from app.negotiation import MAX_WAIT_SECONDS
from app.problems import problem_responses
from app.service import ServiceDep
from fiberless.contract import Job

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])
WaitSeconds = Annotated[
    float,
    Query(
        ge=0,
        le=MAX_WAIT_SECONDS,
        allow_inf_nan=False,
        description="Answer when the job ends, or after so long",
    ),
]


@router.get(
    "/{job_id}", summary="Read a job", responses={200: {"model": Job}, **problem_responses(404, 422, 503)}
)
async def read(job_id: JobId, service: ServiceDep, wait: WaitSeconds = 0) -> Response:
    """Answer with a job as it is, or as soon as it is final."""
    return job_answer(await service.wait_for(job_id, wait))
