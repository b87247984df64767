"""`Prediction`: the document of a predicted galaxy, and the arrays that are stored beside it."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
from pydantic import Field

from fiberless.arrays import FloatArray
from fiberless.contract.frozen import Frozen
from fiberless.contract.properties import Properties

if TYPE_CHECKING:
    from astropy.table import QTable
    from specutils import Spectrum  # type: ignore[import-untyped]  # it has none

__all__ = [
    "SCHEMA_VERSION",
    "Candidate",
    "CutoutInfo",
    "ModelInfo",
    "ObjectInfo",
    "PredictedSpectrum",
    "Prediction",
    "PredictionArrays",
    "PredictionLinks",
    "PredictionResult",
    "PredictionWarning",
    "Provenance",
    "Quantity",
    "SamplerInfo",
    "Selection",
    "ServiceInfo",
]

Selection: TypeAlias = Literal["representative", "medoid", "contrastive"]
"""Ways to choose the candidate that is shown."""
SCHEMA_VERSION: Final = "2.0"
"""Of the document of a prediction. Documents of 1.0 are read by `contract.upgrade`."""


class ObjectInfo(Frozen):
    """Which object a prediction is of."""

    object_id: str | None = None
    ra: float | None = None
    dec: float | None = None
    frame: Literal["icrs"] = "icrs"


class PredictionWarning(Frozen):
    """Something that the reader of a prediction must know."""

    code: str
    detail: str


class Quantity(Frozen):
    """An array with its unit; masked values are null."""

    unit: str
    values: list[float | None]


class _Flux(Quantity):
    calibration: Literal["absolute"] = "absolute"
    statistic: Selection


class _Uncertainty(Frozen):
    type: Literal["std"] = "std"
    values: list[float | None]


class _Quantiles(Frozen):
    levels: tuple[float, float, float] = (0.16, 0.5, 0.84)
    values: tuple[list[float | None], list[float | None], list[float | None]]


class PredictedSpectrum(Frozen):
    """The one spectrum shown, with the spread of the candidates around it.

    Spread and quantiles are taken in the rest frame and carried to the shown spectrum's redshift.
    """

    n: int
    medium: Literal["vacuum"] = "vacuum"
    frame: Literal["observed", "rest"] = "observed"
    redshift: float | None = Field(
        default=None, description="Redshift of the shown candidate; the answer is `properties.redshift`"
    )
    wavelength: Quantity
    flux: _Flux
    uncertainty: _Uncertainty
    quantiles: _Quantiles
    mask: list[bool] = Field(description="True where the model does not reach")


class Candidate(Frozen):
    """One drawn spectrum: its place by contrastive score, its score and its redshift."""

    rank: int = Field(ge=1, description="1 is the best contrastive score")
    contrastive_score: float
    redshift: float


class ServiceInfo(Frozen):
    """The program that made a prediction."""

    name: str = "fiberless"
    version: str


class ModelInfo(Frozen):
    """The model that made a prediction."""

    name: str
    version: str
    family: Literal["latent", "cascade"]
    weights_sha256: str
    training_data: str


class SamplerInfo(Frozen):
    """How the candidates were drawn."""

    steps: int
    n_candidates: int
    seed: int
    device: str
    dtype: str


class CutoutInfo(Frozen):
    """The image that a prediction is made from."""

    source: str
    sha256: str
    bands: tuple[str, ...]
    pixel_scale_arcsec: float
    ebv: float = Field(default=0.0, description="Galactic E(B-V) that image and prediction are corrected for")


class Provenance(Frozen):
    """Everything needed to make the same prediction again."""

    service: ServiceInfo
    model: ModelInfo
    sampler: SamplerInfo
    cutout: CutoutInfo


class PredictionLinks(Frozen):
    """Where to go from a prediction: paths on the service's host."""

    self: str
    spectrum_fits: str
    candidate: str = Field(description="URI template (RFC 6570) of one candidate's spectrum: {k} from 0")
    cutout: str
    preview: str


class Prediction(Frozen):
    """A predicted spectrum and what was measured on its candidates. Never an observation.

    The same class whether a service predicted it or a model in this process.

    Examples
    --------
    >>> import fiberless
    >>> prediction = fiberless.load_model().predict("examples/galaxy.fits", n_candidates=4)
    >>> prediction.to_table().colnames[:3]
    ['wavelength', 'flux', 'uncertainty']
    >>> fiberless.Prediction.model_validate_json(prediction.model_dump_json(by_alias=True)) == prediction
    True

    """

    id: str
    schema_: Literal["2.0"] = Field(default=SCHEMA_VERSION, alias="schema", serialization_alias="schema")
    kind: Literal["predicted-spectrum"] = "predicted-spectrum"
    object: ObjectInfo
    label: str | None = None
    created: datetime
    warnings: tuple[PredictionWarning, ...] = ()
    spectrum: PredictedSpectrum
    candidates: tuple[Candidate, ...]
    properties: Properties
    provenance: Provenance
    links: PredictionLinks | None = Field(
        default=None,
        exclude_if=lambda links: links is None,
        description="Added when a service answers; what is stored, or predicted in this process, has none",
    )

    def to_spectrum(self) -> "Spectrum":
        """Shown spectrum for specutils, which must be installed: observed frame, vacuum, σ, mask.

        Flux has the unit of the document, 1e-17 erg/(s cm2 Å); masked pixels are NaN. `meta` says what the
        spectrum is of, that it is predicted, and by which model.
        """
        from astropy import units as u  # noqa: PLC0415  # as slow to load as the rest of the client together
        from astropy.nddata import StdDevUncertainty  # noqa: PLC0415
        from specutils import Spectrum  # noqa: PLC0415

        shown = self.spectrum
        unit = u.Unit(shown.flux.unit)
        return Spectrum(
            flux=_array(shown.flux.values) * unit,
            spectral_axis=_array(shown.wavelength.values) * u.Unit(shown.wavelength.unit),
            uncertainty=StdDevUncertainty(_array(shown.uncertainty.values), unit=unit),
            mask=np.array(shown.mask, dtype=bool),
            meta=self._described(),
        )

    def to_table(self) -> "QTable":
        """Shown spectrum as an astropy table with units.

        Columns `wavelength`, `flux`, `uncertainty`, `mask`, `flux_p16`, `flux_p50`, `flux_p84`, one row a
        pixel; `meta` as that of `to_spectrum`.
        """
        from astropy import units as u  # noqa: PLC0415  # as above
        from astropy.table import QTable  # noqa: PLC0415

        shown = self.spectrum
        unit = u.Unit(shown.flux.unit)
        columns = {
            "wavelength": _array(shown.wavelength.values) * u.Unit(shown.wavelength.unit),
            "flux": _array(shown.flux.values) * unit,
            "uncertainty": _array(shown.uncertainty.values) * unit,
            "mask": np.array(shown.mask, dtype=bool),
        }
        for level, values in zip(shown.quantiles.levels, shown.quantiles.values, strict=True):
            columns[f"flux_p{round(100 * level)}"] = _array(values) * unit
        return QTable(columns, meta=self._described())

    def _described(self) -> dict[str, Any]:
        model = self.provenance.model
        return {
            "kind": self.kind,
            "predicted": True,
            "prediction_id": self.id,
            "object_id": self.object.object_id,
            "ra": self.object.ra,
            "dec": self.object.dec,
            "redshift": self.spectrum.redshift,
            "medium": self.spectrum.medium,
            "frame": self.spectrum.frame,
            "model": f"{model.name} {model.version}",
            "warnings": [warning.code for warning in self.warnings],
        }


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


def _array(values: list[float | None]) -> FloatArray:
    """Values with NaN for null."""
    return np.array(values, dtype=np.float64)
