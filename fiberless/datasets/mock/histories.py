"""Star-formation histories: what mass formed in each age bin of each sheet, as weights on the SSP grid."""

from functools import cache

import numpy as np
from scipy.special import ndtr

from fiberless.arrays import FloatArray
from fiberless.astro.ssp import AGE_EDGES_GYR, YOUNG_GYR, SspGrid
from fiberless.datasets.mock.population import Population

__all__ = ["BULGE", "OLD_DISK", "YOUNG_DISK", "formed_mass"]

BULGE, OLD_DISK, YOUNG_DISK = range(3)


def formed_mass(population: Population, ssp: SspGrid) -> FloatArray:
    """Mass formed per sheet and age bin.

    Parameters
    ----------
    population : N galaxies
    ssp : gives the living fraction by which living mass is turned into formed mass

    Returns
    -------
    (N, 3, A) M☉ formed, sheets `BULGE`, `OLD_DISK`, `YOUNG_DISK`; the young disk holds the bins below 90 Myr

    """
    formed_guess = 10**population.log_stellar_mass / 0.55
    bulge = _gaussian_history(population.bulge_age, population.bulge_spread)
    disk = _disk_history(population, formed_guess)
    share = population.bulge_fraction[:, None]
    total = np.stack([share * bulge, (1 - share) * disk], axis=1)
    living = (total * _living(population, ssp)).sum(axis=(1, 2))
    total *= (10**population.log_stellar_mass / living)[:, None, None]
    young = AGE_EDGES_GYR[1:] <= YOUNG_GYR * (1 + 1e-9)
    return np.stack(
        [total[:, 0], np.where(young, 0.0, total[:, 1]), np.where(young, total[:, 1], 0.0)], axis=1
    )


def _living(population: Population, ssp: SspGrid) -> FloatArray:
    log_z = np.stack([population.log_z_bulge, population.log_z_disk], axis=1)
    living: FloatArray = ssp.metallicity_weights(log_z) @ ssp.living_fraction
    return living


def _gaussian_history(age_gyr: FloatArray, spread_gyr: FloatArray) -> FloatArray:
    """Unit mass formed in a Gaussian burst, cut at the age of the Universe. (N, A)"""
    edges = np.minimum(AGE_EDGES_GYR, 12.3)
    cumulative = ndtr((edges - age_gyr[:, None]) / spread_gyr[:, None])
    # a bulge that is old by definition: no wing of the Gaussian below 1 Gyr
    weight = np.diff(cumulative, axis=1) * (AGE_EDGES_GYR[1:] > 1.0)
    return weight / weight.sum(axis=1, keepdims=True)


def _disk_history(population: Population, formed: FloatArray) -> FloatArray:
    """Unit mass formed in a delayed-τ history whose present rate gives the drawn SFR, plus a burst. (N, A)"""
    age = population.disk_age
    disk_mass = formed * np.maximum(1 - population.bulge_fraction, 0.02)
    rate_now = 10 ** (population.log_ssfr + population.log_stellar_mass)
    x = _solve_delayed_tau(rate_now * age * 1e9 / disk_mass)
    tau = age / x
    time = np.clip(age[:, None] - AGE_EDGES_GYR, 0, None) / tau[:, None]
    formed_before = 1 - (1 + time) * np.exp(-time)
    weight = (formed_before[:, :-1] - formed_before[:, 1:]) / formed_before[:, :1]
    young = AGE_EDGES_GYR[1:] <= YOUNG_GYR * (1 + 1e-9)
    weight = np.where(young, weight * population.recent_boost[:, None], weight)
    burst = np.diff(np.clip(AGE_EDGES_GYR / population.burst_age[:, None], 0.8, 1.25), axis=1) / 0.45
    weight += population.burst_fraction[:, None] * burst
    return weight / weight.sum(axis=1, keepdims=True)


def _solve_delayed_tau(target: FloatArray) -> FloatArray:
    """x = T/τ with x² e^{−x} / (1 − (1+x) e^{−x}) = sSFR·T; targets above the limit of 2 take x = 0.05."""
    x, rate = _delayed_tau_table()
    return np.interp(np.log(np.clip(target, rate[-1], rate[0])), np.log(rate[::-1]), x[::-1])


@cache
def _delayed_tau_table() -> tuple[FloatArray, FloatArray]:
    x = np.concatenate([np.linspace(0.05, 2, 100), np.linspace(2.05, 30, 600)])
    return x, x**2 * np.exp(-x) / (1 - (1 + x) * np.exp(-x))
