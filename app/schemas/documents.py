"""Answers of the API that are not words of the contract: objects, models, spectra, health."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from fiberless.contract import (
    SCHEMA_VERSION,
    LinkedJob,
    LinkedPrediction,
    ObjectId,
    ObjectInfo,
    PredictedSpectrum,
    Quantity,
)
from fiberless.contract.manifest import Manifest

__all__ = [
    "CandidateSpectrum",
    "ColumnDocument",
    "CutoutPixels",
    "Document",
    "ExtendedPrediction",
    "Health",
    "JobList",
    "LookupAnswer",
    "ModelDocument",
    "ModelList",
    "NeighbourEntry",
    "ObjectDocument",
    "ObjectEntry",
    "ObjectLookup",
    "ObjectPage",
    "PredictionEntry",
    "PropertyDocument",
    "Readiness",
    "SampleSpectra",
    "SchemaDocument",
    "SpectrumDocument",
    "VersionDocument",
]


class Document(BaseModel):
    """What the service answers with; it never changes."""

    model_config = ConfigDict(frozen=True)


class PredictionEntry(Document):
    """One prediction in a list."""

    id: str
    created: datetime
    redshift: float | None = Field(description="Median of the candidates; null if it cannot be measured")
    model_version: str
    href: str


class ObjectDocument(Document):
    """All that is known of an object: its newest prediction, and the list of all, newest first."""

    object_id: str
    prediction: LinkedPrediction
    predictions: tuple[PredictionEntry, ...]


class JobList(Document):
    """A page of jobs, newest first."""

    jobs: tuple[LinkedJob, ...]
    next: str | None = Field(description="The next page, also as `Link: rel=next`; null on the last")


class SpectrumDocument(Document):
    """The shown spectrum of a prediction."""

    prediction_id: str
    kind: Literal["predicted-spectrum"] = "predicted-spectrum"
    object: ObjectInfo
    candidate: None = None
    spectrum: PredictedSpectrum


class CandidateSpectrum(Document):
    """One candidate spectrum of a prediction, at its own redshift."""

    prediction_id: str
    kind: Literal["predicted-spectrum"] = "predicted-spectrum"
    object: ObjectInfo
    candidate: int = Field(ge=0, description="Index in `Prediction.candidates`")
    redshift: float
    contrastive_score: float
    medium: Literal["vacuum"] = "vacuum"
    frame: Literal["observed", "rest"] = "observed"
    wavelength: Quantity
    flux: Quantity


class SampleSpectra(Document):
    """The spectra of all candidates, in their order, on the wavelengths of the prediction's spectrum."""

    unit: str
    frame: Literal["observed"] = "observed"
    redshift: list[float] = Field(description="Of each candidate")
    values: list[list[float | None]] = Field(description="One list a candidate; null: out of reach")


class CutoutPixels(Document):
    """The image that a prediction was made from."""

    unit: Literal["nanomaggy"] = "nanomaggy"
    source: str
    bands: tuple[str, ...]
    shape: tuple[int, int, int] = Field(description="Bands, rows, columns; row 0 is the bottom")
    pixel_scale_arcsec: float
    ra: float | None
    dec: float | None
    ebv: float | None = Field(description="Galactic E(B-V) still in the image; null: not known")
    notes: tuple[str, ...]
    values: list[list[list[float | None]]] = Field(description="Flux a pixel; null where masked")


class ExtendedPrediction(LinkedPrediction):
    """A prediction, and what `include` asks for beside it."""

    samples: SampleSpectra | None = None
    cutout: CutoutPixels | None = None


class ObjectEntry(Document):
    """An object with a prediction: where it is, and its newest one."""

    object_id: str | None = Field(description="As the caller wrote it; null for an image without a name")
    ra: float | None = Field(description="ICRS degrees")
    dec: float | None = Field(description="ICRS degrees")
    kind: Literal["predicted-spectrum"] = "predicted-spectrum"
    prediction: PredictionEntry


class NeighbourEntry(ObjectEntry):
    """An object in a cone."""

    separation_arcsec: float = Field(description="Great-circle distance from the centre")


class ObjectPage(Document):
    """A page of the objects in a cone, nearest first."""

    total: int = Field(description="Objects in the whole cone")
    objects: tuple[NeighbourEntry, ...]
    next: str | None = Field(description="The next page, also as `Link: rel=next`; null on the last")


class ObjectLookup(BaseModel):
    """Names to look up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ids: list[ObjectId] = Field(min_length=1, max_length=1000, description="Object IDs, as they were given")


class LookupAnswer(Document):
    """Which objects have a prediction, in the order asked for; each name once."""

    found: tuple[ObjectEntry, ...]
    missing: tuple[str, ...]


class ColumnDocument(Document):
    """A column of a table."""

    name: str
    kind: Literal["float64", "float32", "int64", "bool", "string"]
    unit: str = Field(description="In the words of FITS and astropy; empty if there is none")
    ucd: str = Field(description="IVOA UCD1+")
    utype: str = Field(description="Of the IVOA Spectrum data model 1.1; empty if it has no place there")
    description: str


class PropertyDocument(Document):
    """A property of a galaxy."""

    name: str = Field(description="Path in `Prediction.properties`")
    column: str = Field(description="Column in tables with one prediction a row")
    unit: str
    ucd: str
    description: str


class SchemaDocument(Document):
    """All that tables of this service may hold, with units and UCDs; all of it predicted, not observed."""

    kind: Literal["predicted-spectrum"] = "predicted-spectrum"
    version: Literal["2.0"] = Field(default=SCHEMA_VERSION, description="Of the prediction's document")
    spectrum: tuple[ColumnDocument, ...] = Field(description="Columns of a spectrum")
    properties: tuple[PropertyDocument, ...]
    row: tuple[ColumnDocument, ...] = Field(description="Columns of tables with one prediction a row")


class ModelDocument(Document):
    """A model version: its manifest, and its card in Markdown."""

    is_default: bool
    manifest: Manifest
    card: str
    href: str


class ModelList(Document):
    """All model versions that this service can use."""

    default: str | None
    models: tuple[ModelDocument, ...]


class Health(Document):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(Document):
    """Whether all parts that a prediction needs are there."""

    status: Literal["ready"] = "ready"
    checks: dict[str, str] = Field(description="`ok`, or what is wrong, for each part")


class VersionDocument(Document):
    """Which program this is."""

    name: Literal["fiberless"] = "fiberless"
    version: str
    api: str = Field(description="Version of the paths and documents")
    prediction_schema: str
