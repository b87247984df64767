"""Names in paths, checked before they reach the store: what cannot exist is not found, whatever it holds."""

import re
from typing import Annotated, Final

from fastapi import Depends
from pydantic import TypeAdapter, ValidationError

from fiberless.contract import ObjectId
from fiberless.errors import UsageError

__all__ = ["JobId", "KnownObjectId", "PredictionId"]

_ID: Final = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_OBJECT_ID: Final[TypeAdapter[str]] = TypeAdapter(ObjectId)


def _job_id(job_id: str) -> str:
    return _possible(job_id, what="job")


def _prediction_id(prediction_id: str) -> str:
    return _possible(prediction_id, what="prediction")


def _object_id(object_id: str) -> str:
    try:
        return _OBJECT_ID.validate_python(object_id)
    except ValidationError as error:
        raise UsageError(
            "invalid-object-id",
            "an object ID has 1 to 128 characters of A–Z a–z 0–9 _ . + : - and starts with a letter or digit",
        ) from error


def _possible(name: str, *, what: str) -> str:
    if not _ID.fullmatch(name):
        raise UsageError("not-found", f"there is no such {what}")
    return name


JobId = Annotated[str, Depends(_job_id)]
PredictionId = Annotated[str, Depends(_prediction_id)]
KnownObjectId = Annotated[str, Depends(_object_id)]
