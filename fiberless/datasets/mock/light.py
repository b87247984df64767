"""Light of each sheet: attenuated spectra, emission lines and fluxes in the five bands."""

from dataclasses import dataclass, fields
from functools import cache
from typing import Final

import numpy as np

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.astro.bands import BANDS, N_BANDS, band_density
from fiberless.astro.cosmology import luminosity_distance_cm
from fiberless.astro.dust import birth_cloud_curve, calzetti_curve
from fiberless.astro.ssp import AGE_EDGES_GYR, BIRTH_CLOUD_GYR, WIDE_WAVE_AA, SspGrid, load_ssp
from fiberless.astro.wavelength import TEMPLATE_WAVE_AA
from fiberless.datasets.mock.histories import BULGE, OLD_DISK, YOUNG_DISK, formed_mass
from fiberless.datasets.mock.hyperparameters import Hyperparameters, shipped_population
from fiberless.datasets.mock.library import library_correction, ultraviolet_shape, young_correction
from fiberless.datasets.mock.nebular import (
    LINE_NAMES,
    LINE_WAVE_AA,
    SUN_CGS,
    agn_lines,
    lier_lines,
    star_forming_lines,
)
from fiberless.datasets.mock.population import Population

__all__ = ["Light", "attenuation_v", "fibre_continuum", "flux_scale", "shine"]

_HALPHA: Final = LINE_NAMES.index("Halpha")


@dataclass(frozen=True, eq=False)
class Light:
    """What N galaxies emit.

    Parameters
    ----------
    formed : (N, 3, A) M☉ formed per sheet and age bin
    line_flux : (N, 4, 31) line fluxes at Earth in 1e-17 erg / (s cm2), after dust: sheets and nucleus
    band_nmgy : (N, 4, 5) fluxes in nanomaggies of the three sheets and the nucleus, lines included

    """

    formed: FloatArray
    line_flux: FloatArray
    band_nmgy: FloatArray

    def take(self, rows: IntArray | BoolArray) -> "Light":
        """Rows of the light."""
        return Light(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def shine(
    rng: np.random.Generator, population: Population, ssp: SspGrid, *, fit: Hyperparameters | None = None
) -> Light:
    """Light of all galaxies of a population, with the correction of the library that `fit` holds."""
    formed = formed_mass(population, ssp)
    wide = _sheet_spectra(population, formed, ssp.flux_wide, WIDE_WAVE_AA, fit=fit or shipped_population())
    scale = flux_scale(population.redshift)
    line_flux = _lines(rng, population, formed=formed, ssp=ssp, wide=wide) * scale[:, None, None]
    band = _band_flux(population.redshift, wide * scale[:, None, None], line_flux)
    return Light(formed=formed, line_flux=line_flux, band_nmgy=band)


def flux_scale(redshift: FloatArray) -> FloatArray:
    """1e-17 erg/(s cm2) at Earth per L☉: for F_λ divide by (1+z) as well. (N,)"""
    return SUN_CGS / (4 * np.pi * luminosity_distance_cm(redshift) ** 2) * 1e17


def fibre_continuum(population: Population, light: Light, ssp: SspGrid, fraction: FloatArray) -> FloatArray:
    """Stellar light in the fibre, unbroadened.

    Parameters
    ----------
    fraction : (N, 3) share of each sheet's light inside the fibre

    Returns
    -------
    (N, 4022) float32, observed F_λ in 1e-17 erg / (s cm2 Å) on the rest-frame template grid

    """
    formed = light.formed * fraction[:, :, None]
    spectra = _sheet_spectra(population, formed, ssp.flux, TEMPLATE_WAVE_AA, fit=shipped_population()).sum(
        axis=1
    )
    scale = flux_scale(population.redshift) / (1 + population.redshift)
    continuum: FloatArray = spectra * scale[:, None].astype(np.float32)
    return continuum


def _attenuations(population: Population) -> FloatArray:
    """A_V of the diffuse screen before each sheet. (N, 3)"""
    av = population.diffuse_av
    return np.stack([av * population.bulge_av_share, av, av], axis=1)


def attenuation_v(population: Population) -> FloatArray:
    """A_V before each sheet and age bin, birth clouds included. (N, 3, A) mag"""
    clouded = AGE_EDGES_GYR[1:] <= BIRTH_CLOUD_GYR * (1 + 1e-9)
    is_young = np.arange(3) == YOUNG_DISK
    clouds = population.cloud_av[:, None, None] * (is_young[:, None] & clouded)
    attenuation: FloatArray = _attenuations(population)[..., None] + clouds
    return attenuation


def _sheet_spectra(
    population: Population,
    formed: FloatArray,
    ssp_flux: FloatArray,
    wave_aa: FloatArray,
    *,
    fit: Hyperparameters,
) -> FloatArray:
    """Attenuated spectra of the three sheets, L☉/Å at rest. (N, 3, L) float32"""
    n = len(formed)
    av = _attenuations(population)
    log_z = np.stack([population.log_z_bulge, population.log_z_disk, population.oxygen - 8.69], axis=1)
    clouded = AGE_EDGES_GYR[1:] <= BIRTH_CLOUD_GYR * (1 + 1e-9)
    metals = load_ssp().metallicity_weights(log_z)
    weights = (formed[..., None, :] * metals[..., :, None]).astype(np.float32)
    plain = (ssp_flux * young_correction(wave_aa, fit)).reshape(-1, ssp_flux.shape[-1])
    enhanced = (ssp_flux * library_correction(load_ssp().age_gyr, wave_aa, fit)).reshape(plain.shape)
    spectra = np.empty((n, 3, ssp_flux.shape[-1]), np.float32)
    # the attenuation curve of each galaxy, and what its old stars lack in the ultraviolet
    tilt = np.exp((population.dust_slope[:, None] * np.log(wave_aa / 5500.0)).astype(np.float32))
    screen = calzetti_curve(wave_aa).astype(np.float32) * tilt
    ultraviolet = np.float32(-0.921) * population.ultraviolet_mag[:, None].astype(np.float32)
    old = np.exp(ultraviolet * ultraviolet_shape(wave_aa).astype(np.float32))
    cloud = np.exp(-0.921 * population.cloud_av[:, None] * birth_cloud_curve(wave_aa)).astype(np.float32)
    for sheet in (BULGE, OLD_DISK, YOUNG_DISK):
        chosen = weights[:, sheet]
        is_enhanced = population.quiescent | (sheet == BULGE)
        for rows, matrix in ((is_enhanced, enhanced), (~is_enhanced, plain)):
            spectra[rows, sheet] = np.where(clouded, 0, chosen[rows]).reshape(-1, len(matrix)) @ matrix
        if sheet == YOUNG_DISK:
            spectra[:, sheet] += cloud * (np.where(clouded, chosen, 0).reshape(n, -1) @ plain)
        else:
            spectra[:, sheet] *= old
        spectra[:, sheet] *= np.exp(np.float32(-0.921) * av[:, sheet, None].astype(np.float32) * screen)
    return spectra


def _lines(
    rng: np.random.Generator, population: Population, *, formed: FloatArray, ssp: SspGrid, wide: FloatArray
) -> FloatArray:
    """Line luminosities after dust, L☉: three sheets and the nucleus. (N, 4, 31)"""
    gas = ssp.metallicity_weights(population.oxygen - 8.69)
    photons = np.einsum("na,nz,za->n", formed[:, YOUNG_DISK], gas, ssp.ionising_photons)
    at_halpha = int(np.searchsorted(WIDE_WAVE_AA, LINE_WAVE_AA[_HALPHA]))
    av = _attenuations(population)
    screen = calzetti_curve(LINE_WAVE_AA)
    cloud = np.exp(-0.921 * population.cloud_av[:, None] * birth_cloud_curve(LINE_WAVE_AA))
    h_ii = star_forming_lines(rng, population, photons) * cloud * np.exp(-0.921 * av[:, 2, None] * screen)
    # LIER emission is drawn relative to the attenuated continuum, whose dust it shares
    lier = [lier_lines(rng, population, wide[:, sheet, at_halpha]) for sheet in (BULGE, OLD_DISK)]
    nucleus = agn_lines(rng, population) * np.exp(-0.921 * 0.5 * av[:, 1, None] * screen)
    return np.stack([*lier, h_ii, nucleus], axis=1)


def _band_flux(redshift: FloatArray, spectra: FloatArray, line_flux: FloatArray) -> FloatArray:
    """Fluxes in nanomaggies of sheets and nucleus. (N, 4, 5)"""
    grid, table = _band_table()
    position = (redshift - grid[0]) / (grid[1] - grid[0])
    left = np.clip(position.astype(int), 0, len(grid) - 2)
    share = (position - left)[:, None, None]
    weights = ((1 - share) * table[left] + share * table[left + 1]).astype(np.float32)
    band = np.zeros((len(redshift), 4, N_BANDS))
    # dλ_obs = (1+z) dλ_rest cancels the 1/(1+z) of F_λ, so weights are taken per rest-frame Å
    band[:, :3] = spectra @ weights
    observed = LINE_WAVE_AA * (1 + redshift[:, None])
    density = np.stack([band_density(observed, name) for name in BANDS], axis=-1)
    return band + line_flux @ density


@cache
def _band_table() -> tuple[FloatArray, FloatArray]:
    """Band weights of the wide grid at steps of 0.001 in redshift: (Z,), (Z, 665, 5)."""
    grid = np.arange(0.0, 0.3505, 0.001)
    width = np.gradient(WIDE_WAVE_AA)
    rows = [[band_density(WIDE_WAVE_AA * (1 + z), band) * width for band in BANDS] for z in grid]
    return grid, np.moveaxis(np.array(rows), 1, 2)
