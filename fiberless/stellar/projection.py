"""Variable projection: everything linear solved by NNLS inside a function of shifts, widths and dust.

Golub & Pereyra (1973, SIAM J. Numer. Anal. 10, 413) with the Jacobian of Kaufman (1975, BIT 15, 49): the
derivative of the model at fixed linear coefficients, projected off the active columns.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np

from fiberless.arrays import BoolArray, FloatArray
from fiberless.stellar.broadening import PixelStars
from fiberless.stellar.gas import GasColumns, LineShapes
from fiberless.stellar.nnls import solve_nnls

__all__ = [
    "A_V",
    "GAS_LN_SIGMA",
    "GAS_VELOCITY",
    "VARIANCE",
    "VELOCITY",
    "FitProblem",
    "Prior",
    "State",
]

VELOCITY, VARIANCE, GAS_VELOCITY, GAS_LN_SIGMA, A_V = range(5)
"""Places of the non-linear parameters in km/s, (km/s)², km/s, ln of km/s and mag; coefficients of the
multiplicative polynomials follow."""

_LN10_04: Final = 0.4 * np.log(10.0)
_LOWER: Final = np.array([-1500.0, 0.0, -1500.0, np.log(20.0), 0.0])
_UPPER: Final = np.array([1500.0, 600.0**2, 1500.0, np.log(500.0), 5.0])
_POLYNOMIAL_SCATTER: Final = 0.03
_POLYNOMIAL_LIMIT: Final = 0.5
_SMALL_STEP: Final = np.array([0.05, 10.0, 0.2, 0.002, 2e-4])
_SMALL_POLYNOMIAL_STEP: Final = 1e-4


@dataclass(frozen=True, eq=False)
class Prior:
    """Gaussians about the non-linear parameters: means (size,), inverse variances (size,), mostly 0."""

    mean: FloatArray
    precision: FloatArray

    @classmethod
    def of_gas(
        cls, velocity_kms: tuple[float, float], ln_sigma: tuple[float, float], *, n_polynomials: int
    ) -> Self:
        """Means and widths for the gas; calibration polynomials stay within some per cent."""
        mean, precision = np.zeros(A_V + 1 + n_polynomials), np.zeros(A_V + 1 + n_polynomials)
        for place, (middle, width) in ((GAS_VELOCITY, velocity_kms), (GAS_LN_SIGMA, ln_sigma)):
            mean[place], precision[place] = middle, width**-2
        precision[A_V + 1 :] = _POLYNOMIAL_SCATTER**-2
        return cls(mean, precision)

    def cost(self, theta: FloatArray) -> float:
        """Term that is added to χ²."""
        return float(self.precision @ (theta - self.mean) ** 2)


@dataclass(frozen=True, eq=False)
class FitProblem:
    """One spectrum and what it is made of. L pixels, R basis vectors, T populations, J lines.

    Parameters
    ----------
    flux : (L,) of order one
    root_weight : (L,) inverse standard deviations, 0 where a pixel is not used
    stars : basis vectors on these pixels
    gas : lines on these pixels
    mixing : (T, R) populations in basis vectors
    attenuation : (L,) A(λ)/A_V
    polynomials : (L, M) that multiply the stars, 1 + Σ p_k P_k
    additive : (L, Q) smooth columns of either sign
    penalty : (T, T) quadratic form added to χ² of the weights, or None
    prior : of the non-linear parameters

    """

    flux: FloatArray
    root_weight: FloatArray
    stars: PixelStars
    gas: GasColumns
    mixing: FloatArray
    attenuation: FloatArray
    polynomials: FloatArray
    additive: FloatArray
    penalty: FloatArray | None
    prior: Prior

    @property
    def size(self) -> int:
        """Number of non-linear parameters."""
        return A_V + 1 + self.polynomials.shape[1]

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Least and largest values, each (size,)."""
        limit = np.full(self.polynomials.shape[1], _POLYNOMIAL_LIMIT)
        lower, upper = np.concatenate([_LOWER, -limit]), np.concatenate([_UPPER, limit])
        lower[VARIANCE] = self.stars.least_variance_kms2
        return lower, upper

    @property
    def small_step(self) -> FloatArray:
        """(size,) steps that change nothing of interest."""
        return np.concatenate([_SMALL_STEP, np.full(self.polynomials.shape[1], _SMALL_POLYNOMIAL_STEP)])

    @property
    def gram_size(self) -> int:
        """Number T + J + Q of linear columns."""
        return self.mixing.shape[0] + self.gas.n_columns + self.additive.shape[1]

    @property
    def free(self) -> BoolArray:
        """Which of the T + J + Q linear columns may be negative."""
        bound = self.mixing.shape[0] + self.gas.n_columns
        return np.arange(self.gram_size) >= bound

    def expand(self, small: FloatArray) -> FloatArray:
        """Normal matrix of T + J + Q columns from that of R + J + Q columns."""
        rank = self.mixing.shape[1]
        cross = self.mixing @ small[:rank]
        stars = cross[:, :rank] @ self.mixing.T
        if self.penalty is not None:
            stars = stars + self.penalty
        return np.block([[stars, cross[:, rank:]], [cross[:, rank:].T, small[rank:, rank:]]])

    def expand_moments(self, small: FloatArray) -> FloatArray:
        """Rows of T + J + Q columns from rows (R + J + Q, ...) of the small ones."""
        rank = self.mixing.shape[1]
        return np.concatenate([self.mixing @ small[:rank], small[rank:]])

    def contract(self, linear: FloatArray) -> FloatArray:
        """Coefficients (R + J + Q,) of the small columns from those (T + J + Q,) of all."""
        count = self.mixing.shape[0]
        return np.concatenate([linear[:count] @ self.mixing, linear[count:]])

    def evaluate(self, theta: FloatArray, start: BoolArray | None = None) -> "State":
        """Best linear coefficients at non-linear parameters (size,); `start` as in `solve_nnls`."""
        basis = self.stars.basis(theta[VELOCITY], theta[VARIANCE])
        shapes = self.gas.shapes(theta[GAS_VELOCITY], theta[GAS_LN_SIGMA])
        screen = np.exp(-_LN10_04 * theta[A_V] * self.attenuation)
        factor = screen * (1 + self.polynomials @ theta[A_V + 1 :])
        columns = np.concatenate([basis * factor[:, None], shapes.columns, self.additive], axis=1)
        weighted = columns * self.root_weight[:, None]
        target = self.flux * self.root_weight
        small = weighted.T @ weighted
        gram = self.expand(small)
        moment = self.expand_moments(weighted.T @ target)
        linear = solve_nnls(gram, moment, free=self.free, start=start)
        residual = target - weighted @ self.contract(linear)
        cost = float(residual @ residual) + self.prior.cost(theta)
        if self.penalty is not None:
            stars = linear[: len(self.penalty)]
            cost += float(stars @ self.penalty @ stars)
        return State(self, theta, columns, weighted, small, gram, linear, residual, cost, shapes, screen)


@dataclass(frozen=True, eq=False)
class State:
    """Solution of the linear problem at one set of non-linear parameters.

    Parameters
    ----------
    problem : what is fitted
    theta : (size,) non-linear parameters
    columns : (L, R + J + Q) basis vectors behind their dust, lines, smooth columns
    weighted : (L, R + J + Q) the same over the errors
    small : (R + J + Q, R + J + Q) their products
    gram : (T + J + Q, T + J + Q) products of all populations and lines
    linear : (T + J + Q,) coefficients
    residual : (L,) weighted
    cost : χ² and the terms of prior and penalty
    shapes : lines
    screen : (L,) dust

    """

    problem: FitProblem
    theta: FloatArray
    columns: FloatArray
    weighted: FloatArray
    small: FloatArray
    gram: FloatArray
    linear: FloatArray
    residual: FloatArray
    cost: float
    shapes: LineShapes
    screen: FloatArray

    @property
    def passive(self) -> BoolArray:
        """Columns that take part. (T + J + Q,)"""
        return (self.linear > 0) | self.problem.free

    @property
    def chi2(self) -> float:
        """Sum of squared weighted residuals."""
        return float(self.residual @ self.residual)

    @property
    def scale(self) -> float:
        """χ² per pixel used."""
        return self.chi2 / max(int(np.count_nonzero(self.problem.root_weight)), 1)

    @cached_property
    def gas_model(self) -> FloatArray:
        """Lines (L,), in the unit of the flux."""
        first = self.problem.mixing.shape[0]
        return self.shapes.columns @ self.linear[first : first + self.problem.gas.n_columns]

    @cached_property
    def model(self) -> FloatArray:
        """Stars, lines and smooth columns (L,), in the unit of the flux."""
        return self.columns @ self.problem.contract(self.linear)

    @cached_property
    def jacobian(self) -> FloatArray:
        """Weighted derivatives (L, size) of the model at fixed linear coefficients."""
        problem, theta = self.problem, self.theta
        rank, count = problem.mixing.shape[1], problem.gas.n_columns
        small = problem.contract(self.linear)
        moved = problem.stars.derivatives(small[:rank], theta[VELOCITY], theta[VARIANCE])
        polynomial = 1 + problem.polynomials @ theta[A_V + 1 :]
        stars = self.weighted[:, :rank] @ small[:rank]
        bare = stars / np.where(polynomial == 0, 1.0, polynomial)
        gas = small[rank : rank + count]
        weight = problem.root_weight
        blown = np.stack([self.shapes.by_velocity @ gas, self.shapes.by_ln_sigma @ gas], axis=1)
        parts = [
            moved * (self.screen * polynomial * weight)[:, None],
            blown * weight[:, None],
            (-_LN10_04 * problem.attenuation * stars)[:, None],
            problem.polynomials * bare[:, None],
        ]
        return np.concatenate(parts, axis=1)

    @cached_property
    def coupling(self) -> FloatArray:
        """Products (T + J + Q, size) of all columns with the Jacobian."""
        return self.problem.expand_moments(self.weighted.T @ self.jacobian)

    def normal(self) -> tuple[FloatArray, FloatArray]:
        """Half the negative gradient (size,) and half the curvature (size, size) of the cost."""
        problem = self.problem
        index = np.flatnonzero(self.passive)
        shared = self.coupling[index]
        solved = np.linalg.lstsq(self.gram[np.ix_(index, index)], shared, rcond=1e-13)[0]
        curvature = self.jacobian.T @ self.jacobian - shared.T @ solved
        curvature += np.diag(problem.prior.precision)
        away = problem.prior.precision * (self.theta - problem.prior.mean)
        return self.jacobian.T @ self.residual - away, curvature
