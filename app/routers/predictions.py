"""Predictions: asked for and read. Their downloads are in `products`."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from app.downloads import extended_document
from app.http.access import CallerDep
from app.http.identifiers import PredictionId
from app.http.links import LinksDep
from app.http.negotiation import PreferredWait, immutable
from app.http.openapi import (
    NOT_MODIFIED,
    PREDICTION_HEADERS,
    SUBMIT_REQUEST,
    SUBMITTED_HEADERS,
    answered_with,
)
from app.http.problems import problem_responses
from app.responses import outcome_answer
from app.schemas.documents import ExtendedPrediction
from app.schemas.examples import JOB_EXAMPLE
from app.service import Outcome, ServiceDep
from app.submission_input import SubmissionDep
from fiberless.contract import LinkedJob, LinkedPrediction

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/predictions", tags=["predictions"])
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$", description="Same key, same job"),
]
Include = Annotated[
    str | None,
    Query(
        pattern=r"^(candidates|samples|cutout)(,(candidates|samples|cutout))*$",
        max_length=64,
        description="What to add, by commas: `samples` (all spectra), `cutout` (the image's pixels); "
        "`candidates` are always there",
        examples=["samples,cutout"],
    ),
]


@router.post(
    "",
    summary="Ask for a prediction",
    status_code=202,
    responses={
        200: answered_with(
            LinkedPrediction,
            headers=PREDICTION_HEADERS,
            description="The prediction: waited for, or stored already",
        ),
        202: answered_with(
            LinkedJob,
            JOB_EXAMPLE,
            headers=SUBMITTED_HEADERS,
            description="The job; ask again at its Location",
        ),
        **problem_responses(401, 403, 404, 409, 413, 415, 422, 429, 500, 503),
    },
    openapi_extra=SUBMIT_REQUEST,
)
async def submit(
    request: Request,
    submission: SubmissionDep,
    wait: PreferredWait,
    caller: CallerDep,
    service: ServiceDep,
    links: LinksDep,
    *,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Predict the spectrum of the galaxy in an image, or at a position."""
    outcome = await service.submit(submission, idempotency_key=idempotency_key, owner=caller.owner)
    if wait and outcome.job is not None and outcome.prediction_id is None:
        outcome = Outcome(job=await service.wait_for(outcome.job.id, wait))
    answer = await outcome_answer(request, outcome, service, links)
    if wait is not None:
        answer.headers["Preference-Applied"] = f"wait={wait}"
    return answer


@router.get(
    "/{prediction_id}",
    name="prediction",
    summary="Read a prediction",
    responses={200: {"model": ExtendedPrediction}, **NOT_MODIFIED, **problem_responses(404, 422, 503)},
)
async def read(
    request: Request,
    prediction_id: PredictionId,
    service: ServiceDep,
    links: LinksDep,
    *,
    include: Include = None,
) -> Response:
    """Answer with the stored document, its links, and what is to be included; it never changes."""
    included = frozenset((include or "").split(","))
    document = await service.call(extended_document, service.store, prediction_id, included, links)
    return immutable(request, document, media_type="application/json")
