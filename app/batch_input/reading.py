"""`read_batch`: a request in any of the forms that a batch comes in, as options and a stream of rows."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from tempfile import SpooledTemporaryFile
from typing import Annotated, BinaryIO, Final, cast

from fastapi import Depends, Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from app.batch_input.confined_rows import TableLimits, confined_json, confined_rows
from app.batch_input.unpacked import TableKind
from app.service import Service, ServiceDep
from app.submission_input import form_options, query_options, refuse_query
from fiberless.contract import QUEUE_FETCH, QUEUE_PREDICT, PredictionOptions
from fiberless.errors import UsageError
from fiberless.service.storage import BatchRow

__all__ = ["TABLE_MEDIA_TYPES", "BatchInput", "BatchInputDep", "ImageFile", "read_batch"]

TABLE_MEDIA_TYPES: Final[Mapping[str, TableKind]] = {
    "text/csv": "text",
    "text/ecsv": "text",
    "application/x-ecsv": "text",
    "application/x-votable+xml": "votable",
    "application/xml": "votable",
    "text/xml": "votable",
    "application/vnd.apache.parquet": "parquet",
    "application/x-parquet": "parquet",
    "application/fits": "fits",
    "image/fits": "fits",
    "text/tab-separated-values": "text",
    "text/plain": "text",
    "application/gzip": "text",
}
_IN_MEMORY_BYTES: Final = 2**20
_MAX_FIELDS: Final = 8
_FILE_PARTS: Final = ("image", "images")


@dataclass(frozen=True)
class ImageFile:
    """One FITS file of a batch: its name without endings, and where its bytes are."""

    name: str | None
    stream: BinaryIO


@dataclass(frozen=True, eq=False)
class BatchInput:
    """What a caller asks for.

    Parameters
    ----------
    sha256 : hash of all that was asked for, whatever the multipart boundary
    queue : where the rows start
    read : options common to all rows, and the rows: those that are ready, and images that are still to be
        read. May raise what is wrong with the whole, at once or half way; blocks. The iterator is to be
        closed.

    """

    sha256: str
    queue: str
    read: Callable[[], tuple[PredictionOptions, Generator[BatchRow | ImageFile]]]


async def read_batch(request: Request, service: ServiceDep) -> AsyncIterator[BatchInput]:
    """Read a request in whichever form it comes; its files are there until it is answered.

    Raises
    ------
    UsageError
        `unsupported-media-type` for any other form; else what is wrong with it as a whole.

    """
    media = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media == "multipart/form-data":
        refuse_query(request.query_params)
        form = await _read_form(request, max_files=service.settings.max_batch_files)
        try:
            yield await _of_form(form, service)
        finally:
            await form.close()
        return
    if media != "application/json" and media not in TABLE_MEDIA_TYPES:
        known = ", ".join(("multipart/form-data", "application/json", *TABLE_MEDIA_TYPES))
        raise UsageError("unsupported-media-type", f"send one of {known}")
    with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as body:
        sha256 = await _spool(request, body)
        stream = cast("BinaryIO", body)
        if media == "application/json":
            refuse_query(request.query_params)
            yield BatchInput(sha256, QUEUE_FETCH, partial(confined_json, stream, _limits(service)))
        else:
            yield _of_table(stream, query_options(request), sha256, TABLE_MEDIA_TYPES[media], service)


BatchInputDep = Annotated[BatchInput, Depends(read_batch)]


async def _spool(request: Request, body: SpooledTemporaryFile[bytes]) -> str:
    """Write a body down as it comes; its hash."""
    digest = hashlib.sha256()
    async for chunk in request.stream():
        digest.update(chunk)
        body.write(chunk)
    body.seek(0)
    return digest.hexdigest()


def _of_table(
    stream: BinaryIO, options: PredictionOptions, sha256: str, kind: TableKind, service: Service
) -> BatchInput:
    def read() -> tuple[PredictionOptions, Generator[BatchRow]]:
        return options, confined_rows(stream, kind, _limits(service))

    return BatchInput(_combined(sha256, options), QUEUE_FETCH, read)


def _limits(service: Service) -> TableLimits:
    return TableLimits(service.settings.max_batch_rows, service.reading_limits)


def _combined(sha256: str, options: PredictionOptions) -> str:
    asked = [sha256, options.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


async def _read_form(request: Request, *, max_files: int) -> FormData:
    try:
        return await request.form(max_files=max_files, max_fields=_MAX_FIELDS)
    except HTTPException as error:
        slug = "body-too-large" if error.detail.startswith("Too many") else "bad-multipart"
        raise UsageError(slug, f"the multipart body cannot be read: {error.detail[:200]}") from error


async def _of_form(form: FormData, service: Service) -> BatchInput:
    options = await form_options(form)
    names = set(form) - {"options"}
    if names == {"table"}:
        (stream,) = _streams(form, ["table"], most=1)
        sha256 = await service.call(_digest, [stream])
        return _of_table(stream, options, sha256, "text", service)
    if not names or not names <= set(_FILE_PARTS):
        got = ", ".join(sorted(names))[:200] or "none"
        raise UsageError("bad-multipart", f"send FITS files as `image`, or one file `table`; got {got}")
    streams = _streams(form, _FILE_PARTS)
    sha256 = await service.call(_digest, streams)
    titles = [_title(part) for name in _FILE_PARTS for part in form.getlist(name)]
    files = [ImageFile(title, stream) for title, stream in zip(titles, streams, strict=True)]
    asked = hashlib.sha256(json.dumps([sha256, titles]).encode()).hexdigest()
    return BatchInput(_combined(asked, options), QUEUE_PREDICT, lambda: (options, (file for file in files)))


def _streams(form: FormData, names: Sequence[str], *, most: int | None = None) -> list[BinaryIO]:
    parts = [part for name in names for part in form.getlist(name)]
    if most is not None and len(parts) > most:
        raise UsageError("bad-multipart", f"the part {names[0]!r} appears {len(parts)} times")
    if not all(isinstance(part, UploadFile) for part in parts):
        raise UsageError("bad-multipart", "image and table must be files, with filenames")
    return [part.file for part in parts if isinstance(part, UploadFile)]


def _title(part: UploadFile | str) -> str | None:
    """Name of a file without folders and endings."""
    name = PurePath((isinstance(part, UploadFile) and part.filename) or "").name
    for ending in (".gz", ".fits", ".fit"):
        name = name.removesuffix(ending)
    return name or None


def _digest(streams: Sequence[BinaryIO]) -> str:
    whole = hashlib.sha256()
    for stream in streams:
        whole.update(hashlib.file_digest(stream, "sha256").digest())  # type: ignore[arg-type]  # spooled
        stream.seek(0)
    return whole.hexdigest()
