"""JSON as RFC 8259 means it: no NaN, no infinity, no duplicate key, UTF-8 only; small and flat."""

import json
import math
import re
from functools import partial
from typing import Any, Final, Never

from anyio import to_thread
from fastapi import Request

from fiberless.errors import UsageError

__all__ = ["SMALL_JSON_BYTES", "parse_json", "read_json"]

SMALL_JSON_BYTES: Final = 2**16
"""Largest JSON text of a request, but for lists of names and batches."""
_DEEPEST: Final = 32
_BRACKET_OR_TEXT: Final = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?|[\[\]{}]', re.DOTALL)
"""A text without its end is matched up to the end of all, so that no byte is looked at twice."""


async def read_json(request: Request, *, max_bytes: int = SMALL_JSON_BYTES) -> Any:
    """Value of a request's body, parsed away from the event loop; raises as `parse_json`."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        _check_size(body, max_bytes)
    return await to_thread.run_sync(partial(parse_json, bytes(body), max_bytes=max_bytes))


def parse_json(data: bytes, *, max_bytes: int = SMALL_JSON_BYTES) -> Any:
    """Value of a JSON text.

    Raises
    ------
    UsageError
        `body-too-large`; `invalid-json` if the text is not UTF-8, not JSON, nested more than 32 deep, holds
        `NaN` or `Infinity`, a number beyond float64, or an object with the same key twice.

    """
    _check_size(data, max_bytes)
    _check_depth(data)
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_float=_finite_float,
        )
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise UsageError("invalid-json", f"the JSON cannot be read: {str(error)[:200]}") from error


def _check_size(data: bytes | bytearray, max_bytes: int) -> None:
    if len(data) > max_bytes:
        raise UsageError("body-too-large", f"this JSON may have at most {max_bytes} bytes")


def _check_depth(data: bytes) -> None:
    depth = 0
    for match in _BRACKET_OR_TEXT.finditer(data):
        match data[match.start()]:
            case 0x5B | 0x7B:  # [ {
                depth += 1
            case 0x5D | 0x7D:  # ] }
                depth -= 1
            case _:
                continue
        if depth > _DEEPEST:
            raise _too_deep()


def _too_deep() -> UsageError:
    return UsageError("invalid-json", f"the JSON is nested too deeply; {_DEEPEST} levels are read")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {key[:64]!r} appears twice in one object")
            seen.add(key)
    return mapping


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:32]} is beyond the range of float64")
    return value
