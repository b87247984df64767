"""Names in paths: what cannot exist, does not exist, or is another owner's is not found, all alike."""

import re
from functools import partial
from typing import Annotated, Final

from fastapi import Depends, Path
from pydantic import TypeAdapter, ValidationError

from app.http.access import CallerDep
from app.service import ServiceDep
from fiberless.contract import OBJECT_ID_WORDS, ObjectId
from fiberless.errors import UsageError

__all__ = ["BatchId", "JobId", "KnownObjectId", "PredictionId"]

_ID: Final = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_OBJECT_ID: Final[TypeAdapter[str]] = TypeAdapter(ObjectId)


async def _job_id(job_id: str, caller: CallerDep, service: ServiceDep) -> str:
    return await _own(job_id, "job", caller.owner, service)


async def _batch_id(batch_id: str, caller: CallerDep, service: ServiceDep) -> str:
    return await _own(batch_id, "batch", caller.owner, service)


async def _prediction_id(prediction_id: str, caller: CallerDep, service: ServiceDep) -> str:
    return await _own(prediction_id, "prediction", caller.owner, service)


def _object_id(object_id: Annotated[str, Path(json_schema_extra=_OBJECT_ID.json_schema())]) -> str:
    try:
        return _OBJECT_ID.validate_python(object_id)
    except ValidationError as error:
        raise UsageError(
            "invalid-object-id",
            f"an object ID has {OBJECT_ID_WORDS}",
        ) from error


async def _own(name: str, kind: str, owner: str, service: ServiceDep) -> str:
    """Let a name pass that can exist and, if it does, is the owner's; all others are alike (`not-found`)."""
    if not _ID.fullmatch(name):
        raise UsageError("not-found", f"there is no such {kind}")
    await service.call(partial(service.store.check_owner, kind, name, owner=owner))
    return name


BatchId = Annotated[str, Depends(_batch_id)]
JobId = Annotated[str, Depends(_job_id)]
PredictionId = Annotated[str, Depends(_prediction_id)]
KnownObjectId = Annotated[str, Depends(_object_id)]
