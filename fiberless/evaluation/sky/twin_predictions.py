"""What a model predicts of twins: redshifts and physical quantities of all, spectra of some galaxies."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from fiberless.analysis.measure import sample_values
from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.evaluation.agn import agn_share
from fiberless.evaluation.sky.twins import Images
from fiberless.inference.conditioning import Conditions, conditions_of
from fiberless.inference.family import Candidates
from fiberless.inference.outlier_score import reported
from fiberless.inference.physical import PHYSICAL_NAMES
from fiberless.inference.predictor import Predictor
from fiberless.inference.report import shown_candidate

__all__ = ["TwinPredictions", "predict_twins"]

_BLOCK: Final = 50
_EMITS_EW_AA: Final = 10.0


@dataclass(frozen=True, eq=False)
class TwinPredictions:
    """K candidates of each of N images; NaN where a model has no such quantity.

    Parameters
    ----------
    redshift, log_stellar_mass, log_sigma, log_ssfr : (N, K)
    is_bright : (N,) whether r inside 7" is inside the model's promise
    is_flagged : (N,) whether the median redshift lies outside the promised range, or the image is unlike
        the training's
    emission, agn : (N,) shares of the candidates with EW(Hα) > 10 Å, and of AGN (Kauffmann et al. 2003);
        NaN where spectra were not measured
    shown_redshift : (N,) of the candidate that is shown; NaN likewise

    """

    redshift: FloatArray
    log_stellar_mass: FloatArray
    log_sigma: FloatArray
    log_ssfr: FloatArray
    is_bright: BoolArray
    is_flagged: BoolArray
    emission: FloatArray
    agn: FloatArray
    shown_redshift: FloatArray

    def __len__(self) -> int:
        return len(self.redshift)

    def take(self, rows: BoolArray | IntArray) -> "TwinPredictions":
        """Rows of the table."""
        return TwinPredictions(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def predict_twins(
    predictor: Predictor, images: Images, *, candidates: int, measured: int, seed: int
) -> TwinPredictions:
    """Draw candidates of each image; measure the spectra of the first `measured` images alone."""
    parts = []
    for start in range(0, len(images.ebv), _BLOCK):
        rows = slice(start, start + _BLOCK)
        conditions = conditions_of(images.flux_nmgy[rows], images.ebv[rows])
        seeds = [(seed, f"twin-{start + i}") for i in range(len(conditions))]
        drawn = predictor.family.candidates(
            conditions, seeds, n=candidates, steps=predictor.manifest.sampler_steps
        )
        parts.append(_predicted(predictor, conditions, drawn, measured - start))
    return _joined(parts)


def _joined(parts: Sequence[TwinPredictions]) -> TwinPredictions:
    names = [f.name for f in fields(TwinPredictions)]
    return TwinPredictions(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def _predicted(
    predictor: Predictor, conditions: Conditions, drawn: Candidates, measured: int
) -> TwinPredictions:
    columns = {name: np.full(drawn.redshift.shape, np.nan) for name in PHYSICAL_NAMES}
    columns |= dict(zip(PHYSICAL_NAMES, np.moveaxis(drawn.physical, -1, 0), strict=False))
    spectral = np.full((3, len(conditions)), np.nan)
    for row in range(min(max(measured, 0), len(conditions))):
        spectral[:, row] = _measured(drawn.galaxy(row))
    return TwinPredictions(
        redshift=drawn.redshift,
        log_stellar_mass=columns["log_stellar_mass"],
        log_sigma=columns["log_sigma"],
        log_ssfr=columns["log_sfr"] - columns["log_stellar_mass"],
        is_bright=conditions.r_magnitude <= predictor.manifest.r_magnitude_limit,
        is_flagged=_flagged(predictor, conditions, drawn),
        emission=spectral[0],
        agn=spectral[1],
        shown_redshift=spectral[2],
    )


def _flagged(predictor: Predictor, conditions: Conditions, drawn: Candidates) -> BoolArray:
    """Whether a prediction of a galaxy that is bright enough carries a warning. (N,)"""
    low, high = predictor.manifest.redshift_range
    middle = np.median(drawn.redshift, axis=1)
    outliers = predictor.family.condition_scaler.outliers(conditions)
    unlike = np.array([len(reported(found, is_bright=True)) > 0 for found in outliers])
    flagged: BoolArray = (middle < low) | (middle > high) | unlike
    return flagged


def _measured(candidates: Candidates) -> tuple[float, float, float]:
    """Share of emission and of AGN among one galaxy's candidates, and the redshift of the one shown."""
    flux = np.exp(candidates.ln_flux_observed())
    values = sample_values(OBSERVED_WAVE_AA, flux, candidates.redshift)
    shown = shown_candidate("representative", values, flux, medoid=int(candidates.medoid))
    width = values.lines.ew_of("Halpha")
    known = np.isfinite(width)
    emission = float(np.mean(width[known] > _EMITS_EW_AA)) if known.any() else float("nan")
    agn = float(agn_share(values.bpt_class[None], "kauffmann03")[0])
    return emission, agn, float(candidates.redshift[shown])
