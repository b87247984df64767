"""Batches: many targets handed in together, counted, looked through, downloaded, cancelled."""

from functools import partial
from typing import Annotated, Final, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.batch_input.reading import BatchInputDep
from app.batch_results import RESULT_MEDIA_TYPES, result_stream
from app.batches import accept_batch, wait_for_batch
from app.http.access import CallerDep
from app.http.identifiers import BatchId
from app.http.links import LinksDep
from app.http.negotiation import Cursor, PageSize, is_head, negotiate
from app.http.openapi import JOB_HEADERS, PAGE_HEADERS, SUBMITTED_HEADERS, answered_with
from app.http.problems import problem_responses
from app.routers.jobs import WaitSeconds
from app.routers.predictions import IdempotencyKey
from app.schemas.batches import (
    BATCH_EXAMPLE,
    BATCH_REQUEST,
    BATCHES_EXAMPLE,
    ITEMS_EXAMPLE,
    RESULTS_CONTENT,
    BatchItemList,
    BatchList,
    batch_answer,
    batches_answer,
    items_answer,
)
from app.service import ServiceDep
from fiberless.contract import JobPhase, LinkedBatch

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/batches", tags=["batches"])
_OFFERS: Final = {media.partition(";")[0]: name for name, media in RESULT_MEDIA_TYPES.items()}
_SUFFIX: Final = {"json": "json", "csv": "csv", "votable": "vot", "parquet": "parquet"}


@router.post(
    "",
    summary="Submit a batch",
    status_code=202,
    responses={
        202: answered_with(
            LinkedBatch,
            BATCH_EXAMPLE,
            headers=SUBMITTED_HEADERS,
            description="The batch; its rows run by themselves",
        ),
        **problem_responses(401, 403, 409, 413, 415, 422, 429, 503),
    },
    openapi_extra=BATCH_REQUEST,
)
async def submit(
    given: BatchInputDep,
    caller: CallerDep,
    service: ServiceDep,
    links: LinksDep,
    *,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Predict for every row of a list, a table or several images. A row that is wrong fails alone."""
    accept = partial(accept_batch, service, given, owner=caller.owner, idempotency_key=idempotency_key)
    batch = await to_thread.run_sync(accept, limiter=service.batch_readers)
    return batch_answer(links.batch(batch), status_code=202)


@router.get(
    "",
    summary="List batches",
    responses={
        200: answered_with(BatchList, BATCHES_EXAMPLE, headers=PAGE_HEADERS),
        **problem_responses(401, 403, 422, 429, 503),
    },
)
async def read_all(
    request: Request,
    caller: CallerDep,
    service: ServiceDep,
    links: LinksDep,
    *,
    cursor: Cursor = None,
    limit: PageSize = 20,
) -> Response:
    """Answer with the caller's batches, newest first, a page at a time."""
    page = partial(service.store.batches.page, owner=caller.owner, cursor=cursor, limit=limit)
    return batches_answer(request, await service.call(page), links)


@router.get(
    "/{batch_id}",
    name="batch",
    summary="Read a batch",
    responses={
        200: answered_with(LinkedBatch, BATCH_EXAMPLE, headers=JOB_HEADERS),
        **problem_responses(401, 403, 404, 422, 429, 503),
    },
)
async def read(
    batch_id: BatchId, caller: CallerDep, service: ServiceDep, links: LinksDep, wait: WaitSeconds = 0
) -> Response:
    """Answer with the counts of a batch as they are, or as soon as all rows have ended."""
    batch = await wait_for_batch(service, batch_id, owner=caller.owner, seconds=wait)
    return batch_answer(links.batch(batch))


@router.delete(
    "/{batch_id}",
    summary="Cancel a batch",
    responses={
        200: answered_with(LinkedBatch, BATCH_EXAMPLE | {"phase": "ABORTED"}),
        **problem_responses(401, 403, 404, 429, 503),
    },
)
async def cancel(batch_id: BatchId, caller: CallerDep, service: ServiceDep, links: LinksDep) -> Response:
    """Abort all rows that have not ended; what was predicted before stays."""
    cancelled = await service.call(partial(service.store.batches.cancel, batch_id, owner=caller.owner))
    return batch_answer(links.batch(cancelled))


@router.get(
    "/{batch_id}/items",
    name="batch_items",
    summary="List the rows of a batch",
    responses={
        200: answered_with(BatchItemList, ITEMS_EXAMPLE, headers=PAGE_HEADERS),
        **problem_responses(401, 403, 404, 422, 429, 503),
    },
)
async def read_items(
    request: Request,
    batch_id: BatchId,
    caller: CallerDep,
    service: ServiceDep,
    links: LinksDep,
    *,
    phase: Annotated[JobPhase | None, Query(description="Only rows in this phase; all if none")] = None,
    cursor: Cursor = None,
    limit: PageSize = 100,
) -> Response:
    """Answer with the rows in their order, each with its state and what was wrong with it."""
    items = partial(
        service.store.batches.items, batch_id, owner=caller.owner, phase=phase, cursor=cursor, limit=limit
    )
    return items_answer(request, await service.call(items), links)


@router.get(
    "/{batch_id}/results",
    name="batch_results",
    summary="Download the results of a batch",
    response_class=Response,
    responses={
        200: {"description": "One row for each row of the batch, as it is now", "content": RESULTS_CONTENT},
        **problem_responses(401, 403, 404, 406, 422, 429, 503),
    },
)
async def read_results(
    request: Request,
    batch_id: BatchId,
    caller: CallerDep,
    service: ServiceDep,
    format: Annotated[Literal["parquet", "csv", "votable", "json"] | None, Query()] = None,  # noqa: A002  # the query's own name
) -> Response:
    """Stream all predicted properties, by `format` or else `Accept`; rows without a prediction say why."""
    kind = format or negotiate(request.headers.get("accept"), _OFFERS)
    await service.call(partial(service.store.batches.get, batch_id, owner=caller.owner))
    stream = result_stream(service.store, batch_id, owner=caller.owner, format_name=kind)
    headers = {
        "Cache-Control": "no-store",
        "Vary": "Accept",
        "Content-Disposition": f'attachment; filename="{batch_id}.{_SUFFIX[kind]}"',
    }
    body = iter(()) if is_head(request) else stream
    return StreamingResponse(body, media_type=RESULT_MEDIA_TYPES[kind], headers=headers)
