"""Full-spectrum fitter: stellar kinematics, populations, dust and emission lines of many spectra."""

from fiberless.analysis.stellar_fit.candidates import CandidateStars, fit_candidates
from fiberless.analysis.stellar_fit.fit import fit_stars
from fiberless.analysis.stellar_fit.gas import GAS_LINES
from fiberless.analysis.stellar_fit.options import (
    PREDICTED_RESAMPLING_KMS,
    REBINNED_CHI2,
    REBINNED_RESAMPLING_KMS,
    FitOptions,
)
from fiberless.analysis.stellar_fit.result import Estimate, FitQuality, StellarFit

__all__ = [
    "GAS_LINES",
    "PREDICTED_RESAMPLING_KMS",
    "REBINNED_CHI2",
    "REBINNED_RESAMPLING_KMS",
    "CandidateStars",
    "Estimate",
    "FitOptions",
    "FitQuality",
    "StellarFit",
    "fit_candidates",
    "fit_stars",
]
