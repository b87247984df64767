"""What a caller asks for: a target or an image, options, and the name of the prediction they lead to."""

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

from pydantic import Field, GetJsonSchemaHandler, StringConstraints, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from fiberless.astro.extinction import MAX_EBV, galactic_ebv
from fiberless.contract.frozen import Frozen
from fiberless.contract.manifest import Manifest
from fiberless.contract.prediction import Selection
from fiberless.images.cutout import Cutout

__all__ = [
    "DEFAULT_CANDIDATES",
    "OBJECT_ID_PATTERN",
    "OBJECT_ID_WORDS",
    "ObjectId",
    "PredictionOptions",
    "PredictionRequest",
    "Target",
    "prediction_id",
]

DEFAULT_CANDIDATES: Final = 25

OBJECT_ID_WORDS: Final = (
    "1 to 128 letters and digits of ASCII, blanks inside, and _ . + : - [ ] ( ) * ' , & = @ ~"
)
"""What a name may consist of, for people."""
OBJECT_ID_PATTERN: Final = (
    r"^[A-Za-z0-9\[(*](?:[A-Za-z0-9 _.+:\-\[\]()*',&=@~]{0,126}[A-Za-z0-9_.+:\-\[\]()*',&=@~])?$"
)
ObjectId = Annotated[str, StringConstraints(pattern=OBJECT_ID_PATTERN)]
"""Name of an object: those of NED and SIMBAD too, as `NGC 1068`, `[VV2006] J1`; nothing that parts a path."""


class Target(Frozen):
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


class PredictionOptions(Frozen):
    """What a caller may choose about a prediction."""

    object_id: ObjectId | None = Field(default=None, description="Your name for the object, e.g. sdss:1237…")
    n_candidates: int = Field(default=DEFAULT_CANDIDATES, ge=1, le=256, description="Spectra drawn")
    steps: int | None = Field(
        default=None, ge=2, le=250, description="Network evaluations; null: the model's"
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Same image, model, options, seed: same numbers")
    model: str | None = Field(default=None, max_length=64, description="Model version; null: the default")
    select: Selection = Field(
        default="representative",
        description="Which candidate is shown: the one nearest to the reported medians of redshift, Dn4000, "
        "EW(Halpha) and g-i; the one nearest to the mean of the latents; or the best contrastive score",
    )
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
