"""A predicted spectrum measured: over its candidates, or the one that a table holds."""

from typing import TypeVar

import numpy as np
from pydantic import BaseModel

from fiberless.analysis.observed import SpectrumMeasurements, measure_predicted
from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.redshift.search import find_redshift
from fiberless.arrays import FloatArray
from fiberless.contract.measurements import summarise
from fiberless.contract.properties import Flag, Measurement
from fiberless.errors import UsageError
from fiberless.measuring.document import MeasuredSpectrum
from fiberless.measuring.formats.spectrum_file import CandidateSpectra, SpectrumFile

__all__ = ["MeasuredPrediction", "measure_prediction"]

MeasuredPrediction = tuple[MeasuredSpectrum, SpectrumMeasurements | None]
"""The document without what was measured, and that; None where there is no redshift."""
Model = TypeVar("Model", bound=BaseModel)


def measure_prediction(source: SpectrumFile, redshift: float | None, ebv: float) -> MeasuredPrediction:
    """Measure a predicted spectrum; medians and intervals over its candidates.

    Parameters
    ----------
    source : with candidates
    redshift : given by the caller; used where the file gives none
    ebv : asked to be taken off; a prediction is without the Milky Way's dust already

    Raises
    ------
    UsageError
        `not-a-spectrum` if there are no candidates.

    """
    candidates = source.candidates
    if candidates is None:
        raise UsageError("not-a-spectrum", f"{source.name} holds no candidates")
    notes = [*source.notes, "predicted from an image: intervals are those over the candidates"]
    if ebv:
        notes.append("a prediction is corrected for the Milky Way's dust already: E(B-V) not used")
    known = np.isfinite(candidates.redshift).all()
    if known and redshift is not None:
        notes.append("the candidates bring their own redshifts: the one given is not used")
    z = candidates.redshift if known else _found(source, candidates, redshift)
    document = _document(source, z, notes)
    if document.redshift_issues:
        return document, None
    measured = measure_predicted(
        source.spectrum.wave_aa, candidates.flux, z, sigma_star_kms=candidates.sigma_star_kms
    )
    if len(z) > 1:
        return document, measured
    return without_intervals(document), _lone(measured)


def _found(source: SpectrumFile, candidates: CandidateSpectra, redshift: float | None) -> FloatArray:
    """Redshift (K,) as given, else found on the spectrum; NaN if it is not to be trusted."""
    if redshift is not None:
        return np.full(len(candidates.redshift), redshift)
    found = find_redshift(PixelFlux.of(source.spectrum.wave_aa, source.spectrum.flux[None]))
    return np.full(len(candidates.redshift), np.nan if found.issues else found.redshift)


def _document(source: SpectrumFile, redshift: FloatArray, notes: list[str]) -> MeasuredSpectrum:
    is_known = bool(np.isfinite(redshift).any())
    method = "posterior of the model" if len(redshift) > 1 else "of the spectrum in the file"
    return MeasuredSpectrum(
        file=source.name,
        kind="predicted",
        redshift=summarise(redshift, unit="", method=method),
        redshift_issues=() if is_known else ("no_data",),
        notes=tuple(notes),
    )


def _lone(measured: SpectrumMeasurements) -> SpectrumMeasurements:
    """Values of one spectrum: an interval over one candidate says nothing."""
    names = ("quantities", "classes", "lines", "lick", "lick_system")
    stripped = {
        name: {key: without_intervals(value) for key, value in getattr(measured, name).items()}
        for name in names
    }
    return SpectrumMeasurements(**stripped, fit=measured.fit, wave_aa=measured.wave_aa)


def without_intervals(model: Model) -> Model:
    """The same model, no `Measurement` in it with an interval."""
    if isinstance(model, Measurement):
        return model.model_copy(update={"lower": None, "upper": None}) if model.flag is Flag.OK else model
    fields = {name: getattr(model, name) for name in type(model).model_fields}
    inner = {name: without_intervals(value) for name, value in fields.items() if isinstance(value, BaseModel)}
    return model.model_copy(update=inner)
