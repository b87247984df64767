"""Rows of a JSON batch: a list of targets, or an object with `targets` and common `options`."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.batch_input.rows import failed_row, named_row, position_row, row_name
from app.http.problems import usage_error
from app.http.strict_json import parse_json
from fiberless.contract import ObjectId, PredictionOptions
from fiberless.errors import UsageError
from fiberless.service.storage import BatchRow
from fiberless.targets.angles import is_sexagesimal

__all__ = ["BatchTarget", "json_rows", "read_json_batch"]

_COMMAS_A_ROW: Final = 10
_KEYS: Final = frozenset({"id", "ra", "dec", "object_id"})


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class BatchTarget(_Frozen):
    """One target: a position, or an object that a survey knows by name; `id` is the caller's own name for it.

    A target that is none of these becomes a row with an error; it does not refuse the batch.
    """

    id: str | int | None = Field(default=None, description="Your name for the row; also its object ID")
    ra: Annotated[float, Field(ge=-360, le=360)] | str | None = Field(
        default=None, description="ICRS degrees, or text like 02:33:25.2"
    )
    dec: Annotated[float, Field(ge=-90, le=90)] | str | None = Field(
        default=None, description="ICRS degrees, or text like -00:09:20"
    )
    object_id: ObjectId | None = Field(default=None, description="Name in a survey, e.g. sdss:1237…")


def read_json_batch(data: bytes, *, max_rows: int) -> tuple[list[Any], PredictionOptions]:
    """Targets as they came, and the options.

    Raises
    ------
    UsageError
        `invalid-json`; `invalid-parameter` if the document as a whole has another form; `body-too-large` if
        it has more parts than so many rows can have, before they fill the memory.

    """
    if data.count(b",") > _COMMAS_A_ROW * max_rows:
        raise _too_many(max_rows)
    document = parse_json(data, max_bytes=len(data))
    if isinstance(document, list):
        document = {"targets": document}
    if not isinstance(document, dict) or not {"targets"} <= set(document) <= {"targets", "options"}:
        raise UsageError("invalid-parameter", "send a list of targets, or an object with targets and options")
    if not isinstance(document["targets"], list):
        raise UsageError("invalid-parameter", "targets: must be a list")
    if len(document["targets"]) > max_rows:
        raise _too_many(max_rows)
    try:
        return document["targets"], PredictionOptions.model_validate(document.get("options", {}), strict=True)
    except ValidationError as error:
        raise usage_error(error) from error


def _too_many(max_rows: int) -> UsageError:
    return UsageError("body-too-large", f"a batch may have at most {max_rows} rows")


def json_rows(targets: list[Any]) -> Iterator[BatchRow]:
    """Rows of the targets; one that is none gives a row with an error."""
    return (_row(target) for target in targets)


def _row(target: Any) -> BatchRow:
    if not isinstance(target, dict):
        return failed_row(None, UsageError("invalid-parameter", "a target must be an object"))
    name = target.get("id")
    error = _mistake(target)
    if error is not None:
        is_plain = isinstance(name, str | int) and not isinstance(name, bool)
        return failed_row(row_name(name) if is_plain else None, error)
    if target.get("object_id") is not None:
        return named_row(name, target["object_id"])
    return position_row(name, target.get("ra"), target.get("dec"))


def _mistake(target: dict[str, Any]) -> UsageError | None:
    """What is wrong with a target's keys and types; its values are the row's own matter."""
    unknown = set(target) - _KEYS
    if unknown:
        return UsageError(
            "invalid-parameter", f"{row_name(min(unknown))}: no such key; a target has id, ra, dec"
        )
    if not isinstance(target.get("id"), str | int | None) or isinstance(target.get("id"), bool):
        return UsageError("invalid-object-id", "id: must be a text or a whole number")
    position = [target.get("ra"), target.get("dec")]
    if target.get("object_id") is not None:
        if position != [None, None] or not isinstance(target["object_id"], str):
            return UsageError("invalid-parameter", "give ra and dec, or else object_id as a text")
    elif not all(map(_is_angle, position)):
        return UsageError("invalid-coordinates", "ra and dec must be numbers, or text like 02:33:25.2")
    return None


def _is_angle(value: Any) -> bool:
    """Whether a value may be an angle or none: a number, or sexagesimal text; no number in quotes."""
    if isinstance(value, str):
        return is_sexagesimal(value)
    return isinstance(value, float | int | None) and not isinstance(value, bool)
