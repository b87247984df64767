"""The one error tree, and the table of problems that it can name.

FiberlessError
├── UsageError               the caller's fault, a ValueError too: answered 4xx, never retried
│   └── NotFound             the service has no such prediction, object, job, batch or page
├── TransientError           the world's fault: retried, then reported
│   ├── JobCancelled         somebody cancelled the job that a client waited for
│   ├── JobTimeout           a client's patience ended before its job or batch; the work goes on
│   └── ServiceUnreachable   no answer at all, after some tries
├── FatalError               our fault: reported, never retried
└── JobFailed                a job ended in an error, which is its `cause` and says whose fault it was
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

__all__ = [
    "CLIENT_SLUGS",
    "PROBLEMS",
    "ErrorKind",
    "FatalError",
    "FiberlessError",
    "JobCancelled",
    "JobFailed",
    "JobTimeout",
    "NotFound",
    "Problem",
    "ServiceUnreachable",
    "TransientError",
    "UsageError",
]


class ErrorKind(StrEnum):
    """Whose fault an error is, as it crosses the queue."""

    USAGE = "usage"
    TRANSIENT = "transient"
    FATAL = "fatal"


@dataclass(frozen=True)
class Problem:
    """One row of the problem table: the HTTP status that answers it and its title (RFC 9457)."""

    status: int
    title: str


PROBLEMS: Final = MappingProxyType(
    {
        "not-fits": Problem(415, "The body is not a FITS file"),
        "compressed-upload": Problem(415, "Compressed uploads of this kind are not accepted"),
        "content-encoding": Problem(415, "Content-Encoding is not accepted"),
        "fits-unsupported": Problem(415, "This FITS convention is not supported"),
        "unsupported-media-type": Problem(415, "The media type is not supported"),
        "body-too-large": Problem(413, "The request body is too large"),
        "fits-too-large": Problem(413, "The FITS image is too large"),
        "fits-header-too-large": Problem(413, "A FITS header is too large"),
        "table-too-large": Problem(413, "Reading the table would take too much memory or time"),
        "fits-empty": Problem(422, "The file is empty"),
        "fits-truncated": Problem(422, "The FITS file is cut short"),
        "fits-trailing-data": Problem(422, "The FITS file has data after its end"),
        "fits-header-invalid": Problem(422, "A FITS header is invalid"),
        "fits-header-duplicate": Problem(422, "A mandatory FITS card appears twice"),
        "fits-not-standard": Problem(422, "The FITS file declares itself non-standard"),
        "fits-bitpix": Problem(422, "BITPIX is not supported"),
        "fits-scaling": Problem(422, "BSCALE or BZERO is invalid"),
        "fits-too-many-hdus": Problem(422, "The FITS file has too many HDUs"),
        "fits-no-image": Problem(422, "The FITS file holds no image"),
        "fits-shape": Problem(422, "The image has the wrong shape"),
        "wrong-band-count": Problem(422, "Five bands are needed"),
        "band-axis-order": Problem(422, "The band axis is not where it must be"),
        "wrong-band-order": Problem(422, "The bands are not u, g, r, i, z"),
        "image-too-small": Problem(422, "The image is too small"),
        "unknown-unit": Problem(422, "The flux unit is not known"),
        "invalid-wcs": Problem(422, "The world coordinates are invalid"),
        "wrong-pixel-scale": Problem(422, "The pixel scale is not 0.396 arcsec"),
        "no-valid-pixels": Problem(422, "The image has no valid pixel"),
        "invalid-pixels": Problem(422, "The image has too many invalid pixels"),
        "flux-out-of-range": Problem(422, "The fluxes are outside any galaxy's range"),
        "empty-band": Problem(422, "A band holds no signal"),
        "not-a-spectrum": Problem(422, "The file holds no spectrum that can be read"),
        "invalid-coordinates": Problem(422, "The coordinates are invalid"),
        "invalid-object-id": Problem(422, "The object ID is invalid"),
        "invalid-parameter": Problem(422, "A parameter is invalid"),
        "invalid-json": Problem(422, "The JSON is invalid"),
        "bad-multipart": Problem(422, "The multipart body is invalid"),
        "bad-table": Problem(422, "The table cannot be read"),
        "unknown-model": Problem(422, "No such model"),
        "too-expensive": Problem(422, "The request would cost too much"),
        "unauthorized": Problem(401, "A valid API key is needed"),
        "cross-site": Problem(403, "A page of another site may not do this"),
        "misdirected": Problem(421, "The service is not called by this name"),
        "forbidden": Problem(403, "The API key does not allow this"),
        "not-found": Problem(404, "Not found"),
        "method-not-allowed": Problem(405, "Method not allowed"),
        "not-acceptable": Problem(406, "No acceptable representation"),
        "outside-footprint": Problem(404, "The position is outside the survey's footprint"),
        "source-unavailable": Problem(503, "No image source can serve this position now"),
        "idempotency-conflict": Problem(409, "The idempotency key was used with another body"),
        "queue-full": Problem(429, "The queue is full"),
        "rate-limited": Problem(429, "Too many requests"),
        "storage-unavailable": Problem(503, "Our storage is not available"),
        "model-unavailable": Problem(503, "No model can be loaded"),
        "not-ready": Problem(503, "The service is not ready"),
        "worker-crashed": Problem(500, "The worker crashed on this job"),
        "internal-error": Problem(500, "Internal error"),
    }
)

CLIENT_SLUGS: Final = frozenset({"job-cancelled", "job-failed", "job-timeout", "service-unreachable"})
"""Slugs of what only a client meets: no request is answered with them, so they have no HTTP status."""


class FiberlessError(Exception):
    """Base of all errors that Fiberless raises on purpose.

    Parameters
    ----------
    slug : str
        Key of `PROBLEMS`, the last path segment of the problem's type URI; or one of `CLIENT_SLUGS`.
    detail : str
        What was wrong with this very input, and what would be right.

    """

    kind: ErrorKind = ErrorKind.FATAL

    def __init__(self, slug: str, detail: str) -> None:
        if slug not in PROBLEMS and slug not in CLIENT_SLUGS:
            raise KeyError(f"unknown problem slug {slug!r}")
        super().__init__(slug, detail)
        self.slug = slug
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.slug}: {self.detail}"

    @property
    def problem(self) -> Problem:
        """Status and title of this error; KeyError for those of `CLIENT_SLUGS`."""
        return PROBLEMS[self.slug]


class UsageError(FiberlessError, ValueError):
    """The caller's fault; the same request would fail again."""

    kind = ErrorKind.USAGE


class TransientError(FiberlessError):
    """A passing fault of something that we depend on; worth a retry."""

    kind = ErrorKind.TRANSIENT


class FatalError(FiberlessError):
    """A fault of ours; a retry would not help."""

    kind = ErrorKind.FATAL


class NotFound(UsageError):
    """The service has no such prediction, object, job, batch or page, or not for this caller."""

    def __init__(self, detail: str) -> None:
        super().__init__("not-found", detail)
        self.args = (detail,)


class JobCancelled(TransientError):
    """The job was cancelled before it had a prediction; asked for again, it is another job."""

    def __init__(self, detail: str) -> None:
        super().__init__("job-cancelled", detail)
        self.args = (detail,)


class JobTimeout(TransientError):
    """The work did not end within the client's patience; it goes on, and can be asked for later."""

    def __init__(self, detail: str) -> None:
        super().__init__("job-timeout", detail)
        self.args = (detail,)


class ServiceUnreachable(TransientError):
    """Nothing answers at the service's address, after some tries."""

    def __init__(self, detail: str) -> None:
        super().__init__("service-unreachable", detail)
        self.args = (detail,)


class JobFailed(FiberlessError):
    """The job ended in an error.

    Parameters
    ----------
    job_id : str
        The job, for `Client.job`.
    cause : FiberlessError
        What it ended with, e.g. a `UsageError` with the slug `outside-footprint`; `kind` is that of it.

    """

    def __init__(self, job_id: str, cause: FiberlessError) -> None:
        super().__init__("job-failed", f"job {job_id}: {cause}")
        self.args = (job_id, cause)
        self.job_id = job_id
        self.cause = cause
        self.kind = cause.kind
