"""From a request's bytes to a `Submission`: the three forms in which a prediction can be asked for."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Final, TypeAlias

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from app.given_target import GivenTarget
from app.http.problems import usage_error
from app.http.strict_json import parse_json, read_json
from app.service import ServiceDep
from app.submission import Submission
from fiberless.astro.bands import BANDS
from fiberless.contract import PredictionOptions
from fiberless.errors import UsageError
from fiberless.images.cutout import Cutout
from fiberless.images.fits.read import read_band_files, read_cutout

__all__ = [
    "FITS_MEDIA_TYPES",
    "PredictionBody",
    "SubmissionDep",
    "form_options",
    "query_options",
    "read_submission",
    "refuse_query",
]

FITS_MEDIA_TYPES: Final = ("application/fits", "image/fits")
_BAND_FIELDS: Final = {f"image_{band}": band for band in BANDS}
_MAX_FILES: Final = len(BANDS) + 1
_MAX_FIELDS: Final = 8

Parse: TypeAlias = Callable[[Callable[[], Cutout]], Awaitable[Cutout]]
"""Runs a parser away from the event loop, with a bound on how many run at once."""


class PredictionBody(BaseModel):
    """JSON form of a submission: what to look at, and what to do with its image."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    target: GivenTarget
    options: PredictionOptions = Field(default_factory=PredictionOptions)


async def read_submission(request: Request, service: ServiceDep) -> Submission:
    """Read a request in whichever form it comes.

    Raises
    ------
    UsageError
        `unsupported-media-type` for any other form; else what is wrong inside it.

    """
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    match media:
        case "multipart/form-data":
            return await _read_multipart(request, service.parse)
        case "application/json":
            refuse_query(request.query_params)
            return _of_json(await read_json(request))
        case _ if media in FITS_MEDIA_TYPES:
            options = query_options(request)
            return await _of_fits(await request.body(), options, service.parse)
    raise UsageError(
        "unsupported-media-type",
        "send multipart/form-data, application/fits or application/json"
        + (f", not {media[:64]!r}" if media else "; the Content-Type is missing"),
    )


SubmissionDep = Annotated[Submission, Depends(read_submission)]


async def _of_fits(data: bytes, options: PredictionOptions, parse: Parse) -> Submission:
    return Submission(await parse(lambda: read_cutout(data)), None, options)


def _of_json(document: object) -> Submission:
    try:
        body = PredictionBody.model_validate(document, strict=True)
    except ValidationError as error:
        raise usage_error(error) from error
    return Submission(None, body.target, body.options)


def query_options(request: Request) -> PredictionOptions:
    """Options of a request whose body has no room for them; UsageError `invalid-parameter`."""
    pairs = request.query_params.multi_items()
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise UsageError("invalid-parameter", f"{twice[0][:64]}: given more than once")
    try:
        return PredictionOptions.model_validate(dict(pairs))
    except ValidationError as error:
        raise usage_error(error) from error


def refuse_query(query: Mapping[str, str]) -> None:
    """Refuse options in the query of a form that takes them in its body (`invalid-parameter`)."""
    if query:
        name = next(iter(query))[:64]
        raise UsageError("invalid-parameter", f"{name}: in this form options go into the body, not the query")


async def _read_multipart(request: Request, parse: Parse) -> Submission:
    refuse_query(request.query_params)
    try:
        async with request.form(max_files=_MAX_FILES, max_fields=_MAX_FIELDS) as form:
            options = await form_options(form)
            images = {name: await _file_bytes(form, name) for name in form if name != "options"}
    except HTTPException as error:
        slug = "body-too-large" if error.detail.startswith("Too many") else "bad-multipart"
        raise UsageError(slug, f"the multipart body cannot be read: {error.detail[:200]}") from error
    return await _of_images(images, options, parse)


async def _of_images(images: Mapping[str, bytes], options: PredictionOptions, parse: Parse) -> Submission:
    if set(images) == {"image"}:
        return await _of_fits(images["image"], options, parse)
    if not images or not set(images) <= set(_BAND_FIELDS):
        names = ", ".join(sorted(images))[:200] or "none"
        raise UsageError(
            "bad-multipart", f"send one file `image`, or five files image_u … image_z; got {names}"
        )
    files = {_BAND_FIELDS[name]: data for name, data in images.items()}
    return Submission(await parse(lambda: read_band_files(files)), None, options)


async def _file_bytes(form: FormData, name: str) -> bytes:
    parts = form.getlist(name)
    if len(parts) > 1:
        raise UsageError("bad-multipart", f"the part {name[:64]!r} appears {len(parts)} times")
    part = parts[0]
    if not isinstance(part, UploadFile):
        raise UsageError("bad-multipart", f"the part {name[:64]!r} must be a file, with a filename")
    if any(mark in (part.filename or "") for mark in ("/", "\\", "\0")):
        raise UsageError("bad-multipart", f"the filename of {name[:64]!r} must not be a path")
    return await part.read()


async def form_options(form: FormData) -> PredictionOptions:
    """Options in the part `options` of a form, as JSON; raises `bad-multipart` and what JSON may raise."""
    parts = form.getlist("options")
    if len(parts) > 1:
        raise UsageError("bad-multipart", f"the part 'options' appears {len(parts)} times")
    if not parts:
        return PredictionOptions()
    text = await parts[0].read() if isinstance(parts[0], UploadFile) else parts[0].encode()
    document = parse_json(text)
    try:
        return PredictionOptions.model_validate(document, strict=True)
    except ValidationError as error:
        raise usage_error(error) from error
