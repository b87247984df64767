"""Fits the spectral basis to observed spectra: posterior of the coefficients under noise and a prior.

Damped Gauss–Newton on the flux, which the basis describes in the logarithm.
"""

from typing import Final

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import LOG10_STEP, REST_WAVE_AA
from fiberless.inference.basis import SpectralBasis
from fiberless.inference.basis_posterior import BasisFit, GaussianPrior, Nuisance, joined
from fiberless.inference.pixel_operator import Sampling
from fiberless.inference.projection_problem import ProjectionState, SeenSpectrum, SpectrumProjection

__all__ = ["fit_basis", "fit_spectra"]

_MAX_STEPS: Final = 30
_MAX_CHANGE: Final = 8.0
_HALVINGS: Final = 8
_DONE: Final = 0.01
_MIN_PIXELS: Final = 100


def fit_spectra(
    basis: SpectralBasis,
    wave_aa: FloatArray,
    flux: FloatArray,
    ivar: FloatArray,
    redshift: FloatArray,
    *,
    prior: GaussianPrior | None = None,
    nuisance: Nuisance | None = None,
    sampling: Sampling = "average",
) -> BasisFit:
    """Fit N spectra on one grid: `fit_basis` for each.

    Parameters
    ----------
    wave_aa : (L,); flux, ivar : (N, L); redshift : (N,)

    """
    fits = [
        fit_basis(basis, wave_aa, *row, prior=prior, nuisance=nuisance, sampling=sampling)[0]
        for row in zip(flux, ivar, redshift, strict=True)
    ]
    return joined(fits)


def fit_basis(
    basis: SpectralBasis,
    wave_aa: FloatArray,
    flux: FloatArray,
    ivar: FloatArray,
    redshift: float,
    *,
    prior: GaussianPrior | None = None,
    nuisance: Nuisance | None = None,
    sampling: Sampling = "interpolate",
) -> tuple[BasisFit, FloatArray]:
    """Fit one observed spectrum.

    Minimises Σ ivar (F − F_model)² plus the prior's −2 ln p, where F_model is the basis' spectrum, seen
    through the pixels, times the calibration polynomial. A step changes no whitened coefficient by more than
    8 of the population's standard deviations and is halved until the sum falls, so that extreme starbursts,
    whose lines grow exponentially with the coefficients, do not diverge.

    Parameters
    ----------
    basis : of whose whitened coefficients the posterior is
    wave_aa : (L,) ascending observed vacuum Å
    flux : (L,) F_λ
    ivar : (L,) inverse variance of independent pixels; 0 or NaN where a pixel is not to be used
    redshift : float
    prior : of the population; default `GaussianPrior.unit`
    nuisance : default `Nuisance()`
    sampling : how pixels see the spectrum

    Returns
    -------
    (fit, model) : `BasisFit` of one spectrum, and the model (L,), NaN outside the rest grid. Of a spectrum
        with fewer than 100 usable pixels the posterior is the prior's, its normalisation and χ² NaN.

    """
    nuisance = nuisance or Nuisance()
    prior = prior or GaussianPrior.unit(len(basis.components))
    spectrum = _usable(wave_aa, flux, ivar, redshift, sampling)
    problem = SpectrumProjection.of(basis, _with_model_error(spectrum, nuisance.model_error), prior, nuisance)
    if problem.n_pixels < _MIN_PIXELS:
        return _unconstrained(prior, problem.n_pixels), np.full(np.shape(wave_aa), np.nan)
    state, converged = _descend(problem, problem.start())
    return problem.summary(state, converged=converged), problem.model_flux(state.vector)


def _usable(
    wave_aa: FloatArray, flux: FloatArray, ivar: FloatArray, redshift: float, sampling: Sampling
) -> SeenSpectrum:
    rest = np.asarray(wave_aa) / (1 + redshift)
    margin = 10 ** (4 * LOG10_STEP)
    inside = (rest > REST_WAVE_AA[0] * margin) & (rest < REST_WAVE_AA[-1] / margin)
    good = inside & np.isfinite(flux) & np.isfinite(ivar) & (np.nan_to_num(ivar) > 0)
    values = np.where(good, flux, 0.0).astype(np.float64)
    weight = np.where(good, ivar, 0.0).astype(np.float64)
    return SeenSpectrum(np.asarray(wave_aa, dtype=np.float64), values, weight, float(redshift), sampling)


def _with_model_error(spectrum: SeenSpectrum, model_error: float) -> SeenSpectrum:
    added = (model_error * spectrum.flux) ** 2
    return spectrum._replace(ivar=spectrum.ivar / (1 + spectrum.ivar * added))


def _unconstrained(prior: GaussianPrior, n_pixels: int) -> BasisFit:
    covariance = np.zeros((1, len(prior.mean) + 1, len(prior.mean) + 1))
    covariance[0, 1:, 1:], covariance[0, 0, 0] = prior.covariance, 1.0
    mean = np.concatenate([[np.nan], prior.mean])[None]
    nothing = np.full(1, np.nan)
    return BasisFit(mean, covariance, np.zeros(1), nothing, np.array([n_pixels]), np.zeros(1, dtype=bool))


def _descend(problem: SpectrumProjection, state: ProjectionState) -> tuple[ProjectionState, bool]:
    """Gauss–Newton from a start; whether the expected gain of χ² fell below a hundredth."""
    for _ in range(_MAX_STEPS):
        hessian, gradient = problem.normal_equations(state.vector)
        step = cho_solve(cho_factor(hessian), gradient)
        if step @ gradient < _DONE:
            return state, True
        largest = float(np.abs(step[problem.coefficients] / problem.prior_sigma).max())
        step *= min(1.0, _MAX_CHANGE / max(largest, 1e-30))
        lower = _lower(problem, state, step)
        if lower is None:
            return state, False
        state = lower
    return state, False


def _lower(problem: SpectrumProjection, state: ProjectionState, step: FloatArray) -> ProjectionState | None:
    """First state along a step, halved up to 8 times, that costs less; None if there is none."""
    tried = (problem.at(state.vector + step * 0.5**k) for k in range(_HALVINGS))
    return next((other for other in tried if other.cost < state.cost), None)
