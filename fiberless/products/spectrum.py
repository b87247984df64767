"""`SpectrumProduct`: one spectrum of a prediction as columns of arrays, in the observed or the rest frame.

Every format is written from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from fiberless.arrays import FloatArray
from fiberless.contract import Prediction, PredictionArrays
from fiberless.errors import UsageError

__all__ = ["Frame", "SpectrumProduct", "shown_redshift", "spectrum_product"]

Frame: TypeAlias = Literal["observed", "rest"]


@dataclass(frozen=True, eq=False)
class SpectrumProduct:
    """One spectrum of a prediction.

    Parameters
    ----------
    prediction : what it belongs to
    candidate : place in `prediction.candidates`; None for the shown spectrum
    frame : of wavelengths and fluxes
    redshift : of this spectrum, if it is known; in the rest frame it always is
    columns : (L,) arrays by the names of `columns.SPECTRUM_COLUMNS`, in their order and units

    """

    prediction: Prediction
    candidate: int | None
    frame: Frame
    redshift: float | None
    columns: Mapping[str, npt.NDArray[Any]]

    @property
    def title(self) -> str:
        """What this is, for people; says that it is predicted."""
        which = "" if self.candidate is None else f", candidate {self.candidate}"
        name = self.prediction.object.object_id or self.prediction.id
        return f"PREDICTED spectrum, not observed: {name}{which}, {self.frame} frame"

    @property
    def facts(self) -> dict[str, Any]:
        """What a reader must know of the spectrum, by name; nothing that is null."""
        prediction, made = self.prediction, self.prediction.provenance
        spectrum = prediction.spectrum
        found = {
            "title": self.title,
            "kind": prediction.kind,
            "prediction_id": prediction.id,
            "object_id": prediction.object.object_id,
            "ra": prediction.object.ra,
            "dec": prediction.object.dec,
            "frame": self.frame,
            "redshift": self.redshift,
            "medium": spectrum.medium,
            "statistic": spectrum.flux.statistic if self.candidate is None else "candidate",
            "candidate": self.candidate,
            "created": prediction.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "service": f"{made.service.name} {made.service.version}",
            "model_version": made.model.version,
            "weights_sha256": made.model.weights_sha256,
            "training_data": made.model.training_data,
            "cutout_source": made.cutout.source,
            "ebv": made.cutout.ebv,
            "seed": made.sampler.seed,
            "n_candidates": made.sampler.n_candidates,
            "warnings": "; ".join(f"{row.code}: {row.detail}" for row in prediction.warnings) or None,
        }
        return {name: value for name, value in found.items() if value is not None}


def spectrum_product(
    prediction: Prediction,
    arrays: PredictionArrays | None = None,
    *,
    candidate: int | None = None,
    frame: Frame = "observed",
) -> SpectrumProduct:
    """Shown spectrum of a prediction, or one of its candidates.

    In the rest frame wavelengths are divided by 1 + z and flux densities multiplied by it, so that
    F_λ dλ stays, with z of the very spectrum. A candidate is one draw: it has no uncertainty and no
    quantiles (NaN, ivar 0).

    Parameters
    ----------
    prediction : the document
    arrays : the candidates' spectra; needed for a candidate
    candidate : place in `prediction.candidates`, from 0; None: the spectrum shown
    frame : frame of the result

    Raises
    ------
    UsageError
        `invalid-parameter` if there is no such candidate, or no redshift to go to the rest frame by.

    """
    count = len(prediction.candidates)
    if candidate is None:
        redshift, columns = shown_redshift(prediction), _shown_columns(prediction)
    elif arrays is not None and 0 <= candidate < count:
        redshift = prediction.candidates[candidate].redshift
        columns = _candidate_columns(prediction, arrays.candidate_flux[candidate])
    else:
        raise UsageError("invalid-parameter", f"candidate = {candidate}; there are 0…{count - 1}")
    if frame == "rest":
        columns = _at_rest(columns, redshift)
    return SpectrumProduct(prediction, candidate, frame, redshift, columns)


def shown_redshift(prediction: Prediction) -> float | None:
    """Redshift of the shown candidate, at which its lines lie; else the median of all; else None."""
    if prediction.spectrum.redshift is not None:
        return prediction.spectrum.redshift
    return prediction.properties.redshift.value


def _shown_columns(prediction: Prediction) -> dict[str, npt.NDArray[Any]]:
    spectrum = prediction.spectrum
    uncertainty = _numbers(spectrum.uncertainty.values)
    with np.errstate(divide="ignore"):
        ivar = np.where(np.isfinite(uncertainty) & (uncertainty > 0), uncertainty**-2.0, 0.0)
    quantiles = (_numbers(values) for values in spectrum.quantiles.values)
    return _columns(
        _numbers(spectrum.wavelength.values),
        _numbers(spectrum.flux.values),
        uncertainty,
        np.array(spectrum.mask, dtype=np.bool_),
        ivar,
        *quantiles,
    )


def _candidate_columns(prediction: Prediction, flux: FloatArray) -> dict[str, npt.NDArray[Any]]:
    nothing = np.full(flux.shape, np.nan)
    wave_aa = _numbers(prediction.spectrum.wavelength.values)
    return _columns(
        wave_aa, flux, nothing, ~np.isfinite(flux), np.zeros(flux.shape), nothing, nothing, nothing
    )


def _columns(*arrays: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    names = ("wavelength", "flux", "uncertainty", "mask", "ivar", "flux_p16", "flux_p50", "flux_p84")
    types: tuple[npt.DTypeLike, ...] = (np.float64, np.float32, np.float32, np.bool_, *[np.float32] * 4)
    return {
        name: np.asarray(array, dtype=kind) for name, kind, array in zip(names, types, arrays, strict=True)
    }


def _at_rest(columns: Mapping[str, npt.NDArray[Any]], redshift: float | None) -> dict[str, npt.NDArray[Any]]:
    if redshift is None:
        raise UsageError(
            "invalid-parameter", "frame = rest: this prediction's redshift could not be measured"
        )
    stretch = 1.0 + redshift
    factors = {"wavelength": 1 / stretch, "mask": 1, "ivar": stretch**-2}
    return {name: (array * factors.get(name, stretch)).astype(array.dtype) for name, array in columns.items()}


def _numbers(values: Sequence[float | None]) -> FloatArray:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
