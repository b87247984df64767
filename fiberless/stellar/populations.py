"""What the weights of a fit say of the stars, and how far noise moves it."""

from typing import NamedTuple

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.stellar.nnls import solve_nnls
from fiberless.stellar.projection import State
from fiberless.stellar.templates import templates

__all__ = ["Draws", "PopulationValues", "covariance", "drawn_again", "population_values"]


class PopulationValues(NamedTuple):
    """Means over the populations of each spectrum, and mass-to-light ratios before dust, as in `StellarFit`.

    Parameters
    ----------
    log_age_light_gyr, metallicity_light : (...) means of lg age/Gyr and of lg Z/Z☉ weighted by light
    log_age_mass_gyr, metallicity_mass : (...) weighted by mass formed
    log_ml_formed_r, log_ml_living_r : (...) lg of M☉ formed and of M☉ in living stars and remnants, over L☉
        in SDSS r
    log_ml_formed_v, log_ml_living_v : (...) over L☉ in Johnson V

    """

    log_age_light_gyr: FloatArray
    metallicity_light: FloatArray
    log_age_mass_gyr: FloatArray
    metallicity_mass: FloatArray
    log_ml_formed_r: FloatArray
    log_ml_living_r: FloatArray
    log_ml_formed_v: FloatArray
    log_ml_living_v: FloatArray


def population_values(weights: FloatArray) -> PopulationValues:
    """Means over the populations, and mass-to-light ratios before dust; NaN where all weights are 0.

    Parameters
    ----------
    weights : (..., T) light over 5070–5950 Å of each population, not negative

    """
    known = templates()
    formed = weights * known.mass_formed
    living = weights @ known.mass_living
    light_r, light_v = weights @ known.light_r, weights @ known.light_v
    total = formed.sum(axis=-1)
    return PopulationValues(
        log_age_light_gyr=_mean(weights, known.log_age_gyr),
        metallicity_light=_mean(weights, known.metallicity),
        log_age_mass_gyr=_mean(formed, known.log_age_gyr),
        metallicity_mass=_mean(formed, known.metallicity),
        log_ml_formed_r=_log_ratio(total, light_r),
        log_ml_living_r=_log_ratio(living, light_r),
        log_ml_formed_v=_log_ratio(total, light_v),
        log_ml_living_v=_log_ratio(living, light_v),
    )


class Draws(NamedTuple):
    """Solutions for spectra with new noise: weights (draws, T), steps of the parameters (draws, size)."""

    weights: FloatArray
    steps: FloatArray


def drawn_again(state: State, *, draws: int, seed: int, scale: float) -> Draws:
    """Solutions for the spectrum that the fit predicts, seen again and again with new noise.

    Around the solution the model is linear in the weights and in the non-linear parameters, so that noise of
    the pixels becomes noise of the normal equations: one small non-negative problem a draw, dust, shifts and
    widths left free in each.

    Parameters
    ----------
    state : solution
    draws : number of spectra
    seed : of the noise
    scale : factor on the variances of the pixels

    """
    problem = state.problem
    small = _augmented(state.small, state.weighted.T @ state.jacobian, state.jacobian.T @ state.jacobian)
    values, vectors = np.linalg.eigh(small)
    root = vectors * np.sqrt(np.clip(values, 0.0, None) * scale)
    noise = root @ np.random.default_rng(seed).standard_normal((small.shape[0], draws))
    inside = small.shape[0] - problem.size
    gram = _with_parameters(state)
    fitted = np.concatenate([state.linear, np.zeros(problem.size)])
    moments = (gram @ fitted)[:, None] + np.concatenate(
        [problem.expand_moments(noise[:inside]), noise[inside:]]
    )
    free = np.concatenate([problem.free, np.ones(problem.size, dtype=bool)])
    start = np.concatenate([state.passive, np.ones(problem.size, dtype=bool)])
    solved = [solve_nnls(gram, moment, free=free, start=start) for moment in moments.T]
    solutions = np.array(solved).reshape(draws, gram.shape[0])
    return Draws(solutions[:, : problem.mixing.shape[0]], solutions[:, problem.gram_size :])


def covariance(state: State) -> tuple[FloatArray, FloatArray]:
    """Variances of the non-linear parameters (size,) and of the lines' coefficients (J,), for χ² = 1 a pixel.

    All lines take part, and the populations that the solution uses.
    """
    problem = state.problem
    count, first = problem.gram_size, problem.mixing.shape[0]
    gram = _with_parameters(state)
    used = np.concatenate([state.passive, np.ones(problem.size, dtype=bool)])
    used[first : first + problem.gas.n_columns] = True
    used &= np.diag(gram) > 0
    index = np.flatnonzero(used)
    unit = 1 / np.sqrt(np.diag(gram)[index])
    matrix = gram[np.ix_(index, index)] * unit[:, None] * unit
    variance = np.full(gram.shape[0], np.nan)
    variance[index] = np.diag(np.linalg.pinv(matrix, rcond=1e-13, hermitian=True)) * unit**2
    return variance[count:], variance[first : first + problem.gas.n_columns]


def _with_parameters(state: State) -> FloatArray:
    """Normal matrix of all columns and the non-linear parameters, priors of those included."""
    own = state.jacobian.T @ state.jacobian + np.diag(state.problem.prior.precision)
    return _augmented(state.gram, state.coupling, own)


def _augmented(gram: FloatArray, coupling: FloatArray, own: FloatArray) -> FloatArray:
    return np.block([[gram, coupling], [coupling.T, own]])


def _mean(weights: FloatArray, values: FloatArray) -> FloatArray:
    total = weights.sum(axis=-1)
    mean: FloatArray = np.divide(weights @ values, total, out=np.full_like(total, np.nan), where=total > 0)
    return mean


def _log_ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    good = (above > 0) & (below > 0)
    ratio = np.divide(above, below, out=np.ones_like(above), where=good)
    result: FloatArray = np.where(good, np.log10(ratio), np.nan)
    return result
