"""`upgraded`: documents of predictions that were stored under an older schema, in the words of the newest."""

import json
from typing import Any, Final

from fiberless.contract.prediction import SCHEMA_VERSION
from fiberless.errors import FatalError

__all__ = ["upgraded"]

_HEAD_BYTES: Final = 256
"""`schema` is among the first fields of a document."""
_RENAMED: Final = {
    "ebv": "ebv_stars",
    "lg_ml_formed_r": "log_ml_formed_r",
    "lg_ml_living_r": "log_ml_living_r",
    "lg_sfr_halpha": "log_sfr_halpha",
    "sfr": "log_sfr",
    "ssfr": "log_ssfr",
    "stellar_mass": "log_stellar_mass",
}
"""Properties of schema 1.0 by their names since 2.0."""


def upgraded(document: bytes) -> bytes:
    """Document as schema 2.0 has it; the very bytes, if it is of 2.0 already.

    Schema 1.0 had links, which are now added when the service answers, and other names of seven properties.
    No number is changed.

    Raises
    ------
    FatalError
        `internal-error` if the document says that it is of another schema than these two.

    """
    if f'"schema":"{SCHEMA_VERSION}"'.encode() in document[:_HEAD_BYTES]:
        return document
    found = json.loads(document)
    match found.get("schema"):
        case "2.0":
            return document
        case "1.0":
            return json.dumps(_from_first(found), separators=(",", ":"), ensure_ascii=False).encode()
        case other:
            raise FatalError("internal-error", f"a stored prediction is of schema {other!r}, not 1.0 or 2.0")


def _from_first(found: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in found.items() if key != "links"}
    candidates = [{key: value for key, value in one.items() if key != "href"} for one in found["candidates"]]
    properties = {_RENAMED.get(name, name): value for name, value in found["properties"].items()}
    return kept | {"schema": SCHEMA_VERSION, "candidates": candidates, "properties": properties}
