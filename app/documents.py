"""Answers of the API that are not words of the contract: objects, models, spectra, health."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fiberless.contract import ObjectInfo, PredictedSpectrum, Prediction, Quantity
from fiberless.manifest import Manifest

__all__ = [
    "CandidateSpectrum",
    "Health",
    "ModelDocument",
    "ModelList",
    "ObjectDocument",
    "PredictionEntry",
    "Readiness",
    "SpectrumDocument",
    "VersionDocument",
]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class PredictionEntry(_Document):
    """One prediction in a list."""

    id: str
    created: datetime
    redshift: float | None = Field(description="Median of the candidates; null if it cannot be measured")
    model_version: str
    href: str


class ObjectDocument(_Document):
    """All that is known of an object: its newest prediction, and the list of all, newest first."""

    object_id: str
    prediction: Prediction
    predictions: tuple[PredictionEntry, ...]


class SpectrumDocument(_Document):
    """The shown spectrum of a prediction."""

    prediction_id: str
    kind: Literal["predicted-spectrum"] = "predicted-spectrum"
    object: ObjectInfo
    candidate: None = None
    spectrum: PredictedSpectrum


class CandidateSpectrum(_Document):
    """One candidate spectrum of a prediction, at its own redshift."""

    prediction_id: str
    kind: Literal["predicted-spectrum"] = "predicted-spectrum"
    object: ObjectInfo
    candidate: int = Field(ge=0, description="Index in `Prediction.candidates`")
    redshift: float
    contrastive_score: float
    medium: Literal["vacuum"] = "vacuum"
    frame: Literal["observed"] = "observed"
    wavelength: Quantity
    flux: Quantity


class ModelDocument(_Document):
    """A model version: its manifest, and its card in Markdown."""

    is_default: bool
    manifest: Manifest
    card: str
    href: str


class ModelList(_Document):
    """All model versions that this service can use."""

    default: str | None
    models: tuple[ModelDocument, ...]


class Health(_Document):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(_Document):
    """Whether all parts that a prediction needs are there."""

    status: Literal["ready"] = "ready"
    checks: dict[str, str] = Field(description="`ok`, or what is wrong, for each part")


class VersionDocument(_Document):
    """Which program this is."""

    name: Literal["fiberless"] = "fiberless"
    version: str
    api: str = Field(description="Version of the paths and documents")
    prediction_schema: str
