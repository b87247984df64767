"""Fits the spectral basis to observed spectra: posterior of the coefficients under noise and a prior.

Damped Gauss–Newton on the flux, which the basis describes in the logarithm. Imports no torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.polynomial.legendre import legvander
from scipy.linalg import cho_factor, cho_solve

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.inference.basis import SpectralBasis, ln_mean_flux
from fiberless.inference.gaussian_posterior import CoefficientLikelihood, closest_gaussian
from fiberless.inference.pixel_operator import Sampling, seen_through
from fiberless.wavelength import LIGHT_SPEED_KMS, LOG10_STEP, REST_WAVE_AA, normalisation_weights

__all__ = ["BasisFit", "GaussianPrior", "Nuisance", "fit_basis", "fit_spectra", "joined"]

_MAX_STEPS: Final = 30
_MAX_CHANGE: Final = 8.0
_HALVINGS: Final = 8
_DONE: Final = 0.01
_NORM_SIGMA: Final = 0.01
_START_SNR: Final = 3.0
_MIN_PIXELS: Final = 100
_MAX_LN: Final = 50.0


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


class _Spectrum(NamedTuple):
    wave_aa: FloatArray
    flux: FloatArray
    ivar: FloatArray
    redshift: float
    sampling: Sampling


class _State(NamedTuple):
    """Parameters: ln norm, whitened coefficients, polynomial, velocity in km/s, in this order."""

    vector: FloatArray
    cost: float


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


def joined(fits: Sequence[BasisFit]) -> BasisFit:
    """Put fits one after the other."""
    names = BasisFit.__dataclass_fields__
    return BasisFit(**{name: np.concatenate([getattr(fit, name) for fit in fits]) for name in names})


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
    problem = _Problem.of(basis, _with_model_error(spectrum, nuisance.model_error), prior, nuisance)
    if problem.n_pixels < _MIN_PIXELS:
        return _unconstrained(prior, problem.n_pixels), np.full(np.shape(wave_aa), np.nan)
    state, converged = _descend(problem, problem.start())
    return problem.summary(state, converged=converged), problem.model_flux(state.vector)


def _usable(
    wave_aa: FloatArray, flux: FloatArray, ivar: FloatArray, redshift: float, sampling: Sampling
) -> _Spectrum:
    rest = np.asarray(wave_aa) / (1 + redshift)
    margin = 10 ** (4 * LOG10_STEP)
    inside = (rest > REST_WAVE_AA[0] * margin) & (rest < REST_WAVE_AA[-1] / margin)
    good = inside & np.isfinite(flux) & np.isfinite(ivar) & (np.nan_to_num(ivar) > 0)
    values = np.where(good, flux, 0.0).astype(np.float64)
    weight = np.where(good, ivar, 0.0).astype(np.float64)
    return _Spectrum(np.asarray(wave_aa, dtype=np.float64), values, weight, float(redshift), sampling)


def _with_model_error(spectrum: _Spectrum, model_error: float) -> _Spectrum:
    added = (model_error * spectrum.flux) ** 2
    return spectrum._replace(ivar=spectrum.ivar / (1 + spectrum.ivar * added))


def _unconstrained(prior: GaussianPrior, n_pixels: int) -> BasisFit:
    covariance = np.zeros((1, len(prior.mean) + 1, len(prior.mean) + 1))
    covariance[0, 1:, 1:], covariance[0, 0, 0] = prior.covariance, 1.0
    mean = np.concatenate([[np.nan], prior.mean])[None]
    nothing = np.full(1, np.nan)
    return BasisFit(mean, covariance, np.zeros(1), nothing, np.array([n_pixels]), np.zeros(1, dtype=bool))


def _descend(problem: "_Problem", state: _State) -> tuple[_State, bool]:
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


def _lower(problem: "_Problem", state: _State, step: FloatArray) -> _State | None:
    """First state along a step, halved up to 8 times, that costs less; None if there is none."""
    tried = (problem.at(state.vector + step * 0.5**k) for k in range(_HALVINGS))
    return next((other for other in tried if other.cost < state.cost), None)


@dataclass(frozen=True, eq=False)
class _Problem:
    """One spectrum, the basis in float64, and the prior of all parameters."""

    spectrum: _Spectrum
    basis: SpectralBasis
    mean_ln_flux: FloatArray
    components: FloatArray
    polynomial: FloatArray
    prior_mean: FloatArray
    precision: FloatArray
    prior_sigma: FloatArray

    @classmethod
    def of(cls, basis: SpectralBasis, spectrum: _Spectrum, prior: GaussianPrior, nuisance: Nuisance) -> Self:
        size, degree = len(prior.mean), nuisance.degree
        polynomial, amplitude = _calibration(spectrum.wave_aa, nuisance)
        precision = np.zeros((size + degree + 2, size + degree + 2))
        precision[1 : size + 1, 1 : size + 1] = np.linalg.inv(prior.covariance)
        others = np.arange(size + 1, size + degree + 2)
        precision[others, others] = 1 / np.append(amplitude, max(nuisance.velocity_kms, 1e-3)) ** 2
        return cls(
            spectrum=spectrum,
            basis=basis,
            mean_ln_flux=basis.mean_ln_flux.astype(np.float64),
            components=basis.components.astype(np.float64),
            polynomial=polynomial,
            prior_mean=np.concatenate([[0.0], prior.mean, np.zeros(degree + 1)]),
            precision=precision,
            prior_sigma=np.sqrt(np.diag(prior.covariance)),
        )

    @property
    def n_pixels(self) -> int:
        return int((self.spectrum.ivar > 0).sum())

    @property
    def coefficients(self) -> slice:
        """Places of the whitened coefficients among the parameters."""
        return slice(1, 1 + len(self.components))

    def start(self) -> _State:
        """Linear least squares of ln F where it is well measured, with the prior's own width."""
        spectrum, size = self.spectrum, len(self.components)
        good = spectrum.flux * np.sqrt(spectrum.ivar) > _START_SNR
        operator = seen_through(spectrum.wave_aa, spectrum.redshift, spectrum.sampling)
        rows = np.concatenate([np.ones((1, REST_WAVE_AA.size)), self.components])
        design = np.concatenate([(operator @ rows.T)[good], self.polynomial[good]], axis=1)
        weight = (spectrum.ivar * spectrum.flux**2)[good]
        wanted = np.log(spectrum.flux[good]) - (operator @ self.mean_ln_flux)[good]
        slope = _unwhitening_slope(self.basis, np.zeros(size))
        ridge = np.concatenate([[1e-6], 1 / (2 * slope) ** 2, np.diag(self.precision)[size + 1 : -1]])
        right = design.T @ (weight * wanted)
        right[1 : size + 1] += ridge[1 : size + 1] * self.basis.unwhiten(np.zeros(size))
        found = np.linalg.solve((design.T * weight) @ design + np.diag(ridge), right)
        vector = np.concatenate([found, [0.0]])
        vector[self.coefficients] = np.clip(self.basis.whiten(found[1 : size + 1]), -6, 6)
        linear, population = self.at(vector), self.at(self._population_start())
        return linear if linear.cost < population.cost else population

    def _population_start(self) -> FloatArray:
        """Mean of the population at the level of the data."""
        vector = self.prior_mean.copy()
        model, ivar = self.model_flux(vector, outside=0.0), self.spectrum.ivar
        level = (ivar * model * self.spectrum.flux).sum() / (ivar * model**2).sum()
        vector[0] = np.log(max(level, 1e-6))
        return vector

    def at(self, vector: FloatArray) -> _State:
        residual = self.spectrum.flux - self.model_flux(vector, outside=0.0)
        offset = vector - self.prior_mean
        cost = (self.spectrum.ivar * residual**2).sum() + offset @ self.precision @ offset
        return _State(vector, float(cost + (self._ln_mean(vector) / _NORM_SIGMA) ** 2))

    def model_flux(self, vector: FloatArray, *, outside: float = np.nan) -> FloatArray:
        """Spectrum that the parameters predict. (L,)"""
        spectrum = self.spectrum
        operator = seen_through(spectrum.wave_aa, self._redshift(vector), spectrum.sampling)
        model = (operator @ self._rest_flux(vector)) * self._calibration_factor(vector)
        rest = spectrum.wave_aa / (1 + spectrum.redshift)
        covered = (rest > REST_WAVE_AA[0]) & (rest < REST_WAVE_AA[-1])
        return np.where(covered, model, outside)

    def normal_equations(self, vector: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Half the Hessian of the cost, without second derivatives of the model, and half its descent."""
        spectrum = self.spectrum
        operator = seen_through(spectrum.wave_aa, self._redshift(vector), spectrum.sampling)
        factor, rest_flux = self._calibration_factor(vector)[:, None], self._rest_flux(vector)
        slope = _unwhitening_slope(self.basis, vector[self.coefficients])
        per_kms = -np.gradient(rest_flux) / (np.log(10) * LOG10_STEP * LIGHT_SPEED_KMS)
        rest = np.column_stack([rest_flux, rest_flux[:, None] * (self.components.T * slope), per_kms])
        seen = (operator @ rest) * factor
        jacobian = np.column_stack([seen[:, :-1], seen[:, :1] * self.polynomial, seen[:, -1:]])
        weighted = jacobian * spectrum.ivar[:, None]
        residual = spectrum.flux - seen[:, 0]
        mean_slope = self._ln_mean_slope(vector, slope)
        hessian = weighted.T @ jacobian + self.precision
        hessian += np.outer(mean_slope, mean_slope) / _NORM_SIGMA**2
        descent = weighted.T @ residual - self.precision @ (vector - self.prior_mean)
        return hessian, descent - mean_slope * self._ln_mean(vector) / _NORM_SIGMA**2

    def summary(self, state: _State, *, converged: bool) -> BasisFit:
        residual = self.spectrum.flux - self.model_flux(state.vector, outside=0.0)
        kept = slice(0, len(self.components) + 1)
        mean, covariance = closest_gaussian(
            self.basis,
            self._likelihood(state.vector),
            prior_mean=self.prior_mean[kept],
            prior_precision=self.precision[kept, kept],
            start=(state.vector[kept], np.linalg.inv(self.normal_equations(state.vector)[0])[kept, kept]),
        )
        mean = mean + np.append(
            self._ln_mean(np.append(mean, state.vector[kept.stop :])), np.zeros(len(mean) - 1)
        )
        return BasisFit(
            mean=mean[None],
            covariance=covariance[None],
            velocity_kms=state.vector[-1:],
            chi2_per_pixel=(self.spectrum.ivar * residual**2).sum(keepdims=True) / self.n_pixels,
            n_pixels=np.array([self.n_pixels]),
            converged=np.array([converged]),
        )

    def _likelihood(self, vector: FloatArray) -> CoefficientLikelihood:
        """Of norm and coefficients about a point, calibration and velocity marginalised."""
        kept = slice(0, len(self.components) + 1)
        origin = np.append(vector[0], self.basis.unwhiten(vector[self.coefficients]))
        hessian, descent = self.normal_equations(vector)
        hessian[kept, kept] -= self.precision[kept, kept]
        descent[kept] += self.precision[kept, kept] @ (vector - self.prior_mean)[kept]
        slope = np.ones(len(vector))
        slope[self.coefficients] = _unwhitening_slope(self.basis, vector[self.coefficients])
        hessian, descent = hessian / slope[:, None] / slope, descent / slope
        others = slice(kept.stop, None)
        shared = np.linalg.solve(hessian[others, others], hessian[others, kept]).T
        return CoefficientLikelihood(
            origin,
            descent[kept] - shared @ descent[others],
            hessian[kept, kept] - shared @ hessian[others, kept],
        )

    def _redshift(self, vector: FloatArray) -> float:
        return float((1 + self.spectrum.redshift) * (1 + vector[-1] / LIGHT_SPEED_KMS) - 1)

    def _ln_shape(self, vector: FloatArray) -> FloatArray:
        ln_shape: FloatArray = (
            self.basis.unwhiten(vector[self.coefficients]) @ self.components + self.mean_ln_flux
        )
        return ln_shape

    def _rest_flux(self, vector: FloatArray) -> FloatArray:
        flux: FloatArray = np.exp(np.clip(vector[0] + self._ln_shape(vector), -_MAX_LN, _MAX_LN))
        return flux

    def _calibration_factor(self, vector: FloatArray) -> FloatArray:
        factor: FloatArray = np.exp(self.polynomial @ vector[len(self.components) + 1 : -1])
        return factor

    def _ln_mean(self, vector: FloatArray) -> float:
        """What must be zero by the definition of the coefficients, else they and the norm were degenerate."""
        return float(ln_mean_flux(self._ln_shape(vector)))

    def _ln_mean_slope(self, vector: FloatArray, slope: FloatArray) -> FloatArray:
        shape = np.exp(self._ln_shape(vector)) * normalisation_weights()
        result = np.zeros(len(vector))
        result[self.coefficients] = (self.components @ shape) * slope / shape.sum()
        return result


def _unwhitening_slope(basis: SpectralBasis, whitened: FloatArray) -> FloatArray:
    """Derivative of the coefficients by the whitened ones. (M,)"""
    std = basis.whitened_std.astype(np.float64)
    slope: FloatArray = np.cosh(whitened * std + basis.whitened_mean) * basis.scale * std
    return slope


def _calibration(wave_aa: FloatArray, nuisance: Nuisance) -> tuple[FloatArray, FloatArray]:
    """Legendre polynomials (L, degree), and prior amplitudes (degree,), ∝ 1/√degree, of the rms asked for."""
    middle, half = (wave_aa[-1] + wave_aa[0]) / 2, (wave_aa[-1] - wave_aa[0]) / 2
    curves = legvander((wave_aa - middle) / half, nuisance.degree)[:, 1:]
    share = 1 / np.sqrt(np.arange(1, nuisance.degree + 1))
    rms = np.sqrt(((curves * share) ** 2).sum(axis=1).mean())
    return curves, share * nuisance.calibration_rms / max(float(rms), 1e-30)
