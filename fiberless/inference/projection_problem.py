"""One spectrum, the basis and the prior as a least-squares problem: model, slopes, posterior.

Parameters stand in one vector: ln norm, whitened coefficients, calibration polynomial, velocity in km/s.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.polynomial.legendre import legvander

from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, LOG10_STEP, REST_WAVE_AA, normalisation_weights
from fiberless.inference.basis import SpectralBasis, ln_mean_flux
from fiberless.inference.basis_posterior import BasisFit, GaussianPrior, Nuisance
from fiberless.inference.gaussian_posterior import CoefficientLikelihood, closest_gaussian
from fiberless.inference.pixel_operator import Sampling, seen_through

__all__ = ["ProjectionState", "SeenSpectrum", "SpectrumProjection"]

_NORM_SIGMA: Final = 0.01
_START_SNR: Final = 3.0
_MAX_LN: Final = 50.0


class SeenSpectrum(NamedTuple):
    """An observed spectrum as it is fitted: (L,) arrays, ivar 0 where a pixel is not used."""

    wave_aa: FloatArray
    flux: FloatArray
    ivar: FloatArray
    redshift: float
    sampling: Sampling


class ProjectionState(NamedTuple):
    """Parameters: ln norm, whitened coefficients, polynomial, velocity in km/s, in this order."""

    vector: FloatArray
    cost: float


@dataclass(frozen=True, eq=False)
class SpectrumProjection:
    """One spectrum, the basis in float64, and the prior of all parameters."""

    spectrum: SeenSpectrum
    basis: SpectralBasis
    mean_ln_flux: FloatArray
    components: FloatArray
    polynomial: FloatArray
    prior_mean: FloatArray
    precision: FloatArray
    prior_sigma: FloatArray

    @classmethod
    def of(
        cls, basis: SpectralBasis, spectrum: SeenSpectrum, prior: GaussianPrior, nuisance: Nuisance
    ) -> Self:
        """Put together what does not change while the fit goes on."""
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
        """Pixels that count."""
        return int((self.spectrum.ivar > 0).sum())

    @property
    def coefficients(self) -> slice:
        """Places of the whitened coefficients among the parameters."""
        return slice(1, 1 + len(self.components))

    def start(self) -> ProjectionState:
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

    def at(self, vector: FloatArray) -> ProjectionState:
        """Return the state at a vector: χ² plus the prior's −2 ln p."""
        residual = self.spectrum.flux - self.model_flux(vector, outside=0.0)
        offset = vector - self.prior_mean
        cost = (self.spectrum.ivar * residual**2).sum() + offset @ self.precision @ offset
        return ProjectionState(vector, float(cost + (self._ln_mean(vector) / _NORM_SIGMA) ** 2))

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

    def summary(self, state: ProjectionState, *, converged: bool) -> BasisFit:
        """Posterior of norm and coefficients around a state, the nuisance marginalised."""
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
