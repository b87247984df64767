"""Errors of the stars' properties, as they are reported, are the scatter on galaxies of the simulated survey.

A pull is (value − truth) / error. Its rms must be 0.8 to 1.25 and its median within 0.3, but for two standard
errors of so few galaxies; `STELLAR_PULL_MOCKS=300 pytest -s …` takes more and prints the table of
docs/properties.md. Truth is light-weighted at
5070–5950 Å inside the fibre, dust included. Histories are extended, dust differs from sheet to sheet, spectra
have the survey's noise and 2 % of calibration error.
"""

import os
import sys

import numpy as np
import pytest

from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import FloatArray
from fiberless.astro.bands import magnitude
from fiberless.astro.ssp import load_ssp
from fiberless.astro.wavelength import OBSERVED_WAVE_AA, PREDICTED_RESAMPLING_KMS, resample_log_flux
from fiberless.datasets.mock.images import fibre_fractions, shape_sheets
from fiberless.datasets.mock.light import Light, attenuation_v, fibre_continuum, shine
from fiberless.datasets.mock.population import Population, draw_population
from fiberless.datasets.mock.spectra import add_lines, broaden, calibration_error, fibre_noise, rest_window
from fiberless.measuring.stars import calibrated, dispersion
from fiberless.stellar import FitOptions, FitQuality, fit_stars

N = int(os.environ.get("STELLAR_PULL_MOCKS", "80"))
KINEMATICS = FitOptions(resampling_kms=PREDICTED_RESAMPLING_KMS, draws=0)
POPULATIONS = FitOptions(resampling_kms=PREDICTED_RESAMPLING_KMS, multiplicative_degree=8)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]  # computing, as long as the machine takes
DOUBTFUL = ~(FitQuality.LOW_DISPERSION | FitQuality.GAS_TIED)
NAMES = ("velocity_kms", "sigma_kms", "log_age_light_gyr", "metallicity_light", "a_v")


def draw(rng: np.random.Generator) -> tuple[Population, Light, FloatArray]:
    """Galaxies with r < 17.77, their light, and the shares of it inside the fibre."""
    population = draw_population(rng, 100)
    light = shine(rng, population, load_ssp())
    bright = magnitude(light.band_nmgy.sum(axis=1))[:, 2] < 17.77
    population, light = population.take(bright), light.take(bright)
    return population, light, fibre_fractions(shape_sheets(rng, population))


def observe(
    rng: np.random.Generator, population: Population, light: Light, fraction: FloatArray
) -> PixelFlux:
    z = population.redshift
    stars = broaden(fibre_continuum(population, light, load_ssp(), fraction[:, :3]), z, population.sigma_star)
    gas = (fraction[:, :3, None] * light.line_flux[:, :3]).sum(axis=1)
    ln_flux = np.log(rest_window(add_lines(stars, gas, z, population.sigma_gas)))
    noiseless = np.exp(resample_log_flux(ln_flux, z, OBSERVED_WAVE_AA)).astype(np.float64)
    sigma = fibre_noise(rng, noiseless).astype(np.float64)
    flux = noiseless * calibration_error(rng, len(z)) + sigma * rng.standard_normal(sigma.shape)
    return PixelFlux.of(OBSERVED_WAVE_AA, flux, sigma**-2)


def true_values(population: Population, light: Light, fraction: FloatArray) -> dict[str, FloatArray]:
    ssp = load_ssp()
    window = (ssp.wave_aa > 5070) & (ssp.wave_aa < 5950)
    log_z = np.stack([population.log_z_bulge, population.log_z_disk, population.oxygen - 8.69], axis=1)
    per_mass = ssp.metallicity_weights(log_z) @ ssp.flux[..., window].mean(axis=-1)
    weight = light.formed * per_mass * fraction[:, :3, None]
    weight /= weight.sum(axis=(1, 2), keepdims=True)
    passed = (weight * 10 ** (-0.4 * attenuation_v(population))).sum(axis=(1, 2))
    return {
        "velocity_kms": np.zeros(len(population)),
        "sigma_kms": population.sigma_star,
        "log_age_light_gyr": (weight * np.log10(ssp.age_gyr)).sum(axis=(1, 2)),
        "metallicity_light": (weight.sum(axis=2) * log_z).sum(axis=1),
        "a_v": -2.5 * np.log10(passed),
    }


@pytest.fixture(scope="module")
def pulls() -> dict[str, FloatArray]:
    rng = np.random.default_rng(881)
    found: dict[str, list[FloatArray]] = {name: [] for name in NAMES}
    count = 0
    while count < N:
        galaxies = draw(rng)
        pixels, truth = observe(rng, *galaxies), true_values(*galaxies)
        rows = slice(0, N - count)
        seen = PixelFlux(pixels.edges_aa, pixels.flux[rows], pixels.valid[rows], pixels.ivar[rows])
        redshift = galaxies[0].redshift[rows]
        moving = fit_stars(seen, redshift, options=KINEMATICS)
        aged = fit_stars(seen, redshift, options=POPULATIONS)
        for name in NAMES:
            fit = moving if name in {"velocity_kms", "sigma_kms"} else aged
            value, error = calibrated(fit, name)
            good = ~fit.has(DOUBTFUL)
            if name == "sigma_kms":
                value, error = dispersion(fit, redshift)
                good &= ~fit.has(FitQuality.LOW_DISPERSION)
            found[name].append(((value - truth[name][rows]) / error)[good])
        count += len(redshift)
    joined = {name: np.concatenate(parts) for name, parts in found.items()}
    for name, values in joined.items():
        rms = np.sqrt(np.mean(values**2))
        sys.stdout.write(f"| {name} | {len(values)} | {rms:.2f} | {np.median(values):+.2f} |\n")
    return joined


@pytest.mark.parametrize("name", NAMES)
def test_errors_are_the_scatter(pulls, name):
    chance = 2 / np.sqrt(2 * len(pulls[name]))
    assert len(pulls[name]) > N / 2
    assert 0.8 * (1 - chance) < np.sqrt(np.mean(pulls[name] ** 2)) < 1.25 * (1 + chance)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_biased(pulls, name):
    assert abs(np.median(pulls[name])) < 0.3 + 2 * 1.25 / np.sqrt(len(pulls[name]))
