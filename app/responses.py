"""From what the service knows to HTTP answers: jobs, and what a submission led to."""

from typing import Final

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from app.http.links import Links
from app.http.negotiation import next_page
from app.http.problems import problem_response
from app.schemas.documents import JobList
from app.service import Outcome, Service
from fiberless.contract import ErrorReport, JobPhase, LinkedJob
from fiberless.errors import ErrorKind, FatalError, FiberlessError, TransientError, UsageError
from fiberless.service.storage import JobsPage

__all__ = [
    "job_answer",
    "jobs_answer",
    "outcome_answer",
]

_ERROR_OF_KIND: Final[dict[ErrorKind, type[FiberlessError]]] = {
    ErrorKind.USAGE: UsageError,
    ErrorKind.TRANSIENT: TransientError,
    ErrorKind.FATAL: FatalError,
}
_POLL_SECONDS: Final = "1"


async def outcome_answer(request: Request, outcome: Outcome, service: Service, links: Links) -> Response:
    """200 with the prediction, else 202 with the job; a failed job answers with its own problem."""
    job = outcome.job
    found = outcome.prediction_id or (None if job is None else job.prediction_id)
    if found is not None:
        stored = await service.call(service.store.predictions.document, found)
        document = links.added_to(stored, found)
        location = {
            "Content-Location": links.path("prediction", prediction_id=found),
            "Cache-Control": "no-store",
        }
        return Response(document, media_type="application/json", headers=location)
    if job is None:
        raise FatalError("internal-error", "a submission led nowhere")
    if job.phase is JobPhase.ERROR and job.error is not None:
        error = _error_of(job.error)
        return problem_response(error, path=request.url.path, job=links.job(job).model_dump(mode="json"))
    return job_answer(links.job(job), status_code=202)


def job_answer(job: LinkedJob, *, status_code: int = 200) -> Response:
    """Answer with a job; while it is not final, says when to ask again."""
    headers = {"Cache-Control": "no-store"}
    if status_code == 202:
        headers["Location"] = job.links.self
    if not job.phase.is_final:
        headers["Retry-After"] = _POLL_SECONDS
    return JSONResponse(job.model_dump(mode="json"), status_code=status_code, headers=headers)


def jobs_answer(request: Request, page: JobsPage, links: Links) -> Response:
    """Answer with a page of jobs, and where the next one is."""
    following = next_page(request, page.next_cursor)
    link = {} if following is None else {"Link": f'<{following}>; rel="next"'}
    document = JobList(jobs=tuple(map(links.job, page.jobs)), next=following).model_dump_json()
    headers = {"Cache-Control": "no-store", **link}
    return Response(document, media_type="application/json", headers=headers)


def _error_of(report: ErrorReport) -> FiberlessError:
    return _ERROR_OF_KIND[report.kind](report.slug, report.detail)
