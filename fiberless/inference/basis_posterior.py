"""What a fit of the spectral basis starts from and what it finds, as Gaussians."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from fiberless.arrays import BoolArray, FloatArray, IntArray

__all__ = ["BasisFit", "GaussianPrior", "Nuisance", "joined"]


@dataclass(frozen=True, eq=False)
class GaussianPrior:
    """Population of whitened coefficients: mean (M,) and covariance (M, M)."""

    mean: FloatArray
    covariance: FloatArray

    @classmethod
    def unit(cls, size: int) -> Self:
        """Return zero mean and unit variance, which whitening gives the training set itself."""
        return cls(np.zeros(size), np.eye(size))

    @classmethod
    def of(cls, whitened: FloatArray) -> Self:
        """Return the moments of known coefficients (N, M)."""
        return cls(whitened.mean(axis=0), np.cov(whitened, rowvar=False))

    @classmethod
    def of_posteriors(cls, mean: FloatArray, covariance: FloatArray) -> Self:
        """Return the moments of a population of which only posteriors are known: one step of EM.

        Parameters
        ----------
        mean, covariance : (N, M), (N, M, M)

        """
        return cls(mean.mean(axis=0), np.cov(mean, rowvar=False) + covariance.mean(axis=0))


@dataclass(frozen=True)
class Nuisance:
    """What is fitted beside the basis and then marginalised.

    Parameters
    ----------
    degree : of the Legendre polynomial in ln F over the spectrum's range that stands for wrong calibration
    calibration_rms : prior standard deviation of ln F by that polynomial, shared as in the simulated survey
    velocity_kms : prior standard deviation of the redshift's error, times the speed of light
    model_error : of the basis itself, relative to the flux, added to the noise of each pixel

    """

    degree: int = 8
    calibration_rms: float = 0.02
    velocity_kms: float = 0.0
    model_error: float = 0.005


@dataclass(frozen=True, eq=False)
class BasisFit:
    """Posteriors of N spectra as Gaussians.

    Parameters
    ----------
    mean : (N, 1 + M) ln of the mean F_λ over rest 3900–7300 Å in units of the flux, and whitened coefficients
    covariance : (N, 1 + M, 1 + M)
    velocity_kms : (N,) of the spectrum against the redshift given
    chi2_per_pixel : (N,)
    n_pixels : (N,) pixels used
    converged : (N,) False where the start was kept, a linear fit of ln F

    """

    mean: FloatArray
    covariance: FloatArray
    velocity_kms: FloatArray
    chi2_per_pixel: FloatArray
    n_pixels: IntArray
    converged: BoolArray

    @property
    def ln_norm(self) -> FloatArray:
        """Means of the normalisation. (N,)"""
        return self.mean[:, 0]

    @property
    def whitened(self) -> FloatArray:
        """Means of the whitened coefficients. (N, M)"""
        return self.mean[:, 1:]

    @property
    def cholesky(self) -> FloatArray:
        """Lower triangles L with covariance = L Lᵀ: `mean + L ε` is a draw. (N, 1 + M, 1 + M)"""
        return np.linalg.cholesky(self.covariance)


def joined(fits: Sequence[BasisFit]) -> BasisFit:
    """Put fits one after the other."""
    names = BasisFit.__dataclass_fields__
    return BasisFit(**{name: np.concatenate([getattr(fit, name) for fit in fits]) for name in names})
