"""JSON as RFC 8259 means it: no NaN, no infinity, no duplicate key, UTF-8 only."""

import json
import math
from typing import Any, Never

from fiberless.errors import UsageError

__all__ = ["parse_json"]


def parse_json(data: bytes) -> Any:
    """Value of a JSON text.

    Raises
    ------
    UsageError
        `invalid-json` if the text is not UTF-8, not JSON, nested too deeply, holds `NaN` or `Infinity`,
        a number beyond float64, or an object with the same key twice.

    """
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_no_constant,
            parse_float=_finite_float,
        )
    except RecursionError as error:
        raise UsageError("invalid-json", "the JSON is nested too deeply") from error
    except ValueError as error:
        raise UsageError("invalid-json", f"the JSON cannot be read: {str(error)[:200]}") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:64]!r} appears twice in one object")
    return mapping


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:32]} is beyond the range of float64")
    return value
