"""Jobs: listed, followed until they end, cancelled; where their predictions lie."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.sse import EventSourceResponse

from app.http.access import CallerDep
from app.http.identifiers import JobId
from app.http.links import LinksDep
from app.http.negotiation import MAX_WAIT_SECONDS, Cursor, PageSize, is_head
from app.http.openapi import JOB_HEADERS, PAGE_HEADERS, answered_with
from app.http.problems import problem_responses
from app.job_events import LastRevision, event_stream, follow
from app.responses import job_answer, jobs_answer
from app.schemas.documents import JobList
from app.schemas.examples import JOB_EXAMPLE, JOB_STREAM_EXAMPLE, JOBS_EXAMPLE
from app.service import ServiceDep
from fiberless.contract import JobPhase, LinkedJob

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
Phases = Annotated[
    list[JobPhase],
    Query(max_length=len(JobPhase), description="Only jobs in one of these phases; all if none"),
]


@router.get(
    "",
    summary="List jobs",
    responses={
        200: answered_with(JobList, JOBS_EXAMPLE, headers=PAGE_HEADERS),
        **problem_responses(401, 403, 422, 429, 503),
    },
)
async def read_all(
    request: Request,
    caller: CallerDep,
    service: ServiceDep,
    links: LinksDep,
    *,
    phase: Phases = [],  # noqa: B006  # FastAPI makes a new one for each request
    cursor: Cursor = None,
    limit: PageSize = 50,
) -> Response:
    """Answer with the caller's jobs, newest first, a page at a time."""
    page = await service.call(
        partial(service.store.jobs.page, owner=caller.owner, phases=phase, cursor=cursor, limit=limit)
    )
    return jobs_answer(request, page, links)


@router.get(
    "/{job_id}",
    name="job",
    summary="Read a job",
    responses={
        200: answered_with(LinkedJob, JOB_EXAMPLE, headers=JOB_HEADERS),
        **problem_responses(401, 403, 404, 422, 429, 503),
    },
)
async def read(job_id: JobId, service: ServiceDep, links: LinksDep, wait: WaitSeconds = 0) -> Response:
    """Answer with a job as it is, or as soon as it is final."""
    return job_answer(links.job(await service.wait_for(job_id, wait)))


@router.delete(
    "/{job_id}",
    summary="Cancel a job",
    responses={
        200: answered_with(LinkedJob, JOB_EXAMPLE | {"phase": "ABORTED"}),
        **problem_responses(401, 403, 404, 429, 503),
    },
)
async def cancel(job_id: JobId, service: ServiceDep, links: LinksDep) -> Response:
    """Abort a job, whether it waits or is worked on. One that has ended stays as it is and is answered."""
    return job_answer(links.job(await service.call(service.store.jobs.cancel, job_id)))


@router.get(
    "/{job_id}/events",
    name="job_events",
    summary="Follow a job",
    response_class=Response,
    responses={
        200: {
            "description": "Events `progress` and, at last, `end`; their data is the Job as it was then, "
            "their ids count its changes",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": JOB_STREAM_EXAMPLE}},
        },
        204: {"description": "The job has ended and `Last-Event-ID` was its last event: do not reconnect"},
        **problem_responses(401, 403, 404, 429, 503),
    },
)
async def events(
    request: Request, job_id: JobId, service: ServiceDep, links: LinksDep, last_revision: LastRevision
) -> Response:
    """Stream every change of a job until it ends; a reconnecting caller gets all that it missed."""
    following = await service.call(partial(follow, service, job_id, after=last_revision))
    if following.has_nothing_left:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = iter(()) if is_head(request) else event_stream(service, following, links)
    return EventSourceResponse(stream, headers=headers)
