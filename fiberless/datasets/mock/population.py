"""Priors of the simulated survey: which galaxies there are. All arrays have the shape (N,).

Relations and their sources stand beside the numbers; docs/decisions/simulated-survey.md says what was tuned.
"""

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.astro.cosmology import kpc_per_arcsec, lookback_time_gyr, volume_element
from fiberless.contract.manifest import TRAINED_REDSHIFT
from fiberless.datasets.mock.hyperparameters import Hyperparameters, shipped_population

__all__ = ["NO_AGN", "SEYFERT", "WEAK_AGN", "Population", "draw_population"]

NO_AGN, WEAK_AGN, SEYFERT = 0, 1, 2
_AGE_REDSHIFT: Final = 0.1
_MAIN_SEQUENCE_REDSHIFT: Final = 0.08


@dataclass(frozen=True, eq=False)
class Population:
    """Physical parameters of N galaxies.

    Masses are living stellar masses in M☉, ages in Gyr, attenuations in mag, sizes in arcsec, angles in rad.
    `ultraviolet_mag` is how much fainter a galaxy's old stars are below 3400 Å than the library's,
    `dust_slope` the exponent by which its attenuation curve is tilted.
    """

    redshift: FloatArray
    log_stellar_mass: FloatArray
    quiescent: BoolArray
    bulge_fraction: FloatArray
    log_ssfr: FloatArray
    disk_age: FloatArray
    bulge_age: FloatArray
    bulge_spread: FloatArray
    burst_fraction: FloatArray
    burst_age: FloatArray
    recent_boost: FloatArray
    log_z_bulge: FloatArray
    log_z_disk: FloatArray
    oxygen: FloatArray
    ultraviolet_mag: FloatArray
    dust_slope: FloatArray
    diffuse_av: FloatArray
    cloud_av: FloatArray
    bulge_av_share: FloatArray
    sigma_star: FloatArray
    sigma_gas: FloatArray
    sigma_nucleus: FloatArray
    wing_share: FloatArray
    sodium_ew: FloatArray
    agn: IntArray
    log_l_oiii: FloatArray
    log_ew_lier: FloatArray
    disk_r50: FloatArray
    bulge_r50: FloatArray
    disk_axis_ratio: FloatArray
    bulge_axis_ratio: FloatArray
    bulge_sersic: FloatArray
    position_angle: FloatArray
    ebv: FloatArray

    def __len__(self) -> int:
        return len(self.redshift)

    def take(self, rows: IntArray | BoolArray) -> "Population":
        """Rows of the population."""
        return Population(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def draw_population(
    rng: np.random.Generator,
    n: int,
    *,
    fit: Hyperparameters | None = None,
    redshifts: tuple[float, float] = TRAINED_REDSHIFT,
) -> Population:
    """Draw galaxies near or above the survey's flux limit.

    Parameters
    ----------
    rng : generator that every random number comes from
    n : number of galaxies; those too faint are dropped later, on their photometry
    fit : hyperparameters; default: those that the package ships
    redshifts : range drawn

    """
    fit = fit or shipped_population()
    # a stream of its own, so that data sets of earlier versions can be drawn again
    (apart,) = rng.spawn(1)
    # mass, type and star formation
    z, m = _redshift_and_mass(rng, n, redshifts)
    quiescent, green = _type(rng, m, fit)
    bulge_fraction = _bulge_fraction(rng, m, quiescent)
    log_ssfr = _specific_sfr(rng, m, z, fit=fit, quiescent=quiescent, green=green)
    delta_ms = np.where(quiescent, 0.0, log_ssfr - _main_sequence(m, z, fit) + 0.06)
    log_z = _stellar_metallicity(rng, m, quiescent, fit)
    # shape, size and dust
    cosine = rng.uniform(0, 1, n)
    axis_ratio = np.sqrt(cosine**2 * (1 - 0.04) + 0.04)
    r50_kpc, log_size_excess = _size(rng, m, bulge_fraction)
    scale = kpc_per_arcsec(z)
    dust = _dust(rng, m, fit=fit, quiescent=quiescent, green=green, axis_ratio=axis_ratio)
    # nucleus, motions and bursts
    agn, log_l_oiii = _agn(rng, m, quiescent)
    sigma = _velocity_dispersion(rng, m, quiescent=quiescent, log_size_excess=log_size_excess)
    burst = rng.uniform(size=n) < np.where(quiescent, 0.02, 0.10)
    # ages are those at z = 0.1; stars seen further away are younger by the time their light has travelled
    later = fit.age_evolution * (lookback_time_gyr(z) - lookback_time_gyr(np.array(_AGE_REDSHIFT)))
    return Population(
        redshift=z,
        log_stellar_mass=m,
        quiescent=quiescent,
        bulge_fraction=bulge_fraction,
        log_ssfr=log_ssfr,
        disk_age=np.where(quiescent, rng.uniform(6.5, 9.5, n), rng.uniform(6.0, 11.0, n)) - later,
        bulge_age=np.clip(rng.normal(fit.bulge_age_gyr + 1.2 * (m - 10.7), 0.8), 2.0, 11.0) - later,
        bulge_spread=rng.uniform(0.3, 1.0, n),
        burst_fraction=np.where(burst, 10 ** rng.uniform(-2.7, -1.0, n), 0.0),
        burst_age=10 ** rng.uniform(-2.0, 0.2, n),
        recent_boost=_recent_boost(rng, n, fit),
        log_z_bulge=log_z,
        log_z_disk=log_z - 0.1,
        oxygen=_oxygen(rng, m, delta_ms),
        ultraviolet_mag=apart.normal(0, fit.ultraviolet_scatter_mag, n),
        dust_slope=apart.normal(fit.dust_slope, fit.dust_slope_scatter, n),
        diffuse_av=dust[0],
        cloud_av=dust[1],
        bulge_av_share=rng.uniform(0.3, 0.8, n),
        sigma_star=sigma,
        **_gas_motions(rng, sigma, seyfert=agn == SEYFERT),
        sodium_ew=_sodium(rng, sigma, diffuse_av=dust[0], quiescent=quiescent),
        agn=agn,
        log_l_oiii=log_l_oiii,
        log_ew_lier=rng.normal(-0.3, 0.3, n),
        disk_r50=r50_kpc * np.where(quiescent, 1.25, 1.15) / scale,
        bulge_r50=r50_kpc * np.where(bulge_fraction > 0.6, 0.85, 0.45) * 10 ** rng.normal(0, 0.08, n) / scale,
        disk_axis_ratio=axis_ratio,
        bulge_axis_ratio=1 - (1 - axis_ratio) * rng.uniform(0.1, 0.6, n),
        bulge_sersic=np.clip(rng.normal(np.where(bulge_fraction > 0.6, 4.0, 2.8), 0.8), 1.0, 6.0),
        position_angle=rng.uniform(0, np.pi, n),
        ebv=_galactic_ebv(rng, n),
    )


def _redshift_and_mass(
    rng: np.random.Generator, n: int, redshifts: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Draw from dV/dz times the double Schechter function of Baldry et al. (2012), above a floor in mass."""
    z = np.linspace(*redshifts, 201)
    # the bluest galaxies at r = 19.5 (M/L_r about 0.25): nothing below this mass can pass the flux limit
    floor = 8.15 + 2 * np.log10(z / 0.05)
    lowest = min(8.0, float(np.round(floor[0] + 0.3, 2)))
    m = np.linspace(lowest, 12.0, round((12.0 - lowest) / 0.01) + 1)
    x = 10 ** (m - 10.66)
    density = np.exp(-x) * (3.96 * x ** (1 - 0.35) + 0.79 * x ** (1 - 1.47))
    weight = volume_element(z)[:, None] * np.where(m > floor[:, None], density, 0.0)
    cumulative = np.cumsum(weight.ravel())
    cell = np.searchsorted(cumulative, rng.uniform(0, cumulative[-1], n))
    row, column = np.divmod(cell, len(m))
    jitter = rng.uniform(-0.5, 0.5, (2, n))
    drawn_z = np.clip(z[row] + jitter[0] * (z[1] - z[0]), *redshifts)
    return drawn_z, m[column] + jitter[1] * (m[1] - m[0])


def _type(rng: np.random.Generator, m: FloatArray, fit: Hyperparameters) -> tuple[BoolArray, BoolArray]:
    """Quiescent (Peng et al. 2010) and, among those, green-valley galaxies."""
    fraction = np.clip(1 - np.exp(-(10 ** (0.60 * (m - fit.quiescent_log_mass)))) + 0.04, 0, 0.97)
    quiescent = rng.uniform(size=len(m)) < fraction
    green = quiescent & (rng.uniform(size=len(m)) < fit.green_share)
    return quiescent, green


def _bulge_fraction(rng: np.random.Generator, m: FloatArray, quiescent: BoolArray) -> FloatArray:
    """Bulge-to-total mass ratio, after Simard et al. (2011)."""
    mean = np.where(quiescent, 0.55 + 0.18 * (m - 10.5), 0.20 + 0.16 * (m - 10.3))
    drawn = np.clip(rng.normal(np.clip(mean, 0.03, 0.92), 0.16), 0.0, 1.0)
    pure_disk = ~quiescent & (rng.uniform(size=len(m)) < np.clip(0.35 - 0.3 * (m - 9.5), 0.02, 0.5))
    return np.where(pure_disk, 0.0, drawn)


def _main_sequence(m: FloatArray, z: FloatArray, fit: Hyperparameters) -> FloatArray:
    """Mean lg(SFR/M) per year of star-forming galaxies: Renzini & Peng (2015) at z = 0.08, evolving."""
    evolution = fit.main_sequence_evolution * np.log10((1 + z) / (1 + _MAIN_SEQUENCE_REDSHIFT))
    return -0.24 * m - 7.58 + fit.main_sequence + evolution


def _specific_sfr(
    rng: np.random.Generator,
    m: FloatArray,
    z: FloatArray,
    *,
    fit: Hyperparameters,
    quiescent: BoolArray,
    green: BoolArray,
) -> FloatArray:
    """lg(SFR/M) per year: main sequence, and residual star formation below it."""
    forming = rng.normal(_main_sequence(m, z, fit), fit.main_sequence_scatter)
    passive = rng.normal(fit.passive_log_ssfr, fit.passive_scatter, len(m))
    valley = rng.normal(-11.2, 0.30, len(m))
    return np.where(green, valley, np.where(quiescent, passive, forming))


def _recent_boost(rng: np.random.Generator, n: int, fit: Hyperparameters) -> FloatArray:
    """Rate of the last 90 Myr over the smooth history's; starbursts of 2–16 times, few to 160."""
    kind = rng.uniform(size=n)
    strong = kind < fit.starburst_share / 21
    starburst = np.where(strong, rng.uniform(1.2, 2.2, n), rng.uniform(0.3, 1.2, n))
    return 10 ** np.where(kind < fit.starburst_share, starburst, rng.normal(0.10, 0.12, n))


def _stellar_metallicity(
    rng: np.random.Generator, m: FloatArray, quiescent: BoolArray, fit: Hyperparameters
) -> FloatArray:
    """lg Z/Z☉ from the percentiles of Gallazzi et al. (2005, table 2)."""
    mass = [8.91, 9.31, 9.72, 9.91, 10.11, 10.31, 10.51, 10.72, 10.91, 11.11, 11.51]
    p16 = [-1.11, -1.10, -0.97, -0.90, -0.80, -0.65, -0.41, -0.24, -0.14, -0.09, -0.04]
    p50 = [-0.60, -0.65, -0.52, -0.41, -0.23, -0.11, -0.01, 0.04, 0.07, 0.10, 0.13]
    p84 = [0.00, -0.05, 0.05, 0.09, 0.14, 0.17, 0.20, 0.22, 0.24, 0.25, 0.28]
    low, middle, high = (np.interp(m, mass, column) for column in (p16, p50, p84))
    # at a given mass quiescent galaxies are the metal-rich ones (Peng et al. 2015), most so at low masses
    quiescent_mean = np.clip(0.25 - 1.1 * (m - 10.0), -0.85, 0.5)
    deviate = rng.normal(np.where(quiescent, quiescent_mean, -0.25), np.where(quiescent, 0.38, 0.22))
    width = np.where(deviate > 0, high - middle, middle - low)
    return middle + fit.metallicity + fit.metallicity_scatter * deviate * width


def _size(
    rng: np.random.Generator, m: FloatArray, bulge_fraction: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Half-light radius in kpc (Shen et al. 2003, eqs. 17–18, ×1.2) and its excess over the mean in dex."""
    mass = 10**m
    late = 0.1 * mass**0.14 * (1 + mass / 3.98e10) ** 0.25
    early = np.where(m > 10.3, 2.88e-6 * mass**0.56, 2.88e-6 * (10**10.3) ** 0.56 * 10 ** (0.25 * (m - 10.3)))
    share = np.clip((bulge_fraction - 0.3) / 0.4, 0, 1)
    excess = rng.normal(0, 0.15, len(m))
    return 1.2 * 10 ** ((1 - share) * np.log10(late) + share * np.log10(early) + excess), excess


def _dust(
    rng: np.random.Generator,
    m: FloatArray,
    *,
    fit: Hyperparameters,
    quiescent: BoolArray,
    green: BoolArray,
    axis_ratio: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """A_V of the diffuse screen and of birth clouds: A_Hα of Garn & Best (2010), stars 0.44 of the gas."""
    x = np.clip(m - 10, -1.5, 1.5)
    a_halpha = 1.01 + 0.77 * x + 0.11 * x**2 - 0.09 * x**3 + rng.normal(0, 0.38, len(m))
    a_halpha = np.clip(a_halpha, 0.05, 3.0)
    inclination = np.clip(1 + 0.9 * (np.log10(1 / axis_ratio) - 0.22), 0.5, 1.8)
    diffuse = 0.535 * fit.dust_scale * a_halpha * inclination
    passive = np.where(green, 0.35, 0.07) * 10 ** rng.normal(0, 0.25, len(m))
    # a birth cloud of A(Hα) = 0.56 of the total has A_V larger by (6563/5500)^1.3
    return np.where(quiescent, passive, diffuse), 0.56 * a_halpha * 1.258


def _velocity_dispersion(
    rng: np.random.Generator, m: FloatArray, *, quiescent: BoolArray, log_size_excess: FloatArray
) -> FloatArray:
    """σ* in km/s (Zahid et al. 2016, eq. 2), smaller in larger and in star-forming galaxies."""
    slope = np.where(m < 10.26, 0.403, 0.293)
    log_sigma = (
        np.log10(118.3) + slope * (m - 10.26) - 0.3 * log_size_excess + np.where(quiescent, 0.03, -0.06)
    )
    return np.clip(10 ** (log_sigma + rng.normal(0, 0.08, len(m))), 45, 420)


def _gas_motions(
    rng: np.random.Generator, sigma_star: FloatArray, *, seyfert: BoolArray
) -> dict[str, FloatArray]:
    """Dispersions of disk gas and nucleus, share of the nucleus' broad wing; km/s.

    Disk gas is colder than the stars, that of Seyferts up to 1.5 times hotter.
    """
    n = len(sigma_star)
    stirred = np.where(seyfert, rng.uniform(1, 1.5, n), 1.0)
    return {
        "sigma_gas": np.clip(sigma_star * 10 ** rng.normal(-0.08, 0.12, n), 35, 400),
        "sigma_nucleus": np.clip(sigma_star * 10 ** rng.normal(0.02, 0.12, n) * stirred, 60, 320),
        "wing_share": np.where(seyfert, rng.uniform(0, 0.45, n), rng.uniform(0, 0.15, n)),
    }


def _sodium(
    rng: np.random.Generator, sigma_star: FloatArray, *, diffuse_av: FloatArray, quiescent: BoolArray
) -> FloatArray:
    """Equivalent width in Å of Na D beyond the stellar models'.

    Interstellar gas goes with dust (Chen et al. 2010, AJ 140, 445), sodium-rich stars with σ* of old
    galaxies (Jeong et al. 2013, ApJS 208, 7).
    """
    n = len(sigma_star)
    rich = np.where(quiescent, np.clip((np.log10(sigma_star) - 2.0) / 0.4, 0, 1.2), 0.0)
    width = 0.6 * diffuse_av * rng.uniform(0, 2, n) + 0.8 * rich * rng.uniform(0, 2, n)
    return np.minimum(width, 3.0)


def _oxygen(rng: np.random.Generator, m: FloatArray, delta_ms: FloatArray) -> FloatArray:
    """12 + lg O/H (Tremonti et al. 2004, eq. 3), lower at higher star formation (Mannucci et al. 2010)."""
    x = np.clip(m, 8.5, 11.5)
    return -1.492 + 1.847 * x - 0.08026 * x**2 - 0.1 * delta_ms + rng.normal(0, 0.10, len(m))


def _galactic_ebv(rng: np.random.Generator, n: int) -> FloatArray:
    """Galactic E(B−V) as a map tells it, over the survey's footprint: median 0.028 mag, 95 % below 0.09."""
    return np.minimum(rng.lognormal(np.log(0.028), 0.7, n), 0.3)


def _agn(rng: np.random.Generator, m: FloatArray, quiescent: BoolArray) -> tuple[IntArray, FloatArray]:
    """AGN by mass (after Kauffmann et al. 2003), with lg L[O III] 5007 in L☉."""
    fraction = np.interp(m, [9.5, 10, 10.5, 11, 11.5], [0.02, 0.08, 0.24, 0.36, 0.38])
    active = rng.uniform(size=len(m)) < fraction
    seyfert = rng.uniform(size=len(m)) < np.where(quiescent, 0.20, 0.50)
    agn = np.where(active, np.where(seyfert, SEYFERT, WEAK_AGN), NO_AGN)
    mean = np.where(agn == SEYFERT, 6.75, 6.0) + 0.3 * (m - 10.5)
    luminosity = rng.normal(mean, np.where(agn == SEYFERT, 0.55, 0.40))
    return agn, np.where(active, luminosity, -np.inf)
