"""What HTTP lets both sides agree on: Prefer (RFC 7240), Accept, conditions (RFC 9110), pages (RFC 8288)."""

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Query, Request, Response

from app.http.proxy_prefix import prefix_of
from fiberless.errors import UsageError

__all__ = [
    "MAX_WAIT_SECONDS",
    "Cursor",
    "PageSize",
    "PreferredWait",
    "immutable",
    "is_head",
    "negotiate",
    "next_page",
    "preferred_wait",
    "revalidated",
]

Name = TypeVar("Name", bound=str)
MAX_WAIT_SECONDS: Final = 60
_WAIT: Final = re.compile(r'\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?', re.IGNORECASE)
_NO_CACHE_NEEDED: Final = "public, max-age=31536000, immutable"


def preferred_wait(request: Request) -> int | None:
    """Seconds that the caller prefers to wait, at most 60; None if it has no such preference.

    As RFC 7240 asks, a preference that cannot be read is ignored and the first of several counts.
    """
    preferences = ",".join(request.headers.getlist("prefer")).split(",")
    waits = [match for match in map(_WAIT.fullmatch, preferences) if match]
    return min(int(waits[0].group(1)), MAX_WAIT_SECONDS) if waits else None


PreferredWait = Annotated[int | None, Depends(preferred_wait)]
PageSize = Annotated[int, Query(ge=1, le=200, description="Most entries of a page")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=256,
        description="Where the page begins: from `next` of the page before",
        json_schema_extra={"format": "cursor"},
    ),
]


def is_head(request: Request) -> bool:
    """Whether a request that is answered like GET was a HEAD, whose body nobody reads."""
    return bool(request.scope.get("fiberless.is_head", False))


def next_page(request: Request, cursor: str | None) -> str | None:
    """Path and query of the next page of a list: those of this one, with another cursor; None on the last."""
    if cursor is None:
        return None
    url = request.url.include_query_params(cursor=cursor)
    prefix = prefix_of(request.scope)
    return f"{prefix}{url.path.removeprefix(prefix)}?{url.query}"


def negotiate(accept: str | None, offers: Mapping[str, Name]) -> Name:
    """Name of the offer that an Accept header likes best; the first offer where it likes several equally.

    Parameters
    ----------
    accept : str or None
        Header as sent; None accepts anything.
    offers : mapping
        Media type to name, best first.

    Raises
    ------
    UsageError
        `not-acceptable` if nothing on offer is accepted.

    """
    ranges = [_media_range(part) for part in (accept or "*/*").split(",") if part.strip()]
    quality = {media: _quality(media, ranges) for media in offers}
    best = max(offers, key=lambda media: quality[media])
    if quality[best] <= 0:
        raise UsageError("not-acceptable", f"this resource is available as {', '.join(offers)}")
    return offers[best]


def immutable(
    request: Request, content: bytes, *, media_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer that never changes: with a strong ETag, or 304 where the caller has it already."""
    lasting = {"Cache-Control": _NO_CACHE_NEEDED, **(headers or {})}
    return _tagged(request, content, media_type=media_type, headers=lasting)


def revalidated(request: Request, content: bytes, *, media_type: str) -> Response:
    """Answer that may change: caches ask again each time, and get 304 while it has not."""
    return _tagged(request, content, media_type=media_type, headers={"Cache-Control": "no-cache"})


def _tagged(request: Request, content: bytes, *, media_type: str, headers: Mapping[str, str]) -> Response:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    if _has_etag(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers={"ETag": etag, **headers})
    return Response(content, media_type=media_type, headers={"ETag": etag, **headers})


def _media_range(part: str) -> tuple[str, float]:
    media, *parameters = (piece.strip().lower() for piece in part.split(";"))
    weights = [value[2:] for value in parameters if value.startswith("q=")]
    try:
        return media, float(weights[0]) if weights else 1.0
    except ValueError:
        return media, 0.0


def _quality(media: str, ranges: list[tuple[str, float]]) -> float:
    matching = (media, f"{media.split('/', maxsplit=1)[0]}/*", "*/*")
    found = {name: weight for name, weight in ranges if name in matching}
    return next((found[name] for name in matching if name in found), 0.0)


def _has_etag(if_none_match: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags
