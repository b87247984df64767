"""From what the service knows to HTTP answers: jobs, predictions and their spectra."""

import json
from typing import Final

import numpy as np
from fastapi import Request, Response
from fastapi.responses import JSONResponse

from app.documents import CandidateSpectrum, PredictionEntry, SpectrumDocument
from app.problems import problem_response
from app.service import Outcome, Service
from fiberless.arrays import significant
from fiberless.contract import ErrorReport, Job, JobPhase, Prediction, PredictionArrays, Quantity
from fiberless.errors import ErrorKind, FatalError, FiberlessError, TransientError, UsageError
from fiberless.storage import PredictionSummary, Store

__all__ = [
    "candidate_document",
    "check_candidate",
    "job_answer",
    "object_document",
    "outcome_answer",
    "spectrum_document",
]

_ERROR_OF_KIND: Final[dict[ErrorKind, type[FiberlessError]]] = {
    ErrorKind.USAGE: UsageError,
    ErrorKind.TRANSIENT: TransientError,
    ErrorKind.FATAL: FatalError,
}
_POLL_SECONDS: Final = "1"


async def outcome_answer(request: Request, outcome: Outcome, service: Service) -> Response:
    """200 with the prediction, else 202 with the job; a failed job answers with its own problem."""
    job = outcome.job
    found = outcome.prediction_id or (job and job.prediction_id)
    if found is not None:
        document = await service.call(service.store.prediction_json, found)
        location = {"Content-Location": f"/api/v1/predictions/{found}", "Cache-Control": "no-store"}
        return Response(document, media_type="application/json", headers=location)
    if job is None:
        raise FatalError("internal-error", "a submission led nowhere")
    if job.phase is JobPhase.ERROR and job.error is not None:
        error = _error_of(job.error)
        return problem_response(error, path=request.url.path, job=job.model_dump(mode="json"))
    return job_answer(job, status_code=202)


def job_answer(job: Job, *, status_code: int = 200) -> Response:
    """Answer with a job; while it is not final, says when to ask again."""
    headers = {"Cache-Control": "no-store"}
    if status_code == 202:
        headers["Location"] = job.links.self
    if not job.phase.is_final:
        headers["Retry-After"] = _POLL_SECONDS
    return JSONResponse(job.model_dump(mode="json"), status_code=status_code, headers=headers)


def spectrum_document(prediction: Prediction) -> SpectrumDocument:
    """The shown spectrum, with what it is of."""
    return SpectrumDocument(
        prediction_id=prediction.id, object=prediction.object, spectrum=prediction.spectrum
    )


def candidate_document(prediction: Prediction, arrays: PredictionArrays, index: int) -> CandidateSpectrum:
    """One candidate spectrum; pixels that the model does not reach are null."""
    candidate = prediction.candidates[index]
    flux = significant(arrays.candidate_flux[index])
    values = [float(value) if np.isfinite(value) else None for value in flux]
    return CandidateSpectrum(
        prediction_id=prediction.id,
        object=prediction.object,
        candidate=index,
        redshift=candidate.redshift,
        contrastive_score=candidate.contrastive_score,
        wavelength=prediction.spectrum.wavelength,
        flux=Quantity(unit=prediction.spectrum.flux.unit, values=values),
    )


def check_candidate(prediction: Prediction, index: int | None) -> None:
    """Refuse a candidate that a prediction does not have (`not-found`)."""
    if index is not None and index >= len(prediction.candidates):
        last = len(prediction.candidates) - 1
        raise UsageError("not-found", f"there is no candidate {index}; they are numbered 0 to {last}")


def object_document(store: Store, object_id: str) -> bytes:
    """Newest prediction of an object, byte for byte, and the list of all. Blocks.

    Raises
    ------
    UsageError
        `not-found` if there is none; says how to get one.

    """
    summaries = store.predictions_of(object_id)
    if not summaries:
        raise UsageError(
            "not-found",
            f"there is no prediction of {object_id} yet; POST its image to /api/v1/predictions with the "
            "option object_id",
        )
    entries = [_entry(summary).model_dump(mode="json") for summary in summaries]
    newest = store.prediction_json(summaries[0].id)
    # The stored document goes in as it is: parsing 300 kB to write the same again would be the whole cost.
    head = json.dumps({"object_id": object_id, "predictions": entries})
    return head[:-1].encode() + b', "prediction": ' + newest + b"}"


def _entry(summary: PredictionSummary) -> PredictionEntry:
    return PredictionEntry(
        id=summary.id,
        created=summary.created,
        redshift=summary.redshift,
        model_version=summary.model_version,
        href=f"/api/v1/predictions/{summary.id}",
    )


def _error_of(report: ErrorReport) -> FiberlessError:
    return _ERROR_OF_KIND[report.kind](report.slug, report.detail)
