"""Example answers for the OpenAPI document: real documents of the contract, so that they cannot go stale."""

from datetime import UTC, datetime
from typing import Any, Final

from app.schemas.documents import NeighbourEntry, ObjectPage, PredictionEntry
from fiberless.contract import JobLinks, JobPhase, JobProgress, LinkedJob

__all__ = [
    "JOBS_EXAMPLE",
    "JOB_EXAMPLE",
    "JOB_STREAM_EXAMPLE",
    "LOOKUP_ANSWER_EXAMPLE",
    "LOOKUP_EXAMPLE",
    "OBJECT_PAGE_EXAMPLE",
    "TARGET_EXAMPLES",
]

_ID: Final = "j_5f0e9d3c2b1a48679b8c7d6e5f4a3b2c"
_JOB: Final = LinkedJob(
    id=_ID,
    phase=JobPhase.EXECUTING,
    progress=JobProgress(stage="predicting", done=6, total=15),
    created=datetime(2026, 3, 1, 21, 0, 0, tzinfo=UTC),
    started=datetime(2026, 3, 1, 21, 0, 1, tzinfo=UTC),
    attempts=1,
    links=JobLinks(self=f"/api/v1/jobs/{_ID}", events=f"/api/v1/jobs/{_ID}/events"),
)
JOB_EXAMPLE: Final[dict[str, Any]] = _JOB.model_dump(mode="json")
JOBS_EXAMPLE: Final[dict[str, Any]] = {"jobs": [JOB_EXAMPLE], "next": None}
JOB_STREAM_EXAMPLE: Final = f"event: progress\ndata: {_JOB.model_dump_json()}\nid: 4\n\n"
TARGET_EXAMPLES: Final[list[dict[str, Any]]] = [
    {"target": {"ra": 38.35502, "dec": -0.1557}, "options": {"n_candidates": 25}},
    {"target": {"object_id": "sdss:1237648720693755918"}},
    {"target": "02:33:25.2 -00:09:20"},
]
_OBJECT_ID: Final = "sdss:1237648720693755918"
_PREDICTION_ID: Final = "p_0b8f1c7e5d3a49628f7e6d5c4b3a2910"
_NEIGHBOUR: Final = NeighbourEntry(
    object_id=_OBJECT_ID,
    ra=38.35502,
    dec=-0.1557,
    separation_arcsec=0.42,
    prediction=PredictionEntry(
        id=_PREDICTION_ID,
        created=datetime(2026, 3, 1, 21, 0, 9, tzinfo=UTC),
        redshift=0.0853,
        model_version="latent-6",
        href=f"/api/v1/predictions/{_PREDICTION_ID}",
    ),
)
OBJECT_PAGE_EXAMPLE: Final[dict[str, Any]] = ObjectPage(total=1, objects=(_NEIGHBOUR,), next=None).model_dump(
    mode="json"
)
LOOKUP_EXAMPLE: Final[dict[str, Any]] = {"ids": [_OBJECT_ID, "my:galaxy-7"]}
LOOKUP_ANSWER_EXAMPLE: Final[dict[str, Any]] = {
    "found": [_NEIGHBOUR.model_dump(mode="json", exclude={"separation_arcsec"})],
    "missing": ["my:galaxy-7"],
}
