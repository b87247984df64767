"""Fit of the population's hyperparameters to real colours: regularised Gauss–Newton on a summary.

All evaluations draw the same random numbers, so that differences between them are those of the
hyperparameters. Priors keep a number near its starting value where the colours say nothing of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from fiberless.arrays import FloatArray, IntArray
from fiberless.astro.bands import magnitude
from fiberless.astro.ssp import load_ssp
from fiberless.datasets.mock.hyperparameters import Hyperparameters
from fiberless.datasets.mock.light import shine
from fiberless.datasets.mock.population import Population, draw_population
from fiberless.datasets.mock_report.photometry import Photometry, with_catalogue_errors
from fiberless.evaluation.sky.colour_summary import ColourSummary, summarise, weights_like
from fiberless.evaluation.sky.mock_galaxies import WIDE_REDSHIFTS, join

__all__ = ["START", "Fit", "fit_hyperparameters", "sky_cut"]

START: Final = Hyperparameters(
    ultraviolet_scatter_mag=0.08,
    dust_slope_scatter=0.2,
    passive_log_ssfr=-12.2,
    passive_scatter=0.5,
    green_share=0.2,
    main_sequence_evolution=2.8,
    age_evolution=1.0,
)
"""Where the priors stand, and what is not fitted."""
_COMPARED: Final = (0.02, 0.25)
_R_RANGE: Final = (14.0, 17.6)
_DEEPEST: Final = 18.1
_CHUNK: Final = 20_000
_BATCH: Final = 500
_ROBUST: Final = 4.0
"""Deviations in errors beyond which a number of the summary pulls less than in proportion."""
_LIBRARY_PRIOR_MAG: Final = (0.15, 0.10, 0.08, 0.03, 0.03, 0.03, 0.03, 0.03)
_PRIOR: Final = {
    "ultraviolet_scatter_mag": (0.06, 0.0, 0.3),
    "dust_slope": (0.3, -1.0, 1.0),
    "dust_slope_scatter": (0.15, 0.0, 0.45),
    "dust_scale": (0.25, 0.3, 2.0),
    "main_sequence": (0.25, -1.0, 1.0),
    "main_sequence_scatter": (0.1, 0.15, 0.6),
    "passive_log_ssfr": (0.5, -13.5, -11.2),
    "passive_scatter": (0.3, 0.05, 1.0),
    "green_share": (0.1, 0.02, 0.6),
    "quiescent_log_mass": (0.25, 10.0, 11.5),
    "metallicity": (0.08, -0.5, 0.5),
    "metallicity_scatter": (0.3, 0.4, 2.0),
    "bulge_age_gyr": (1.0, 3.0, 10.0),
    "starburst_share": (0.03, 0.002, 0.15),
}
"""Width of the prior about the starting value, and limits."""


@dataclass(frozen=True, eq=False)
class Fit:
    """State of the fit after a step.

    Parameters
    ----------
    values : hyperparameters, without a selection
    mocks, real : summaries
    chi2 : sum of squared deviations in errors

    """

    values: Hyperparameters
    mocks: ColourSummary
    real: ColourSummary
    chi2: float


def sky_cut(sample: Photometry) -> Photometry:
    """Galaxies with all magnitudes at 14 < r < 17.6 and 0.02 < z < 0.25."""
    r_mag, redshift = sample.r_mag, sample.redshift
    bright = (r_mag > _R_RANGE[0]) & (r_mag < _R_RANGE[1]) & np.isfinite(sample.magnitudes).all(axis=1)
    return sample.take(bright & (redshift > _COMPARED[0]) & (redshift < _COMPARED[1]))


def fit_hyperparameters(
    real: Photometry,
    *,
    start: Hyperparameters,
    seed: int,
    n: int,
    steps: int,
    progress: Callable[[int, Fit], None] = lambda *_: None,
) -> Hyperparameters:
    """Fit the colours of real galaxies.

    Parameters
    ----------
    real : model magnitudes corrected for the Galaxy's dust; cut here
    start : where the fit begins; priors stand about `START`
    seed : of the galaxies and their errors
    n : galaxies drawn for one evaluation, of which one in ten is bright enough
    steps : of Gauss–Newton; each costs as many evaluations as there are hyperparameters

    """
    real = sky_cut(real)
    target, draws = summarise(real), _SameGalaxies(seed, n)
    origin = START.vector()
    width, low, high = _priors()
    vector = start.vector()

    def evaluate(values: FloatArray) -> ColourSummary:
        mocks = sky_cut(draws.photometry(START.with_vector(values)))
        return summarise(mocks, weights_like(mocks, real))

    for step in range(steps):
        here = evaluate(vector)
        progress(step, _state(vector, here, target))
        slopes = _slopes(evaluate, vector, here, width=width, high=high)
        move = _gauss_newton(slopes, (target.values - here.values) / target.errors, target.errors,
                             pull=(origin - vector) / width, width=width)  # fmt: skip
        vector = np.clip(vector + np.clip(move, -width, width), low, high)
    progress(steps, _state(vector, evaluate(vector), target))
    return START.with_vector(vector)


class _SameGalaxies:
    """Galaxies of the same random numbers for all hyperparameters: those bright enough at the start."""

    def __init__(self, seed: int, n: int) -> None:
        self._seed = seed
        self._rows = [self._bright(chunk, START) for chunk in range(max(1, n // _CHUNK))]

    def photometry(self, fit: Hyperparameters) -> Photometry:
        """Their magnitudes, with the errors of a catalogue."""
        parts = [self._lit(chunk, rows, fit) for chunk, rows in enumerate(self._rows)]
        return with_catalogue_errors(self._seed, join(parts))

    def _bright(self, chunk: int, fit: Hyperparameters) -> IntArray:
        everything = self._lit(chunk, np.arange(_CHUNK), fit)
        return np.flatnonzero(everything.r_mag < _DEEPEST)

    def _lit(self, chunk: int, rows: IntArray, fit: Hyperparameters) -> Photometry:
        rng = np.random.default_rng([self._seed, chunk])
        population = draw_population(rng, _CHUNK, fit=fit, redshifts=WIDE_REDSHIFTS).take(rows)
        totals = [
            self._magnitudes(population.take(np.arange(start, min(start + _BATCH, len(rows)))), chunk, fit)
            for start in range(0, len(rows), _BATCH)
        ]
        return Photometry(population.redshift, np.concatenate(totals))

    def _magnitudes(self, population: Population, chunk: int, fit: Hyperparameters) -> FloatArray:
        rng = np.random.default_rng([self._seed, chunk, len(population)])
        return magnitude(shine(rng, population, load_ssp(), fit=fit).band_nmgy.sum(axis=1))


def _priors() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Width, lowest and highest value of each hyperparameter. (P,) each"""
    library = [(width, -1.0, 1.0) for width in _LIBRARY_PRIOR_MAG]
    rows = np.array([*library, *library, *_PRIOR.values()])
    return rows[:, 0], rows[:, 1], rows[:, 2]


def _slopes(
    evaluate: Callable[[FloatArray], ColourSummary],
    vector: FloatArray,
    here: ColourSummary,
    *,
    width: FloatArray,
    high: FloatArray,
) -> FloatArray:
    """Derivatives of the summary by finite differences. (S, P)"""
    slopes = np.empty((len(here.values), len(vector)))
    for index in range(len(vector)):
        step = 0.4 * width[index]
        moved = vector.copy()
        moved[index] += step if vector[index] + step <= high[index] else -step
        slopes[:, index] = (evaluate(moved).values - here.values) / (moved[index] - vector[index])
    return slopes


def _gauss_newton(
    slopes: FloatArray, residual: FloatArray, errors: FloatArray, *, pull: FloatArray, width: FloatArray
) -> FloatArray:
    """Step of the robust, regularised problem. (P,)"""
    robust = 1 / np.sqrt(1 + (residual / _ROBUST) ** 2)
    known = np.isfinite(residual) & np.isfinite(slopes).all(axis=1)
    left = (slopes / errors[:, None] * robust[:, None])[known]
    matrix = np.vstack([left, np.diag(1 / width)])
    move: FloatArray = np.linalg.lstsq(
        matrix, np.concatenate([(residual * robust)[known], pull]), rcond=None
    )[0]
    return move


def _state(vector: FloatArray, here: ColourSummary, target: ColourSummary) -> Fit:
    chi2 = float(np.nansum(((here.values - target.values) / target.errors) ** 2))
    return Fit(START.with_vector(vector), here, target, chi2)
