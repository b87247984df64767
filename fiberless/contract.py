"""The words that cross process borders: queues, job phases, requests, predictions, error reports.

`Prediction` is the API's response model, the stored model and the worker's result at once. Imports the nouns
only.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, StringConstraints, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from fiberless.arrays import FloatArray
from fiberless.cutout import Cutout
from fiberless.errors import ErrorKind, FiberlessError
from fiberless.extinction import MAX_EBV, galactic_ebv
from fiberless.manifest import Manifest
from fiberless.properties import Properties

__all__ = [
    "DEFAULT_CANDIDATES",
    "QUEUE_FETCH",
    "QUEUE_PREDICT",
    "TASK_FETCH",
    "TASK_PREDICT",
    "Batch",
    "BatchItem",
    "BatchItemLinks",
    "BatchLinks",
    "Candidate",
    "CutoutInfo",
    "ErrorReport",
    "Job",
    "JobLinks",
    "JobPhase",
    "JobProgress",
    "ModelInfo",
    "ObjectId",
    "ObjectInfo",
    "PredictedSpectrum",
    "Prediction",
    "PredictionArrays",
    "PredictionLinks",
    "PredictionOptions",
    "PredictionRequest",
    "PredictionResult",
    "PredictionWarning",
    "Provenance",
    "Quantity",
    "SamplerInfo",
    "ServiceInfo",
    "Target",
    "Watch",
    "prediction_id",
]

QUEUE_FETCH: Final = "fetch"
QUEUE_PREDICT: Final = "predict"
TASK_FETCH: Final = "fiberless.fetch"
TASK_PREDICT: Final = "fiberless.predict"
DEFAULT_CANDIDATES: Final = 25

ObjectId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+:\-]{0,127}$")]


class JobPhase(StrEnum):
    """Life of a job, in the words of the IVOA UWS 1.1 standard."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"

    @property
    def is_final(self) -> bool:
        """Whether the job will never change again."""
        return self in {JobPhase.COMPLETED, JobPhase.ERROR, JobPhase.ABORTED}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Target(_Frozen):
    """What to look at: a position on the sky, or an object that a survey knows by name; exactly one."""

    ra: float | None = Field(default=None, ge=0, lt=360, description="Right ascension, ICRS, degrees")
    dec: float | None = Field(default=None, ge=-90, le=90, description="Declination, ICRS, degrees")
    object_id: ObjectId | None = Field(default=None, description="Name in a survey, e.g. sdss:1237…")

    @property
    def position(self) -> tuple[float, float] | None:
        """(ra, dec), ICRS degrees; None where the object is named instead."""
        return None if self.ra is None or self.dec is None else (self.ra, self.dec)

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.ra is None) != (self.dec is None):
            raise PydanticCustomError("incomplete_coordinates", "ra and dec are needed together")
        if (self.position is None) == (self.object_id is None):
            raise PydanticCustomError("ambiguous_target", "give ra and dec, or else object_id")
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Schema of the two forms, so that a document is valid by it if and only if it is accepted."""
        described = handler.resolve_ref_schema(handler(core_schema))
        ra, dec, name = (_not_null(described["properties"][field]) for field in ("ra", "dec", "object_id"))
        absent = {"type": "null"}
        position = _form({"ra": ra, "dec": dec, "object_id": absent}, required=["ra", "dec"])
        named = _form({"ra": absent, "dec": absent, "object_id": name}, required=["object_id"])
        kept = ("title", "description")
        forms = [position | {"title": "Position"}, named | {"title": "NamedObject"}]
        return {key: described[key] for key in kept} | {"oneOf": forms}


class PredictionOptions(_Frozen):
    """What a caller may choose about a prediction."""

    object_id: ObjectId | None = Field(default=None, description="Your name for the object, e.g. sdss:1237…")
    n_candidates: int = Field(default=DEFAULT_CANDIDATES, ge=1, le=256, description="Spectra drawn")
    steps: int | None = Field(
        default=None, ge=2, le=250, description="Network evaluations; null: the model's"
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Same image, model, options, seed: same numbers")
    model: str | None = Field(default=None, max_length=64, description="Model version; null: the default")
    select: Literal["medoid", "contrastive"] = Field(default="medoid", description="Which candidate is shown")
    ebv: float | None = Field(
        default=None,
        ge=0,
        le=MAX_EBV,
        description="Galactic E(B-V) still in the image, mag; 0: corrected; null: from header or position",
    )
    label: str | None = Field(default=None, max_length=128, description="Free text, returned as given")


@dataclass(frozen=True, eq=False)
class PredictionRequest:
    """One galaxy for the predictor: its image, what to do with it, and who asks ("" without a key)."""

    cutout: Cutout
    options: PredictionOptions
    owner: str = ""

    @property
    def is_ebv_known(self) -> bool:
        """Whether the options, the image or its position tell the Galactic extinction."""
        return (self.options.ebv, self.cutout.ebv, self.cutout.ra) != (None, None, None)

    @property
    def ebv(self) -> float:
        """Galactic E(B−V) that the image is corrected for: options, else image, else position, else 0."""
        for given in (self.options.ebv, self.cutout.ebv):
            if given is not None:
                return given
        if self.cutout.ra is None or self.cutout.dec is None:
            return 0.0
        return galactic_ebv(self.cutout.ra, self.cutout.dec)


def prediction_id(request: PredictionRequest, manifest: Manifest) -> str:
    """Name of the prediction that a request leads to: equal requests, equal names.

    Hash of the image, the model's weights, the options with defaults filled in, the object's name and
    position, and the owner: nobody learns from a stored answer what another asked for. The API looks it up
    before it queues a job, the worker stores under it.
    """
    options = request.options.model_dump(mode="json", exclude={"model", "steps", "ebv"})
    options["steps"] = request.options.steps or manifest.sampler_steps
    key = {
        "cutout": request.cutout.sha256,
        "ebv": round(request.ebv, 6),
        "position": [request.cutout.ra, request.cutout.dec],
        "source": [request.cutout.source, list(request.cutout.notes)],
        "weights": manifest.weights_sha256,
        "version": manifest.version,
        "options": options,
        **({"owner": request.owner} if request.owner else {}),
    }
    return "p_" + hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]


class ErrorReport(_Frozen):
    """An error as a job carries it."""

    slug: str
    kind: ErrorKind
    detail: str

    @classmethod
    def of(cls, error: FiberlessError) -> Self:
        """Report of an error of the tree."""
        return cls(slug=error.slug, kind=error.kind, detail=error.detail)


class JobProgress(_Frozen):
    """How far a job is."""

    stage: str
    done: int
    total: int


Watch: TypeAlias = Callable[[Sequence[int], JobProgress], None]
"""Told by a predictor how far some requests are, by their indices; whatever it raises ends the work."""


class JobLinks(_Frozen):
    """Where to go from a job; relative to the service's root."""

    self: str
    events: str = Field(description="Server-sent events: every change of the job, as it happens")
    prediction: str | None = Field(default=None, description="The prediction, once there is one")
    uws: str | None = Field(default=None, description="The same job in the UWS interface, where there is one")


class Job(_Frozen):
    """A job as the API shows it."""

    id: str
    phase: JobPhase
    progress: JobProgress
    created: datetime
    started: datetime | None = None
    ended: datetime | None = None
    attempts: int = 0
    error: ErrorReport | None = None
    prediction_id: str | None = None
    links: JobLinks


class BatchLinks(_Frozen):
    """Where to go from a batch."""

    self: str
    items: str
    results: str


class Batch(_Frozen):
    """Many targets handed in together. Its rows are jobs; this counts them as they are now."""

    id: str
    phase: JobPhase = Field(
        description="EXECUTING as soon as a row runs or has ended; COMPLETED when all have ended, whether "
        "well or not; ERROR when all have ended and none well; ABORTED when it was cancelled"
    )
    n_rows: int
    counts: dict[JobPhase, int] = Field(description="Rows in each phase; PENDING ones wait for the queue")
    label: str | None = None
    created: datetime
    ended: datetime | None = Field(default=None, description="When the last row ended; null before")
    links: BatchLinks


class BatchItemLinks(_Frozen):
    """Where to go from a row of a batch."""

    job: str
    prediction: str | None = None


class BatchItem(_Frozen):
    """One row of a batch: what was asked for, and where it stands."""

    row: int = Field(ge=0, description="Place in the table, from 0")
    id: str | None = Field(default=None, description="Identifier of the row, as the caller wrote it")
    object_id: str | None = None
    ra: float | None = Field(default=None, description="Right ascension, ICRS, degrees")
    dec: float | None = Field(default=None, description="Declination, ICRS, degrees")
    phase: JobPhase
    error: ErrorReport | None = None
    job_id: str
    prediction_id: str | None = None
    links: BatchItemLinks


class ObjectInfo(_Frozen):
    """Which object a prediction is of."""

    object_id: str | None = None
    ra: float | None = None
    dec: float | None = None
    frame: Literal["icrs"] = "icrs"


class PredictionWarning(_Frozen):
    """Something that the reader of a prediction must know."""

    code: str
    detail: str


class Quantity(_Frozen):
    """An array with its unit; masked values are null."""

    unit: str
    values: list[float | None]


class _Flux(Quantity):
    calibration: Literal["absolute"] = "absolute"
    statistic: Literal["medoid", "contrastive"]


class _Uncertainty(_Frozen):
    type: Literal["std"] = "std"
    values: list[float | None]


class _Quantiles(_Frozen):
    levels: tuple[float, float, float] = (0.16, 0.5, 0.84)
    values: tuple[list[float | None], list[float | None], list[float | None]]


class PredictedSpectrum(_Frozen):
    """The one spectrum shown, with the spread of the candidates around it.

    Spread and quantiles are taken in the rest frame and carried to the shown spectrum's redshift.
    """

    n: int
    medium: Literal["vacuum"] = "vacuum"
    frame: Literal["observed", "rest"] = "observed"
    redshift: float | None = Field(default=None, description="Redshift of the shown candidate")
    wavelength: Quantity
    flux: _Flux
    uncertainty: _Uncertainty
    quantiles: _Quantiles
    mask: list[bool] = Field(description="True where the model does not reach")


class Candidate(_Frozen):
    """One drawn spectrum: its place by contrastive score, its score and its redshift."""

    rank: int = Field(ge=1, description="1 is the best contrastive score")
    contrastive_score: float
    redshift: float
    href: str


class ServiceInfo(_Frozen):
    """The program that made a prediction."""

    name: str = "fiberless"
    version: str


class ModelInfo(_Frozen):
    """The model that made a prediction."""

    name: str
    version: str
    family: Literal["latent", "cascade"]
    weights_sha256: str
    training_data: str


class SamplerInfo(_Frozen):
    """How the candidates were drawn."""

    steps: int
    n_candidates: int
    seed: int
    device: str
    dtype: str


class CutoutInfo(_Frozen):
    """The image that a prediction is made from."""

    source: str
    sha256: str
    bands: tuple[str, ...]
    pixel_scale_arcsec: float
    ebv: float = Field(default=0.0, description="Galactic E(B-V) that image and prediction are corrected for")


class Provenance(_Frozen):
    """Everything needed to make the same prediction again."""

    service: ServiceInfo
    model: ModelInfo
    sampler: SamplerInfo
    cutout: CutoutInfo


class PredictionLinks(_Frozen):
    """Where to go from a prediction; relative to the service's root."""

    self: str
    spectrum_fits: str
    cutout: str | None = None
    preview: str | None = None


class Prediction(_Frozen):
    """A predicted spectrum and what was measured on its candidates. Never an observation."""

    id: str
    schema_: Literal["1.0"] = Field(default="1.0", alias="schema", serialization_alias="schema")
    kind: Literal["predicted-spectrum"] = "predicted-spectrum"
    object: ObjectInfo
    label: str | None = None
    created: datetime
    warnings: tuple[PredictionWarning, ...] = ()
    spectrum: PredictedSpectrum
    candidates: tuple[Candidate, ...]
    properties: Properties
    provenance: Provenance
    links: PredictionLinks


@dataclass(frozen=True, eq=False)
class PredictionArrays:
    """What is too big for the JSON document.

    Parameters
    ----------
    candidate_flux : (K, 4500) float32, 1e-17 erg/(s cm2 Å) on the observed grid, each at its own redshift;
        NaN where the model does not reach. In the order of `Prediction.candidates`.
    candidate_redshift : (K,) float32

    """

    candidate_flux: FloatArray
    candidate_redshift: FloatArray


@dataclass(frozen=True, eq=False)
class PredictionResult:
    """What the worker stores for one galaxy: the document and the arrays beside it."""

    prediction: Prediction
    arrays: PredictionArrays


def _not_null(field: dict[str, Any]) -> dict[str, Any]:
    """Schema of an optional field where it is given."""
    return {key: value for key, value in field.items() if key not in {"anyOf", "default"}} | dict(
        field["anyOf"][0]
    )


def _form(properties: dict[str, Any], *, required: list[str]) -> dict[str, Any]:
    """Schema of an object that has just these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
