"""Products of a prediction: its spectrum in every format, its plot, the image that it was made from."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from app.downloads import (
    CUTOUT_OFFERS,
    MEDIA_TYPES,
    SPECTRUM_OFFERS,
    CutoutFormat,
    SpectrumFormat,
    Wanted,
    cutout_bytes,
    preview_bytes,
    spectrum_bytes,
)
from app.http.identifiers import PredictionId
from app.http.negotiation import immutable, negotiate
from app.http.openapi import NOT_MODIFIED, PRODUCT_HEADERS, binary_content
from app.http.problems import problem_responses
from app.schemas.documents import CandidateSpectrum, SpectrumDocument
from app.service import ServiceDep
from fiberless.products.spectrum import Frame

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/predictions/{prediction_id}", tags=["products"])
CandidateIndex = Annotated[
    int | None, Query(ge=0, lt=256, description="Index in `candidates`; none: the shown one")
]
FrameName = Annotated[
    Frame,
    Query(
        description="`rest`: wavelengths divided by 1 + z of the spectrum, flux densities multiplied by it"
    ),
]
_SUFFIXES: Final = {"votable": "vot"}
_TEXT_FORMATS: Final = ("votable", "ecsv", "csv")
_PROBLEMS: Final = problem_responses(401, 403, 404, 406, 422, 429, 503)


def _downloads(*kinds: str) -> dict[str, Any]:
    return {
        "description": "The product; predicted, not observed",
        "headers": PRODUCT_HEADERS,
        "content": {MEDIA_TYPES[kind]: binary_content(is_text=kind in _TEXT_FORMATS) for kind in kinds},
    }


@router.get(
    "/spectrum",
    name="spectrum",
    summary="Download the spectrum",
    response_class=Response,
    responses={
        200: {
            "model": SpectrumDocument | CandidateSpectrum,
            **_downloads("fits", "votable", "ecsv", "csv", "parquet"),
        },
        **NOT_MODIFIED,
        **_PROBLEMS,
    },
)
async def spectrum(
    request: Request,
    prediction_id: PredictionId,
    service: ServiceDep,
    *,
    format: Annotated[SpectrumFormat | None, Query()] = None,  # noqa: A002  # the query's own name
    frame: FrameName = "observed",
    candidate: CandidateIndex = None,
) -> Response:
    """Answer with the shown spectrum or one candidate, in the format of `format` or else of `Accept`."""
    kind = format or negotiate(request.headers.get("accept"), SPECTRUM_OFFERS)
    wanted = Wanted(kind, candidate, frame)
    content = await service.call(spectrum_bytes, service.store, prediction_id, wanted)
    which = "" if candidate is None else f"_candidate{candidate}"
    name = f"{prediction_id}{which}{'_rest' if frame == 'rest' else ''}_predicted"
    return _product(request, content, kind, name=name)


@router.get(
    "/preview.png",
    name="preview",
    summary="Download a plot",
    response_class=Response,
    responses={200: _downloads("png"), **NOT_MODIFIED, **_PROBLEMS},
)
async def preview(request: Request, prediction_id: PredictionId, service: ServiceDep) -> Response:
    """Answer with a plot of the image and of the predicted spectrum, its lines and the 16–84 % band."""
    content = await service.paint(preview_bytes, service.store, prediction_id)
    return _product(request, content, "png", name=f"{prediction_id}_predicted")


@router.get(
    "/cutout",
    name="cutout",
    summary="Download the image",
    response_class=Response,
    responses={200: _downloads("fits", "png"), **NOT_MODIFIED, **_PROBLEMS},
)
async def cutout(
    request: Request,
    prediction_id: PredictionId,
    service: ServiceDep,
    format: Annotated[CutoutFormat | None, Query()] = None,  # noqa: A002  # the query's own name
) -> Response:
    """Answer with the five-band image that the prediction was made from, or a colour picture of it."""
    kind = format or negotiate(request.headers.get("accept"), CUTOUT_OFFERS)
    content = await service.call(cutout_bytes, service.store, prediction_id, kind)
    return _product(request, content, kind, name=f"{prediction_id}_cutout")


def _product(request: Request, content: bytes, kind: str, *, name: str) -> Response:
    """Answer with a product; what a browser cannot show is offered as a file."""
    headers = {"Vary": "Accept"}
    if kind not in {"json", "png"}:
        headers["Content-Disposition"] = f'attachment; filename="{name}.{_SUFFIXES.get(kind, kind)}"'
    return immutable(request, content, media_type=MEDIA_TYPES[kind], headers=headers)
