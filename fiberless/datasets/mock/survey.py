"""The simulated survey as a whole: galaxies that pass the selection, with image, spectrum and truth."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Final, TypeVar

import numpy as np

from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.bands import BANDS, magnitude
from fiberless.astro.extinction import transmission
from fiberless.astro.lines import line
from fiberless.astro.ssp import load_ssp
from fiberless.astro.wavelength import (
    OBSERVED_WAVE_AA,
    REST_WAVE_AA,
    normalisation_weights,
    resample_log_flux,
)
from fiberless.datasets.mock.galaxies import draw_galaxies
from fiberless.datasets.mock.histories import YOUNG_DISK
from fiberless.datasets.mock.images import fibre_fractions, render, shape_sheets
from fiberless.datasets.mock.light import Light, attenuation_v, fibre_continuum
from fiberless.datasets.mock.nebular import LINE_NAMES
from fiberless.datasets.mock.population import Population
from fiberless.datasets.mock.spectra import (
    WING_WIDTH,
    absorb_sodium,
    add_lines,
    broaden,
    calibration_error,
    fibre_noise,
    rest_window,
)
from fiberless.stellar.populations import population_values
from fiberless.stellar.templates import templates

__all__ = ["MAIN_LIMIT", "TRUTH_NAMES", "simulate"]

MAIN_LIMIT: Final = 17.77
"""Limit of the SDSS main galaxy sample in r (Strauss et al. 2002)."""
_FAINT_LIMIT: Final = 19.5
"""Faintest r drawn. Selection on r leaves p(spectrum | image) unchanged, since the image shows r."""
_CHUNK: Final = 50
_DRAWN: Final = 500
_EBV_ERROR: Final = 0.10
_TRUTH_LINES: Final = ("Halpha", "Hbeta", "OIII_5008", "NII_6585", "OII_3727", "SII_6718")
TRUTH_NAMES: Final = (
    "redshift",
    "log_stellar_mass",
    "log_sfr",
    "sigma_star",
    "sigma_gas",
    "diffuse_av",
    "av_light",
    "ebv",
    "log_z_light",
    "log_age_light",
    "log_age_mass",
    "log_z_mass",
    "log_ml_living_r",
    "log_ml_formed_r",
    "oxygen",
    "agn",
    "quiescent",
    "bulge_fraction",
    "r_mag",
    "g_r",
    *(f"mag_{band}" for band in BANDS),
    "ln_norm",
    *(f"flux_{name}" for name in _TRUTH_LINES),
    *(f"ew_{name}" for name in _TRUTH_LINES),
)


def simulate(seed: int | Sequence[int], n: int) -> dict[str, FloatArray]:
    """Simulate n galaxies.

    Parameters
    ----------
    seed : one or several non-negative integers; every random number comes from them
    n : galaxies wanted

    Returns
    -------
    dict of arrays with the columns of `shards.COLUMNS`

    """
    rng = np.random.default_rng(seed)
    population, light = _select(rng, n)
    chunks = []
    for start in range(0, n, _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, n))
        chunks.append(_observe(rng, population.take(rows), light.take(rows)))
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def _select(rng: np.random.Generator, n: int) -> tuple[Population, Light]:
    """Draw until n galaxies pass the selection on r."""
    found: list[tuple[Population, Light]] = []
    while sum(len(p) for p, _ in found) < n:
        population, light = draw_galaxies(rng, _DRAWN)
        passed = _passes(rng, magnitude(light.band_nmgy.sum(axis=1))[:, 2])
        found.append((population.take(passed), light.take(passed)))
    joined = _join([p for p, _ in found], Population), _join([light for _, light in found], Light)
    return joined[0].take(np.arange(n)), joined[1].take(np.arange(n))


_Rows = TypeVar("_Rows", Population, Light)


def _join(parts: list[_Rows], kind: type[_Rows]) -> _Rows:
    names = [f.name for f in fields(kind)]
    return kind(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _passes(rng: np.random.Generator, r_mag: FloatArray) -> BoolArray:
    """All galaxies to the main limit; fainter ones thinned so that they make up a third."""
    faint = 0.35 * 10 ** (-0.8 * (r_mag - MAIN_LIMIT))
    chance = np.where(r_mag < MAIN_LIMIT, 1.0, np.where(r_mag < _FAINT_LIMIT, faint, 0.0))
    return rng.uniform(size=len(r_mag)) < chance


def _observe(rng: np.random.Generator, population: Population, light: Light) -> dict[str, FloatArray]:
    # what the fibre takes of each sheet: stars, with their motions and interstellar sodium
    shapes = shape_sheets(rng, population)
    fraction = fibre_fractions(shapes)
    stars = fibre_continuum(population, light, load_ssp(), fraction[:, :3])
    stars = broaden(stars, population.redshift, population.sigma_star)
    stars = absorb_sodium(stars, population.sodium_ew, population.redshift, population.sigma_gas)
    # gas; the noiseless spectrum on the rest grid
    line_flux = fraction[:, :, None] * light.line_flux
    spectrum = rest_window(_with_lines(stars, line_flux, population))
    norm = spectrum @ normalisation_weights().astype(np.float32)
    ln_shape = np.log(spectrum / norm[:, None])
    # as the spectrograph sees it: observed frame, calibration, noise
    observed = np.exp(resample_log_flux(ln_shape, population.redshift, OBSERVED_WAVE_AA)) * norm[:, None]
    sigma = fibre_noise(rng, observed)
    calibrated = observed * calibration_error(rng, len(population))
    noisy = calibrated + sigma * rng.standard_normal(sigma.shape, np.float32)
    # truth, and the image beside it
    in_fibre = line_flux.sum(axis=1)
    truth = _truth(population, light, fraction=fraction, line_flux=in_fibre, stars=rest_window(stars))
    truth["ln_norm"] = np.log(norm)
    return {
        "image": render(rng, shapes, _behind_the_galaxy(rng, population, light)).astype(np.float16),
        "ln_shape": ln_shape,
        "flux": noisy.astype(np.float16),
        "sigma": sigma.astype(np.float16),
        "truth": np.stack([truth[name] for name in TRUTH_NAMES], axis=1).astype(np.float32),
    }


def _behind_the_galaxy(rng: np.random.Generator, population: Population, light: Light) -> FloatArray:
    """Band fluxes (N, 4, 5) after Galactic extinction, which the map tells to 10 %."""
    true_ebv = population.ebv * rng.lognormal(0, _EBV_ERROR, len(population))
    return light.band_nmgy * transmission(true_ebv)[:, None]


def _with_lines(stars: FloatArray, line_flux: FloatArray, population: Population) -> FloatArray:
    """Stars, gas of the sheets, and the nucleus with its broad wing; line fluxes (N, 4, 31) in the fibre."""
    z = population.redshift
    spectrum = add_lines(stars, line_flux[:, :3].sum(axis=1), z, population.sigma_gas)
    active = np.flatnonzero(line_flux[:, 3].any(axis=1))
    nucleus, sigma = line_flux[active, 3], population.sigma_nucleus[active]
    wing = population.wing_share[active, None] * nucleus
    core = add_lines(spectrum[active], nucleus - wing, z[active], sigma)
    spectrum[active] = add_lines(core, wing, z[active], WING_WIDTH * sigma, velocity_kms=-sigma)
    return spectrum


def _truth(
    population: Population,
    light: Light,
    *,
    fraction: FloatArray,
    line_flux: FloatArray,
    stars: FloatArray,
) -> dict[str, FloatArray]:
    """True values; ages and metallicities of the stars in the fibre, see `_light_weighted` and `_by_mass`."""
    magnitudes = magnitude(light.band_nmgy.sum(axis=1))
    age, metallicity, attenuation = _light_weighted(population, light, fraction)
    truth: dict[str, FloatArray] = {
        "redshift": population.redshift,
        "log_stellar_mass": population.log_stellar_mass,
        "log_sfr": _log_sfr(light),
        "sigma_star": population.sigma_star,
        "sigma_gas": population.sigma_gas,
        "diffuse_av": population.diffuse_av,
        "av_light": attenuation,
        "ebv": population.ebv,
        "log_z_light": metallicity,
        "log_age_light": age,
        **_by_mass(population, light, fraction),
        "oxygen": population.oxygen,
        "agn": population.agn.astype(np.float64),
        "quiescent": population.quiescent.astype(np.float64),
        "bulge_fraction": population.bulge_fraction,
        "r_mag": magnitudes[:, 2],
        "g_r": magnitudes[:, 1] - magnitudes[:, 2],
    }
    truth |= {f"mag_{band}": magnitudes[:, i] for i, band in enumerate(BANDS)}
    for name in _TRUTH_LINES:
        index = LINE_NAMES.index(name)
        flux = line_flux[:, index]
        truth[f"flux_{name}"] = flux
        truth[f"ew_{name}"] = flux / _continuum_at(stars, name) / (1 + population.redshift)
    return truth


def _continuum_at(stars: FloatArray, name: str) -> FloatArray:
    """Mean of the stars' light within 10 Å of a line, absorption included."""
    near = np.abs(REST_WAVE_AA - line(name).wave_aa) < 10.0
    return stars[:, near].mean(axis=1)


def _log_sfr(light: Light) -> FloatArray:
    """lg of the star-formation rate over the last 90 Myr in M☉ / yr, at least −5."""
    young = light.formed[:, YOUNG_DISK].sum(axis=1) / 9e7
    return np.log10(np.maximum(young, 1e-5))


def _light_weighted(
    population: Population, light: Light, fraction: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """lg age/Gyr and [M/H] weighted by unattenuated V-band light in the fibre, and that light's A_V."""
    ssp = load_ssp()
    window = (ssp.wave_aa > 5070) & (ssp.wave_aa < 5950)
    log_z = np.stack([population.log_z_bulge, population.log_z_disk, population.oxygen - 8.69], axis=1)
    per_mass = ssp.metallicity_weights(log_z) @ ssp.flux[..., window].mean(axis=-1)
    weight = light.formed * per_mass * fraction[:, :3, None]
    total = weight.sum(axis=(1, 2))
    age = (weight * np.log10(ssp.age_gyr)).sum(axis=(1, 2)) / total
    passed = (weight * 10 ** (-0.4 * attenuation_v(population))).sum(axis=(1, 2))
    return age, (weight.sum(axis=2) * log_z).sum(axis=1) / total, -2.5 * np.log10(passed / total)


def _by_mass(population: Population, light: Light, fraction: FloatArray) -> dict[str, FloatArray]:
    """Means by mass formed and mass-to-light ratios of the fibre's stars, as the fitter defines them."""
    ssp = load_ssp()
    log_z = np.stack([population.log_z_bulge, population.log_z_disk, population.oxygen - 8.69], axis=1)
    mass = light.formed * fraction[:, :3, None]
    by_population = np.einsum("nsa,nsz->nza", mass, ssp.metallicity_weights(log_z)).reshape(len(mass), -1)
    values = population_values(by_population / templates().mass_formed)
    return {
        "log_age_mass": values.log_age_mass_gyr,
        "log_z_mass": values.metallicity_mass,
        "log_ml_living_r": values.log_ml_living_r,
        "log_ml_formed_r": values.log_ml_formed_r,
    }
