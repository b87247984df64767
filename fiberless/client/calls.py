"""The calls of the service as conversations: each ends with what the caller wants to have."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import httpx

from fiberless.client.asking import SkyPosition, Subject, Targets, batch_body, position_of, submission_body
from fiberless.client.conversation import POLL_SECONDS, Conversation, Http, ask, error_of
from fiberless.contract import JobPhase, LinkedBatch, LinkedJob, Prediction
from fiberless.errors import FatalError, JobCancelled, JobFailed, JobTimeout

__all__ = [
    "API",
    "Progress",
    "batch_path",
    "cancel",
    "job_path",
    "named",
    "objects_in_cone",
    "predict",
    "prediction_path",
    "read",
    "read_batch",
    "read_job",
    "submit_batch",
]

API: Final = "/api/v1"
Progress: TypeAlias = Callable[[LinkedJob], None]
_FIRST_WAIT_SECONDS: Final = 1
_CONE_COLUMNS: Final = ("object_id", "ra", "dec", "separation_arcsec")
_ENTRY_COLUMNS: Final = ("id", "created", "redshift", "model_version")


def predict(
    http: Http,
    subject: Subject | None,
    *,
    ra: Any,
    dec: Any,
    options: Mapping[str, Any],
    deadline: float,
    progress: Progress | None,
) -> Conversation[Prediction]:
    """Post what is asked for, then ask for the job until it is final."""
    # One key for all tries of one call: a repeated post after a lost answer makes no second job.
    headers = {"Idempotency-Key": uuid.uuid4().hex, "Prefer": f"wait={_FIRST_WAIT_SECONDS}"}
    body = submission_body(subject, ra=ra, dec=dec, options=options)
    answer = yield from ask(http.build_request("POST", f"{API}/predictions", headers=headers, **body))
    while _is_job(answer):
        job = LinkedJob.model_validate_json(answer.content)
        if progress is not None:
            progress(job)
        answer = yield from ask(http.build_request("GET", _next_address(job, deadline)))
    return Prediction.model_validate_json(answer.content)


def submit_batch(http: Http, targets: Targets, *, options: Mapping[str, Any]) -> Conversation[LinkedBatch]:
    """Post many targets, once, however often the answer is lost."""
    body = batch_body(targets, options=options)
    headers = {"Idempotency-Key": uuid.uuid4().hex} | body.pop("headers", {})
    answer = yield from ask(http.build_request("POST", f"{API}/batches", headers=headers, **body))
    return LinkedBatch.model_validate_json(answer.content)


def read_batch(http: Http, batch_id: str, *, deadline: float | None) -> Conversation[LinkedBatch]:
    """Batch as it is, or with a deadline as soon as all its rows have ended."""
    while True:
        wait = {} if deadline is None else {"wait": _wait_seconds(deadline)}
        answer = yield from ask(http.build_request("GET", batch_path(batch_id), params=wait))
        batch = LinkedBatch.model_validate_json(answer.content)
        if deadline is None or batch.phase.is_final:
            return batch
        if time.monotonic() >= deadline:
            raise JobTimeout(f"batch {batch_id} is not done yet; it goes on without us")


def read_job(http: Http, job_id: str) -> Conversation[LinkedJob]:
    """Job as it is."""
    return LinkedJob.model_validate_json((yield from read(http, job_path(job_id))))


def cancel(http: Http, path: str) -> Conversation[bytes]:
    """Cancel the job or the batch at a path; one that has ended stays as it is."""
    answer = yield from ask(http.build_request("DELETE", path))
    return answer.content


def named(http: Http, object_id: str) -> Conversation[Prediction]:
    """Newest prediction of an object."""
    document = json.loads((yield from read(http, f"{API}/objects/{quote(object_id, safe=':')}")))
    return Prediction.model_validate(document["prediction"])


def objects_in_cone(
    http: Http, centre: SkyPosition, radius_arcsec: float
) -> Conversation[list[dict[str, Any]]]:
    """Rows about all objects in a cone, nearest first, from as many pages as there are."""
    ra, dec = position_of(centre)
    asked = {"ra": ra, "dec": dec, "radius_arcsec": radius_arcsec, "limit": 100}
    page = json.loads((yield from read(http, f"{API}/objects", **asked)))
    found = [_row_of(entry) for entry in page["objects"]]
    while page["next"] is not None:
        cursor = httpx.URL(page["next"]).params["cursor"]
        page = json.loads((yield from read(http, f"{API}/objects", **asked, cursor=cursor)))
        found += [_row_of(entry) for entry in page["objects"]]
    return found


def read(http: Http, path: str, **query: Any) -> Conversation[bytes]:
    """Bytes at a path; parameters that are None are left out."""
    given = {name: value for name, value in query.items() if value is not None}
    answer = yield from ask(http.build_request("GET", path, params=given))
    return answer.content


def prediction_path(prediction_id: str) -> str:
    """Path of a prediction."""
    return f"{API}/predictions/{quote(prediction_id, safe='')}"


def job_path(job_id: str) -> str:
    """Path of a job."""
    return f"{API}/jobs/{quote(job_id, safe='')}"


def batch_path(batch_id: str) -> str:
    """Path of a batch."""
    return f"{API}/batches/{quote(batch_id, safe='')}"


def _next_address(job: LinkedJob, deadline: float) -> str:
    """Where the job's story goes on: at its prediction, or at itself. Raises what it failed with."""
    match job.phase:
        case JobPhase.COMPLETED if job.prediction_id is not None:
            return prediction_path(job.prediction_id)
        case JobPhase.ERROR if job.error is not None:
            cause = error_of(job.error)
            raise JobFailed(job.id, cause) from cause
        case JobPhase.ABORTED:
            raise JobCancelled(f"job {job.id} was cancelled")
        case JobPhase.COMPLETED | JobPhase.ERROR:
            raise FatalError("internal-error", f"job {job.id} ended as {job.phase} without a prediction")
    if time.monotonic() >= deadline:
        raise JobTimeout(f"job {job.id} is still {job.phase}; it goes on without us")
    return f"{job_path(job.id)}?wait={_wait_seconds(deadline)}"


def _wait_seconds(deadline: float) -> int:
    return min(POLL_SECONDS, max(1, int(deadline - time.monotonic())))


def _is_job(answer: httpx.Response) -> bool:
    return answer.status_code == 202 or "/api/v1/jobs/" in answer.request.url.path


def _row_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    newest = entry["prediction"]
    about = {name: entry[name] for name in _CONE_COLUMNS}
    return about | {f"prediction_{name}" if name == "id" else name: newest[name] for name in _ENTRY_COLUMNS}
