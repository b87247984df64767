"""Galaxies of the simulated sky: drawn from the priors, and kept as often as real ones occur."""

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.astro.bands import BANDS, magnitude
from fiberless.astro.ssp import load_ssp
from fiberless.contract.manifest import TRAINED_REDSHIFT
from fiberless.datasets.mock.hyperparameters import Hyperparameters, shipped_population
from fiberless.datasets.mock.light import Light, shine
from fiberless.datasets.mock.population import Population, draw_population

__all__ = ["draw_galaxies", "selection_features"]


def draw_galaxies(
    rng: np.random.Generator,
    n: int,
    *,
    fit: Hyperparameters | None = None,
    redshifts: tuple[float, float] = TRAINED_REDSHIFT,
) -> tuple[Population, Light]:
    """Draw n galaxies and keep each with the chance of its redshift and photometry: at most n come back.

    Parameters
    ----------
    rng : generator that every random number comes from
    n : galaxies drawn
    fit : hyperparameters; default: those that the package ships
    redshifts : range drawn

    """
    fit = fit or shipped_population()
    population = draw_population(rng, n, fit=fit, redshifts=redshifts)
    light = shine(rng, population, load_ssp(), fit=fit)
    if fit.selection is None:
        return population, light
    total = magnitude(light.band_nmgy.sum(axis=1))
    kept = rng.uniform(size=n) < fit.selection.chance(selection_features(population.redshift, total))
    return population.take(kept), light.take(kept)


def selection_features(redshift: FloatArray, magnitudes: FloatArray) -> FloatArray:
    """What the selection goes by: redshift (N,) and totals (N, 5) as z, r, u−g, g−r, r−i, i−z. (N, 6)"""
    r_mag = magnitudes[:, BANDS.index("r")]
    return np.column_stack([redshift, r_mag, -np.diff(magnitudes, axis=1)])
