"""Identifiers as tables hold them: whole numbers, text, bytes; those that a float has spoilt are refused."""

import math
import re
from decimal import Decimal, InvalidOperation
from numbers import Integral, Real
from typing import Final

from fiberless.errors import UsageError

__all__ = ["identifier_text"]

_LARGEST_EXACT: Final = 2**53
"""Largest whole number up to which a float of 64 bits holds all."""
_EXPONENT: Final = re.compile(r"[+-]?\d+(?:[.,]\d*)?e\+?\d+", re.ASCII | re.IGNORECASE)
_POINT_ZERO: Final = re.compile(r"\d{16,}[.,]0*", re.ASCII)


def identifier_text(value: object) -> str | None:  # noqa: PLR0911  one a type
    """Identifier as text; None for an empty cell.

    Raises
    ------
    UsageError
        `invalid-object-id` if it is a whole number that went through a float and has lost digits
        (`1.23765E+18`, a float beyond 2^53), or nothing that can be an identifier.

    """
    match value:
        case None:
            return None
        case bytes():
            return _of_text(value.rstrip(b"\0").decode("latin-1"))
        case str():
            return _of_text(value)
        case bool():
            raise UsageError("invalid-object-id", "an id is a text or a whole number, not true or false")
        case Integral():
            return str(int(value))
        case Decimal():
            return _of_decimal(value)
        case Real():
            return _of_float(float(value))
        case _ if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
            return identifier_text(value.item())
    raise UsageError("invalid-object-id", f"an id is a text or a whole number, not {type(value).__name__}")


def _of_text(text: str) -> str | None:
    kept = text.strip()
    if _EXPONENT.fullmatch(kept) and _is_spoilt(kept.replace(",", ".")):
        raise _spoilt(kept)
    if _POINT_ZERO.fullmatch(kept):
        raise _spoilt(kept)
    return kept or None


def _is_spoilt(text: str) -> bool:
    """Whether a number with an exponent stands for a whole one with more digits; `1e5` may be a name."""
    try:
        return abs(Decimal(text)) >= 10**15
    except InvalidOperation:
        return False


def _of_decimal(number: Decimal) -> str | None:
    if number.is_nan():
        return None
    if not number.is_finite() or number != number.to_integral_value():
        raise UsageError("invalid-object-id", f"the id {number} is not a whole number")
    return str(int(number))


def _of_float(number: float) -> str | None:
    if math.isnan(number):
        return None
    if not math.isfinite(number) or number != int(number):
        raise UsageError("invalid-object-id", f"the id {number!r} is not a whole number")
    if abs(number) >= _LARGEST_EXACT:
        raise _spoilt(repr(number))
    return str(int(number))


def _spoilt(shown: str) -> UsageError:
    return UsageError(
        "invalid-object-id",
        f"the id {shown[:40]} went through a floating-point number and lost digits; keep ids as text or as "
        "64-bit whole numbers",
    )
