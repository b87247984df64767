"""The Gaussian closest to a posterior with Gaussian likelihood of coefficients and prior of whitened ones."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import norm, qmc

from fiberless.arrays import FloatArray
from fiberless.inference.basis import SpectralBasis

__all__ = ["CoefficientLikelihood", "closest_gaussian"]

_DRAWS: Final = 64
_ITERATIONS: Final = 8
_MOST_BENT: Final = 0.8


@dataclass(frozen=True, eq=False)
class CoefficientLikelihood:
    """ln L = g·δ − δᵀ Λ δ / 2 with δ = (ln norm, coefficients) − origin.

    Parameters
    ----------
    origin, gradient : (1 + M,), g at the origin
    precision : (1 + M, 1 + M), Λ

    """

    origin: FloatArray
    gradient: FloatArray
    precision: FloatArray


def closest_gaussian(
    basis: SpectralBasis,
    likelihood: CoefficientLikelihood,
    *,
    prior_mean: FloatArray,
    prior_precision: FloatArray,
    start: tuple[FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray]:
    """Minimise KL(Gaussian ‖ posterior) over Gaussians of (ln norm, whitened coefficients).

    At the minimum the mean gradient of ln p over the Gaussian is zero and its mean Hessian is minus the
    Gaussian's precision (Opper & Archambeau 2009, Neural Comput. 21, 786, eqs. 4–5); both are iterated with
    means over 64 fixed quasi-random draws. Where a coefficient is known about as well from the population as
    from the spectrum, the mode and its curvature would be off, since the asinh bends inside the width.

    Parameters
    ----------
    basis : gives coefficients of whitened ones
    likelihood : of the spectrum
    prior_mean, prior_precision : (1 + M,), (1 + M, 1 + M) of (ln norm, whitened); zero rows are no prior
    start : mean (1 + M,) and covariance (1 + M, 1 + M)

    Returns
    -------
    (mean, covariance)

    """
    mean, covariance = start
    noise = _deviates(len(mean))
    most_bent = _MOST_BENT * float(np.linalg.eigvalsh(prior_precision[1:, 1:])[0])
    for _ in range(_ITERATIONS):
        drawn = mean + noise @ np.linalg.cholesky(covariance).T
        slope, bend, values = _coefficients(basis, drawn)
        by_value = likelihood.gradient - (values - likelihood.origin) @ likelihood.precision
        gradient = (by_value * slope).mean(axis=0) - prior_precision @ (mean - prior_mean)
        curvature = likelihood.precision * (slope.T @ slope) / len(drawn) + prior_precision
        # far from the minimum the bend could leave no curvature at all
        bent = np.minimum((by_value * bend).mean(axis=0), most_bent)
        covariance = np.linalg.inv(curvature - np.diag(bent))
        covariance = (covariance + covariance.T) / 2
        mean = mean + np.clip(covariance @ gradient, -1.0, 1.0)
    return mean, covariance


def _coefficients(basis: SpectralBasis, drawn: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """First and second derivatives of (ln norm, coefficients) by draws (S, 1 + M), and the values."""
    std, scale = (array.astype(np.float64) for array in (basis.whitened_std, basis.scale))
    at = drawn[:, 1:] * std + basis.whitened_mean
    ones, ln_norm = np.ones((len(drawn), 1)), drawn[:, :1]
    slope = np.concatenate([ones, np.cosh(at) * scale * std], axis=1)
    bend = np.concatenate([0 * ones, np.sinh(at) * scale * std**2], axis=1)
    return slope, bend, np.concatenate([ln_norm, np.sinh(at) * scale + basis.median], axis=1)


def _deviates(size: int) -> FloatArray:
    """Normal deviates (64, size) of a scrambled Sobol sequence and its mirror image, of unit variance."""
    half = norm.ppf(qmc.Sobol(size, seed=0).random(_DRAWS // 2))
    deviates = np.concatenate([half, -half])
    scaled: FloatArray = deviates / deviates.std(axis=0)
    return scaled
