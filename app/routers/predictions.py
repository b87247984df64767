"""Predictions: asked for, read, and downloaded as spectra and images."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Header, Query, Request, Response

from app.answers import candidate_document, check_candidate, outcome_answer, spectrum_document
from app.documents import CandidateSpectrum, SpectrumDocument
from app.identifiers import PredictionId
from app.negotiation import PreferredWait, immutable, negotiate
from app.openapi import FITS_CONTENT, NOT_MODIFIED, SUBMIT_REQUEST
from app.problems import problem_responses
from app.service import Outcome, ServiceDep
from app.submissions import FITS_MEDIA_TYPES, SubmissionDep
from fiberless.contract import Job, Prediction
from fiberless.cutouts.fits import write_cutout
from fiberless.cutouts.product import prediction_fits

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/predictions", tags=["predictions"])
_SPECTRUM_OFFERS: Final = {"application/json": "json", **dict.fromkeys(FITS_MEDIA_TYPES, "fits")}
_FITS_TYPE: Final = FITS_MEDIA_TYPES[0]
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$", description="Same key, same job"),
]
CandidateIndex = Annotated[
    int | None, Query(ge=0, lt=256, description="Index in `candidates`; none: the shown one")
]


@router.post(
    "",
    summary="Ask for a prediction",
    status_code=202,
    responses={
        200: {"model": Prediction, "description": "The prediction: waited for, or stored already"},
        202: {"model": Job, "description": "The job; ask again at its Location"},
        **problem_responses(409, 413, 415, 422, 503),
    },
    openapi_extra=SUBMIT_REQUEST,
)
async def submit(
    request: Request,
    submission: SubmissionDep,
    wait: PreferredWait,
    service: ServiceDep,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Predict the spectrum of the galaxy in an image, or at a position."""
    outcome = await service.submit(submission, idempotency_key=idempotency_key)
    if wait and outcome.job is not None and outcome.prediction_id is None:
        outcome = Outcome(job=await service.wait_for(outcome.job.id, wait))
    answer = await outcome_answer(request, outcome, service)
    if wait is not None:
        answer.headers["Preference-Applied"] = f"wait={wait}"
    return answer


@router.get(
    "/{prediction_id}",
    summary="Read a prediction",
    responses={200: {"model": Prediction}, **NOT_MODIFIED, **problem_responses(404, 503)},
)
async def read(request: Request, prediction_id: PredictionId, service: ServiceDep) -> Response:
    """Answer with the stored document, byte for byte; it never changes."""
    document = await service.call(service.store.prediction_json, prediction_id)
    return immutable(request, document, media_type="application/json")


@router.get(
    "/{prediction_id}/spectrum",
    summary="Download the spectrum",
    responses={
        200: {"model": SpectrumDocument | CandidateSpectrum, "content": FITS_CONTENT},
        **NOT_MODIFIED,
        **problem_responses(404, 406, 422, 503),
    },
)
async def spectrum(
    request: Request,
    prediction_id: PredictionId,
    service: ServiceDep,
    *,
    format: Annotated[Literal["json", "fits"] | None, Query()] = None,  # noqa: A002  # the query's own name
    frame: Annotated[Literal["observed"], Query()] = "observed",  # noqa: ARG001  # checked by its type
    candidate: CandidateIndex = None,
) -> Response:
    """Answer with the shown spectrum or one candidate, as JSON or FITS, by `format` or else `Accept`."""
    kind = format or negotiate(request.headers.get("accept"), _SPECTRUM_OFFERS)
    make = _spectrum_fits if kind == "fits" else _spectrum_json
    content = await service.call(make, service, prediction_id, candidate)
    media = _FITS_TYPE if kind == "fits" else "application/json"
    headers = {"Vary": "Accept", **(_attachment(f"{prediction_id}.fits") if kind == "fits" else {})}
    return immutable(request, content, media_type=media, headers=headers)


@router.get(
    "/{prediction_id}/cutout",
    summary="Download the image",
    response_class=Response,
    responses={200: {"content": FITS_CONTENT}, **NOT_MODIFIED, **problem_responses(404, 422, 503)},
)
async def cutout(
    request: Request,
    prediction_id: PredictionId,
    service: ServiceDep,
    format: Annotated[Literal["fits"], Query()] = "fits",  # noqa: A002, ARG001  # the query's own name; checked by its type
) -> Response:
    """Answer with the five-band image that the prediction was made from."""
    content = await service.call(_cutout_fits, service, prediction_id)
    headers = _attachment(f"{prediction_id}_cutout.fits")
    return immutable(request, content, media_type=_FITS_TYPE, headers=headers)


def _spectrum_json(service: ServiceDep, prediction_id: str, candidate: int | None) -> bytes:
    prediction = service.store.prediction(prediction_id)
    check_candidate(prediction, candidate)
    if candidate is None:
        return spectrum_document(prediction).model_dump_json().encode()
    arrays = service.store.prediction_arrays(prediction_id)
    return candidate_document(prediction, arrays, candidate).model_dump_json().encode()


def _spectrum_fits(service: ServiceDep, prediction_id: str, candidate: int | None) -> bytes:
    store = service.store
    prediction = store.prediction(prediction_id)
    check_candidate(prediction, candidate)
    arrays, image = store.prediction_arrays(prediction_id), store.cutout(prediction_id)
    return prediction_fits(prediction, arrays, image, candidate=candidate)


def _cutout_fits(service: ServiceDep, prediction_id: str) -> bytes:
    return write_cutout(service.store.cutout(prediction_id))


def _attachment(filename: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{filename}"'}
