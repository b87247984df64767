"""Sizes and shapes of twins: simulated components stretched to a real half-light radius and axis ratio."""

from dataclasses import replace
from typing import Final

import numpy as np
from scipy.special import gammainc, gammaincinv

from fiberless.arrays import FloatArray
from fiberless.datasets.mock.population import Population

__all__ = ["draw_sizes", "half_light_radius", "seen_axis_ratio", "with_shape"]

_SIZE_RELATION: Final = np.array([0.3643, -0.162, -0.3202, 0.48])
"""lg R50 / arcsec = a + b (r − 17) + c (g−r − 0.8) + d (g−r − 0.8)², fitted to 2,415 real galaxies with
r < 17.77: source `curtin_gz1` of docs/sky.md."""
_SIZE_LEVELS: Final = np.array([0.0, 0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975, 1.0])
_SIZE_RESIDUAL: Final = np.array(
    [-0.528, -0.363, -0.220, -0.150, -0.099, -0.051, -0.005, 0.041, 0.094, 0.155, 0.240, 0.360, 0.488]
)
"""Quantiles of the same galaxies about the relation, dex."""
_YOUNG_OVER_OLD: Final = 1.15
_R_BAND: Final = 2
_HALVINGS: Final = 40
_THINNEST: Final = 0.15


def draw_sizes(rng: np.random.Generator, r_mag: FloatArray, g_r: FloatArray) -> FloatArray:
    """Half-light radii (N,) in arcsec of real galaxies of that magnitude and colour, at any redshift."""
    colour = g_r - 0.8
    terms = np.stack([np.ones_like(r_mag), r_mag - 17.0, colour, colour**2])
    residual = np.interp(rng.uniform(size=len(r_mag)), _SIZE_LEVELS, _SIZE_RESIDUAL)
    return 10 ** (_SIZE_RELATION @ terms + residual)


def half_light_radius(population: Population, band_nmgy: FloatArray) -> FloatArray:
    """Radius along the major axis that holds half of the light in r, the PSF left out.

    Parameters
    ----------
    band_nmgy : (N, 4, 5) fluxes of bulge, old disk, young disk and nucleus

    Returns
    -------
    (N,) arcsec

    """
    share = band_nmgy[..., _R_BAND] / band_nmgy[..., _R_BAND].sum(axis=1, keepdims=True)
    low, high = np.full(len(population), 1e-3), np.full(len(population), 1e3)
    for _ in range(_HALVINGS):
        middle = np.sqrt(low * high)
        short = _enclosed(population, share, middle) < 0.5
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    radius: FloatArray = np.sqrt(low * high)
    return radius


def _enclosed(population: Population, share: FloatArray, radius: FloatArray) -> FloatArray:
    """Share of the light inside ellipses of a major axis: Sérsic profiles (Graham & Driver 2005)."""
    disk = population.disk_r50
    sizes = (population.bulge_r50, disk, _YOUNG_OVER_OLD * disk)
    ones = np.ones(len(disk))
    indices = (population.bulge_sersic, ones, ones)
    inside = share[:, 3].copy()
    for sheet, (r50, n) in enumerate(zip(sizes, indices, strict=True)):
        x = gammaincinv(2 * n, 0.5) * (radius / r50) ** (1 / n)
        inside += share[:, sheet] * gammainc(2 * n, x)
    return inside


def seen_axis_ratio(population: Population, band_nmgy: FloatArray) -> FloatArray:
    """Axis ratio (N,): mean of bulge and disk, weighted with their light in r."""
    bulge = _bulge_share(band_nmgy)
    ratio: FloatArray = bulge * population.bulge_axis_ratio + (1 - bulge) * population.disk_axis_ratio
    return ratio


def with_shape(
    population: Population, band_nmgy: FloatArray, r50_arcsec: FloatArray, axis_ratio: FloatArray
) -> Population:
    """The same galaxies with other half-light radii and axis ratios; of NaN ones the galaxy's own is kept.

    All components are stretched alike; the bulge stays as much rounder than the disk as it was, until that
    is as thin as disks are.

    Parameters
    ----------
    r50_arcsec, axis_ratio : (N,) as `half_light_radius` and `seen_axis_ratio` define them

    """
    stretch = r50_arcsec / half_light_radius(population, band_nmgy)
    stretch = np.where(np.isfinite(stretch), stretch, 1.0)
    ratio = np.where(np.isfinite(axis_ratio), axis_ratio, seen_axis_ratio(population, band_nmgy))
    # flattening 1 − b/a is shared out between bulge and disk
    bulge = _bulge_share(band_nmgy)
    rounder = (1 - population.bulge_axis_ratio) / np.maximum(1 - population.disk_axis_ratio, 1e-3)
    flattening = (1 - ratio) / (1 - bulge + bulge * np.clip(rounder, 0.0, 1.0))
    disk = np.clip(1 - flattening, _THINNEST, 1.0)
    left = (1 - ratio) - (1 - bulge) * (1 - disk)
    of_bulge = 1 - np.divide(left, bulge, out=np.zeros_like(left), where=bulge > 1e-6)
    return replace(
        population,
        disk_r50=population.disk_r50 * stretch,
        bulge_r50=population.bulge_r50 * stretch,
        disk_axis_ratio=disk,
        bulge_axis_ratio=np.clip(of_bulge, _THINNEST, 1.0),
    )


def _bulge_share(band_nmgy: FloatArray) -> FloatArray:
    light = band_nmgy[:, :3, _R_BAND]
    share: FloatArray = light[:, 0] / light.sum(axis=1)
    return share
