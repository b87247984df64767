"""How spectra are fitted."""

from dataclasses import dataclass
from typing import Final

from fiberless.astro.wavelength import PIXEL_KMS
from fiberless.stellar.templates import RANK

__all__ = ["REBINNED_CHI2", "REBINNED_RESAMPLING_KMS", "FitOptions"]

REBINNED_RESAMPLING_KMS: Final = PIXEL_KMS / 6**0.5
"""Dispersion added to real spectra when native pixels were shared out over 1-Å pixels by overlap."""
REBINNED_CHI2: Final = 0.57
"""χ² per pixel of a perfect model for such spectra, if inverse variances were shared out in the same way.

Neighbours are then correlated such that a wide feature is as uncertain as it was before: errors of the
parameters need no factor, only χ² does.
"""


@dataclass(frozen=True)
class FitOptions:
    """How spectra are fitted.

    Parameters
    ----------
    fit_range_aa : rest-frame vacuum Å; beyond 7400 the library changes
    multiplicative_degree : of Legendre polynomials on the stars, 0 for none; take up flux calibration
    additive_degree : of Legendre polynomials added, −1 for none; they weaken lines, so ages suffer
    clip_sigma : pixels farther from the fit are left out, 0 keeps all
    regularisation : weight of the squared second differences of weights along age and metallicity, for
        spectra of mean one with errors of 1; 0 for none
    resampling_kms : dispersion that resampling has added: 0 for native pixels, `PREDICTED_RESAMPLING_KMS`,
        `REBINNED_RESAMPLING_KMS`
    expected_chi2 : χ² per pixel of a perfect model, `REBINNED_CHI2` for real spectra on 1-Å pixels
    mask_sodium : leave out Na D, where gas between the stars absorbs
    draws : noise realisations for the errors of ages, metallicities and mass-to-light ratios
    seed : of those
    rank : basis vectors that the populations are made of; fewer are faster and less exact

    """

    fit_range_aa: tuple[float, float] = (3700.0, 7400.0)
    multiplicative_degree: int = 0
    additive_degree: int = -1
    clip_sigma: float = 4.0
    regularisation: float = 0.0
    resampling_kms: float = 0.0
    expected_chi2: float = 1.0
    mask_sodium: bool = True
    draws: int = 24
    seed: int = 0
    rank: int = RANK
