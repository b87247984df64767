"""Full-spectrum fitter: stellar kinematics, populations, dust and emission lines of many spectra."""

from fiberless.stellar.candidates import CandidateStars, fit_candidates
from fiberless.stellar.fit import fit_stars
from fiberless.stellar.gas import GAS_LINES
from fiberless.stellar.options import (
    REBINNED_CHI2,
    REBINNED_RESAMPLING_KMS,
    FitOptions,
)
from fiberless.stellar.result import Estimate, FitQuality, StellarFit

__all__ = [
    "GAS_LINES",
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
