"""Twins: images of real galaxies from their catalogues, made by the simulator's own renderer.

Each twin takes its components from the simulated galaxy of nearest magnitude and colours, never by redshift;
fluxes, half-light radius and axis ratio are then set to the real ones (docs/sky.md).
"""

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from scipy.spatial import cKDTree

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.astro.bands import magnitude
from fiberless.astro.extinction import transmission
from fiberless.astro.ssp import load_ssp
from fiberless.datasets.mock.images import render, shape_sheets
from fiberless.datasets.mock.light import Light, shine
from fiberless.datasets.mock.population import Population, draw_population
from fiberless.evaluation.sky.twin_shapes import draw_sizes, half_light_radius, seen_axis_ratio, with_shape

__all__ = ["CataloguedGalaxies", "Donors", "Images", "draw_donors", "image_galaxies", "image_twins", "listed"]

_DRAWN: Final = 500
_CHUNK: Final = 50
_NEAREST: Final = 5
_COLOUR_SCALES: Final = np.array([0.08, 0.03, 0.025, 0.03])
_R_SCALE: Final = 0.4
_FAINTEST: Final = 18.2
_EBV_ERROR: Final = 0.10


@dataclass(frozen=True, eq=False)
class CataloguedGalaxies:
    """What twins are made of; N galaxies.

    Parameters
    ----------
    magnitudes : (N, 5) ugriz, corrected for the Galaxy's dust
    r50_arcsec, axis_ratio : (N,) in r, the PSF taken out; NaN where not known
    ebv : (N,) mag, E(B−V) of the map; NaN where not known

    """

    magnitudes: FloatArray
    r50_arcsec: FloatArray
    axis_ratio: FloatArray
    ebv: FloatArray

    def __len__(self) -> int:
        return len(self.ebv)

    def without_shapes(self) -> "CataloguedGalaxies":
        """The same galaxies in a catalogue without sizes."""
        unknown = np.full(len(self), np.nan)
        return CataloguedGalaxies(self.magnitudes, unknown, unknown, self.ebv)


@dataclass(frozen=True, eq=False)
class Donors:
    """Simulated galaxies with r < 18.2: their parameters and their light."""

    population: Population
    light: Light

    def __len__(self) -> int:
        return len(self.population)

    def take(self, rows: IntArray | BoolArray) -> "Donors":
        """Rows of the sample."""
        return Donors(self.population.take(rows), self.light.take(rows))

    def magnitudes(self) -> FloatArray:
        """Noiseless totals (N, 5)."""
        return magnitude(self.light.band_nmgy.sum(axis=1))


@dataclass(frozen=True, eq=False)
class Images:
    """(N, 5, 64, 64) float32 nanomaggies, behind E(B−V) = ebv (N,) of the map."""

    flux_nmgy: FloatArray
    ebv: FloatArray


def draw_donors(seed: int | list[int], n: int) -> Donors:
    """Draw n simulated galaxies with r < 18.2, half a millisecond each."""
    rng = np.random.default_rng(seed)
    parts: list[Donors] = []
    while sum(map(len, parts)) < n:
        population = draw_population(rng, _DRAWN)
        drawn = Donors(population, shine(rng, population, load_ssp()))
        parts.append(drawn.take(drawn.magnitudes()[:, 2] < _FAINTEST))
    joined = Donors(
        Population(**_columns([part.population for part in parts])),
        Light(**_columns([part.light for part in parts])),
    )
    return joined.take(np.arange(n))


def _columns(parts: list[Population] | list[Light]) -> dict[str, Any]:
    return {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(parts[0])}


def listed(rng: np.random.Generator, galaxies: Donors) -> tuple[CataloguedGalaxies, FloatArray]:
    """Simulated galaxies as a noiseless catalogue has them, and their true E(B−V) (N,), mapped to 10 %."""
    population, band = galaxies.population, galaxies.light.band_nmgy
    true_ebv = population.ebv * rng.lognormal(0, _EBV_ERROR, len(population))
    seen = band.sum(axis=1) * transmission(true_ebv) / transmission(population.ebv)
    catalogue = CataloguedGalaxies(
        magnitudes=magnitude(seen),
        r50_arcsec=half_light_radius(population, band),
        axis_ratio=seen_axis_ratio(population, band),
        ebv=population.ebv,
    )
    return catalogue, true_ebv


def image_galaxies(rng: np.random.Generator, galaxies: Donors, true_ebv: FloatArray) -> Images:
    """Images of simulated galaxies themselves."""
    flux = galaxies.light.band_nmgy * transmission(true_ebv)[:, None]
    return Images(_rendered(rng, galaxies.population, flux), galaxies.population.ebv)


def image_twins(rng: np.random.Generator, catalogue: CataloguedGalaxies, donors: Donors) -> Images:
    """Images of twins of the galaxies of a catalogue.

    Where the catalogue has no size, one is drawn by r and g−r; where it has no axis ratio or E(B−V), the
    donor's is kept.
    """
    chosen = donors.take(_nearest(rng, catalogue.magnitudes, donors))
    band = _with_totals(chosen.light.band_nmgy, catalogue.magnitudes)
    r_mag, g_r = catalogue.magnitudes[:, 2], catalogue.magnitudes[:, 1] - catalogue.magnitudes[:, 2]
    drawn = draw_sizes(rng, r_mag, g_r)
    r50 = np.where(np.isfinite(catalogue.r50_arcsec), catalogue.r50_arcsec, drawn)
    population = with_shape(chosen.population, band, r50, catalogue.axis_ratio)
    ebv = np.where(np.isfinite(catalogue.ebv), catalogue.ebv, population.ebv)
    return Images(_rendered(rng, population, band * transmission(ebv)[:, None]), ebv)


def _nearest(rng: np.random.Generator, magnitudes: FloatArray, donors: Donors) -> IntArray:
    """One of the five donors that are nearest in r and the four colours. (N,)"""
    tree = cKDTree(_place(donors.magnitudes()))
    _, rows = tree.query(_place(magnitudes), k=_NEAREST)
    chosen: IntArray = rows[np.arange(len(rows)), rng.integers(0, _NEAREST, len(rows))]
    return chosen


def _place(magnitudes: FloatArray) -> FloatArray:
    return np.column_stack([magnitudes[:, 2] / _R_SCALE, -np.diff(magnitudes, axis=1) / _COLOUR_SCALES])


def _with_totals(band_nmgy: FloatArray, magnitudes: FloatArray) -> FloatArray:
    """Fluxes (N, 4, 5) of the components, band by band scaled to the totals of (N, 5) magnitudes."""
    total = 10 ** (0.4 * (22.5 - magnitudes))
    scaled: FloatArray = band_nmgy * (total / band_nmgy.sum(axis=1))[:, None]
    return scaled


def _rendered(rng: np.random.Generator, population: Population, band_nmgy: FloatArray) -> FloatArray:
    chunks = []
    for start in range(0, len(population), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(population)))
        chunks.append(render(rng, shape_sheets(rng, population.take(rows)), band_nmgy[rows]))
    return np.concatenate(chunks)
