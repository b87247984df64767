"""Stars of the candidates of one predicted galaxy: fits in the coordinates of `tabulated`, in turn."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.wavelength import REST_WAVE_AA
from fiberless.errors import UsageError
from fiberless.stellar.nnls import solve_nnls
from fiberless.stellar.populations import PopulationValues, population_values
from fiberless.stellar.tabulated import (
    MAX_A_V,
    TabulatedStars,
    fitted_pixels,
    tabulated_stars,
)

__all__ = ["CandidateStars", "fit_candidates"]

_FIRST_GUESS: Final = (150.0, 0.3)
_SMALL_STEP: Final = np.array([0.3, 0.003])
_MAX_STEPS: Final = 12
_LONGEST_STEP: Final = np.array([80.0, 0.5])
_TOLERANCE: Final = 1e-7


class CandidateStars(NamedTuple):
    """Stars of K spectra without noise.

    Parameters
    ----------
    sigma_kms : (K,) dispersion of the stars, instrument taken out
    a_v : (K,) attenuation of the starlight, mag, 0 to 3
    populations : (K,) each
    misfit : (K,) rms of spectrum less fit, as far as templates could follow it, over the rms flux

    """

    sigma_kms: FloatArray
    a_v: FloatArray
    populations: PopulationValues
    misfit: FloatArray


@dataclass(frozen=True, eq=False)
class _StarsFit:
    """Best weights (T,) at one place (σ*, A_V), with what a step needs."""

    place: FloatArray
    weights: FloatArray
    passive: BoolArray
    cost: float
    slope: FloatArray
    curvature: FloatArray


def fit_candidates(ln_flux_rest: FloatArray, redshift: FloatArray) -> CandidateStars:
    """Fit populations behind dust, broadened, to K spectra of one galaxy.

    Same templates, dust and instrument as `fit.fit_stars`, but: no noise, all pixels weigh the same; pixels
    of lines are left out, not fitted; the stars are at rest; the instrument is that at the median redshift;
    the populations have a rank of 40. Each fit starts from the one before.

    Parameters
    ----------
    ln_flux_rest : (K, 3902) natural logarithm of F_λ on `wavelength.REST_WAVE_AA`, in any scale, finite
    redshift : (K,)

    Raises
    ------
    UsageError
        `invalid-parameter` if shapes do not fit.

    """
    flux = _flux(ln_flux_rest, redshift)
    stars = tabulated_stars(float(np.median(redshift)))
    found: list[_StarsFit] = []
    for target in stars.coordinates(flux):
        found.append(_minimise(stars, target, found[-1] if found else None))
    weights = np.array([one.weights for one in found])
    sigma_kms, a_v = np.array([one.place for one in found]).T
    norm = np.linalg.norm(flux, axis=1)
    misfit = np.sqrt([one.cost for one in found]) / norm
    return CandidateStars(sigma_kms, a_v, population_values(weights), misfit)


def _flux(ln_flux_rest: FloatArray, redshift: FloatArray) -> FloatArray:
    """Spectra (K, L) of the fitted pixels, of mean one."""
    shape, wanted = np.shape(ln_flux_rest), (*np.shape(redshift), REST_WAVE_AA.size)
    if shape != wanted or len(shape) != 2 or not shape[0]:
        raise UsageError("invalid-parameter", f"ln_flux_rest must be (K, {REST_WAVE_AA.size}), got {shape}")
    ln_flux = np.asarray(ln_flux_rest)[:, fitted_pixels()].astype(np.float64)
    flux = np.exp(ln_flux - ln_flux.max(axis=1, keepdims=True))
    normalised: FloatArray = flux / flux.mean(axis=1, keepdims=True)
    return normalised


def _minimise(stars: TabulatedStars, target: FloatArray, before: _StarsFit | None) -> _StarsFit:
    """Gauss–Newton on (σ*, A_V) within the tables, steps halved while they do not help."""
    lower = np.array([stars.sigma_range_kms[0], 0.0])
    upper = np.array([stars.sigma_range_kms[1], MAX_A_V])
    first = np.array(_FIRST_GUESS) if before is None else before.place
    best = _solve(stars, target, np.clip(first, lower, upper), None if before is None else before.passive)
    for _ in range(_MAX_STEPS):
        step = np.clip(best.place + _step(best, lower, upper), lower, upper) - best.place
        while (np.abs(step) > _SMALL_STEP).any():
            trial = _solve(stars, target, best.place + step, best.passive)
            if trial.cost < best.cost:
                break
            step = step / 3
        else:
            return best
        best = trial
    return best


def _step(here: _StarsFit, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """Newton step of the parameters that do not press against a bound; not too long."""
    stuck = ((here.place <= lower) & (here.slope < 0)) | ((here.place >= upper) & (here.slope > 0))
    open_ = np.flatnonzero(~stuck & (np.diag(here.curvature) > 0))
    step = np.zeros_like(here.place)
    step[open_] = np.linalg.lstsq(here.curvature[np.ix_(open_, open_)], here.slope[open_], rcond=1e-10)[0]
    return np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)


def _solve(
    stars: TabulatedStars, target: FloatArray, place: FloatArray, start: BoolArray | None
) -> _StarsFit:
    """Non-negative weights at a place; slope and curvature with the active columns projected off."""
    model = stars.model(float(place[0]), float(place[1]))
    columns = model.basis @ stars.mixing.T
    weights = solve_nnls(columns.T @ columns, columns.T @ target, start=start, tolerance=_TOLERANCE)
    passive = weights > 0
    mixture = weights @ stars.mixing
    residual = target - model.basis @ mixture
    jacobian = np.stack([model.by_sigma @ mixture, model.by_a_v @ mixture], axis=1)
    axes, _ = np.linalg.qr(columns[:, passive])
    jacobian -= axes @ (axes.T @ jacobian)
    cost = float(residual @ residual)
    return _StarsFit(place, weights, passive, cost, jacobian.T @ residual, jacobian.T @ jacobian)
