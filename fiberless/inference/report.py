"""From the candidates of one galaxy to the document and the arrays that the contract asks for."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from math import isnan
from typing import Any

import numpy as np

from fiberless import __version__
from fiberless.analysis.measure import SpectrumValues, measure_with_values
from fiberless.arrays import FloatArray, significant
from fiberless.astro.bands import band_density
from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.contract import (
    Candidate,
    CutoutInfo,
    ModelInfo,
    ObjectInfo,
    PredictedSpectrum,
    Prediction,
    PredictionArrays,
    PredictionRequest,
    PredictionResult,
    PredictionWarning,
    Provenance,
    SamplerInfo,
    ServiceInfo,
    prediction_id,
)
from fiberless.contract.manifest import Manifest
from fiberless.contract.prediction import Selection
from fiberless.contract.properties import FLUX_UNIT, INTERVAL_LEVEL, Flag, Properties
from fiberless.inference.conditioning import LIMIT_RADIUS_ARCSEC
from fiberless.inference.family import Candidates, SpectralGrid
from fiberless.inference.outlier_score import OutlierScore, reported
from fiberless.inference.physical import PhysicalQuantities
from fiberless.inference.physical_properties import physical_properties
from fiberless.inference.representative import representative
from fiberless.inference.spread import QUANTILE_LEVELS, ObservedSpread, observed_spread, shifted_spread

__all__ = ["Drawn", "Engine", "build_result", "shown_candidate"]


@dataclass(frozen=True)
class Engine:
    """What made the numbers: the model version, and where and how it ran."""

    manifest: Manifest
    device: str
    dtype: str


@dataclass(frozen=True, eq=False)
class Drawn:
    """K candidates of one galaxy, and what its image says of the model's range.

    Parameters
    ----------
    candidates : of the galaxy alone, see `Candidates.galaxy`
    r_magnitude : r inside 7"; NaN where the flux is not positive
    outliers : what is unlike the training set

    """

    candidates: Candidates
    r_magnitude: float
    outliers: tuple[OutlierScore, ...]

    def physical(self) -> PhysicalQuantities | None:
        """Physical quantities (K,) of the candidates; None if the model has none."""
        columns = self.candidates.physical
        return PhysicalQuantities.of_columns(columns) if columns.shape[-1] else None

    def spread(self, flux: FloatArray, redshift_shown: float) -> ObservedSpread:
        """How much the candidates differ, as `fiberless.inference.spread` takes it in the rest frame."""
        if self.candidates.frame is SpectralGrid.OBSERVED:
            return shifted_spread(flux, self.candidates.redshift, redshift_shown)
        return observed_spread(self.candidates.ln_flux, redshift_shown)


def build_result(request: PredictionRequest, drawn: Drawn, engine: Engine) -> PredictionResult:
    """Assemble one galaxy's prediction: candidates by score, the shown spectrum, its spread, properties.

    Absolute fluxes come from the image: the latent's amplitude times the r flux inside 1.5". They are those
    of a fibre spectrum, not of the whole galaxy, and so are the line fluxes. Properties are medians and
    intervals over values measured on each candidate's observed spectrum, never on averaged ones; where the
    model leaves its promised range, their flag says so.
    """
    candidates = drawn.candidates
    # candidates by score
    order = np.argsort(-candidates.score, kind="stable")
    redshift = candidates.redshift[order]
    # their spectra on the published grid
    unordered = np.exp(candidates.ln_flux_observed())
    flux = unordered[order]
    physical = drawn.physical()
    # what is measured on them, and which of them is shown
    warnings = _warnings(request, drawn, engine.manifest)
    properties, values = _properties(flux, redshift, physical and physical[order], warnings)
    medoid = int(np.flatnonzero(order == candidates.medoid)[0])
    shown = shown_candidate(request.options.select, values, flux, medoid=medoid)
    # the document
    name = prediction_id(request, engine.manifest)
    prediction = Prediction(
        id=name,
        object=ObjectInfo(object_id=request.options.object_id, ra=request.cutout.ra, dec=request.cutout.dec),
        label=request.options.label,
        created=datetime.now(UTC),
        warnings=warnings,
        spectrum=_spectrum(
            flux[shown], drawn.spread(unordered, redshift[shown]), redshift[shown], request.options.select
        ),
        candidates=_candidates(candidates.score[order], redshift),
        properties=properties,
        provenance=_provenance(request, engine),
    )
    return PredictionResult(
        prediction, PredictionArrays(flux.astype(np.float32), redshift.astype(np.float32))
    )


def _values(array: FloatArray) -> list[float | None]:
    """Six significant digits; null where the model does not reach."""
    return [None if isnan(value) else value for value in significant(array).tolist()]


def _spectrum(flux: FloatArray, spread: ObservedSpread, redshift: float, statistic: str) -> PredictedSpectrum:
    document: dict[str, Any] = {
        "n": OBSERVED_WAVE_AA.size,
        "redshift": float(significant(np.asarray(redshift))),
        "wavelength": {"unit": "Angstrom", "values": OBSERVED_WAVE_AA.tolist()},
        "flux": {"unit": FLUX_UNIT, "statistic": statistic, "values": _values(flux)},
        "uncertainty": {"values": _values(spread.std)},
        "quantiles": {"levels": QUANTILE_LEVELS, "values": [_values(row) for row in spread.quantiles]},
        "mask": np.isnan(flux).tolist(),
    }
    return PredictedSpectrum.model_validate(document)


def _candidates(score: FloatArray, redshift: FloatArray) -> tuple[Candidate, ...]:
    scores, redshifts = significant(score).tolist(), significant(redshift).tolist()
    return tuple(
        Candidate(
            rank=k + 1,
            contrastive_score=scores[k],
            redshift=redshifts[k],
        )
        for k in range(len(scores))
    )


def _warnings(request: PredictionRequest, drawn: Drawn, manifest: Manifest) -> tuple[PredictionWarning, ...]:
    found = [PredictionWarning(code="input", detail=note) for note in request.cutout.notes]
    limit, (low, high) = manifest.r_magnitude_limit, manifest.redshift_range
    redshift = float(np.median(drawn.candidates.redshift))
    is_bright_enough = drawn.r_magnitude <= limit  # false for NaN
    if not is_bright_enough:
        detail = f'r = {drawn.r_magnitude:.2f} inside {LIMIT_RADIUS_ARCSEC:g}" is fainter than {limit:g}'
        found.append(PredictionWarning(code=Flag.OUTSIDE_TRAINING_RANGE, detail=detail))
    if not low <= redshift <= high:
        detail = f"redshift {redshift:.4f} is outside the promised range {low:g}–{high:g}"
        found.append(PredictionWarning(code=Flag.OUTSIDE_TRAINING_RANGE, detail=detail))
    if not request.is_ebv_known:
        detail = "no position, EBV card or option: the image is taken as corrected for Galactic extinction"
        found.append(PredictionWarning(code="extinction_unknown", detail=detail))
    told = reported(drawn.outliers, is_bright=is_bright_enough)
    return (
        *found,
        *(PredictionWarning(code="out_of_distribution", detail=outlier.detail) for outlier in told),
    )


def _properties(
    flux: FloatArray,
    redshift: FloatArray,
    physical: PhysicalQuantities | None,
    warnings: tuple[PredictionWarning, ...],
) -> tuple[Properties, SpectrumValues]:
    """Properties of the galaxy, and the values of its candidates that they summarise."""
    measured, values = measure_with_values(
        OBSERVED_WAVE_AA,
        flux,
        redshift,
        sigma_star_kms=None if physical is None else 10**physical.log_sigma,
        level=INTERVAL_LEVEL,
    )
    if physical is not None:
        told = physical_properties(physical, measured.lines["Halpha"].ew, level=INTERVAL_LEVEL)
        measured = measured.model_copy(update=told)
    if any(warning.code == Flag.OUTSIDE_TRAINING_RANGE for warning in warnings):
        measured = measured.flagged(Flag.OUTSIDE_TRAINING_RANGE)
    return measured, values


def shown_candidate(select: Selection, values: SpectrumValues, flux: FloatArray, *, medoid: int) -> int:
    """Index of the candidate that is shown, of candidates in the order of their scores."""
    if select == "contrastive":
        return 0
    if select == "medoid":
        return medoid
    width = np.arcsinh(values.lines.ew_of("Halpha"))
    colour = -2.5 * np.log10((flux @ _density("g")) / (flux @ _density("i")))
    return representative(np.stack([values.redshift, values.breaks.dn4000, width, colour], axis=-1))


@cache
def _density(band: str) -> FloatArray:
    """Weights (4500,) of the published pixels in a band."""
    return band_density(OBSERVED_WAVE_AA, band)


def _provenance(request: PredictionRequest, engine: Engine) -> Provenance:
    manifest, options, cutout = engine.manifest, request.options, request.cutout
    return Provenance(
        service=ServiceInfo(version=__version__),
        model=ModelInfo(
            name=manifest.name,
            version=manifest.version,
            family=manifest.family,
            weights_sha256=manifest.weights_sha256,
            training_data=manifest.training_data,
        ),
        sampler=SamplerInfo(
            steps=options.steps or manifest.sampler_steps,
            n_candidates=options.n_candidates,
            seed=options.seed,
            device=engine.device,
            dtype=engine.dtype,
        ),
        cutout=CutoutInfo(
            source=cutout.source,
            sha256=cutout.sha256,
            bands=manifest.bands,
            pixel_scale_arcsec=cutout.pixel_scale_arcsec,
            ebv=float(significant(np.asarray(request.ebv))),
        ),
    )
