"""Cursors: where a page of a sorted list ended, as text that callers hand back unread."""

import base64
import binascii
import json
import math
from typing import Any

from fiberless.errors import UsageError

__all__ = ["decode_cursor", "encode_cursor"]


def encode_cursor(*place: str | float) -> str:
    """Text of the sort key of the last row shown; URL-safe, and exact for every float64."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, *kinds: type[str] | type[float] | type[int]) -> tuple[Any, ...]:
    """Inverse of `encode_cursor`, for a sort key of values of these kinds.

    Raises
    ------
    UsageError
        `invalid-parameter` if the text is not such a cursor.

    """
    try:
        place = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        place = None
    is_alike = isinstance(place, list) and [type(value) for value in place] == list(kinds)
    if not is_alike or not all(_is_storable(value) for value in place):
        raise UsageError("invalid-parameter", "cursor: this is not a cursor of this list")
    return tuple(place)


def _is_storable(value: str | float) -> bool:
    """Whether a database can compare a value with those that it holds."""
    if isinstance(value, str):
        return value.isprintable()
    return math.isfinite(value) and abs(value) < 2**63
