"""Absorption indices of the Lick system, of many spectra at once, at the spectra's own resolution."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from astropy.table import Table

from fiberless.analysis.indices.breaks import MIN_COVERAGE
from fiberless.analysis.rebinning import BinnedFlux, PixelFlux
from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import air_to_vacuum

__all__ = [
    "COMPOSED_OF",
    "COMPOSITES",
    "IndexBands",
    "LickValues",
    "composites",
    "index_bands",
    "lick_index",
    "lick_indices",
]

_PART_AA: Final = 1.25

COMPOSED_OF: Final = ("Mgb", "Fe5270", "Fe5335")
COMPOSITES: Final = ("MgFe_prime", "mean_Fe")
"""What `composites` gives, of `COMPOSED_OF`."""


class IndexBands(NamedTuple):
    """Bands of an index, each (2,) rest-frame vacuum Å, and its unit, "Angstrom" or "mag"."""

    feature_aa: FloatArray
    blue_aa: FloatArray
    red_aa: FloatArray
    unit: str


@dataclass(frozen=True, eq=False)
class LickValues:
    """Indices of N spectra in the order of `names`: values (N, I) and standard deviations (N, I) or None."""

    names: tuple[str, ...]
    value: FloatArray
    error: FloatArray | None

    def of(self, name: str) -> FloatArray:
        """Values (N,) of one index."""
        return self.value[:, self.names.index(name)]

    def with_composites(self) -> "LickValues":
        """The same and, at the end, `COMPOSITES`; these have no errors of their own (NaN)."""
        added = np.stack(composites(*(self.of(name) for name in COMPOSED_OF)), axis=-1)
        value = np.concatenate([self.value, added], axis=-1)
        unknown = np.full(added.shape, np.nan)
        error = None if self.error is None else np.concatenate([self.error, unknown], axis=-1)
        return LickValues((*self.names, *COMPOSITES), value, error)


@cache
def index_bands() -> MappingProxyType[str, IndexBands]:
    """Bands of all indices of `tables/lick.ecsv` by name, taken from air to vacuum."""
    table = Table.read(str(files("fiberless.analysis") / "tables" / "lick.ecsv"), format="ascii.ecsv")
    columns = ("lower", "upper", "blue_lower", "blue_upper", "red_lower", "red_upper")
    edges = {
        str(row["name"]): air_to_vacuum(np.array([row[column] for column in columns], dtype=np.float64))
        for row in table
    }
    units = {str(row["name"]): str(row["unit"]) for row in table}
    return MappingProxyType({name: _bands(values, units[name]) for name, values in edges.items()})


def _bands(edges_aa: FloatArray, unit: str) -> IndexBands:
    feature, blue, red = np.split(edges_aa, 3)
    return IndexBands(feature, blue, red, unit)


def lick_index(pixels: PixelFlux, redshift: FloatArray, name: str) -> FloatArray:
    """One index (N,) of `lick_indices`; KeyError if the name is unknown."""
    index_bands()[name]
    return lick_indices(pixels, redshift, names=(name,)).value[:, 0]


def lick_indices(
    pixels: PixelFlux, redshift: FloatArray, *, names: tuple[str, ...] | None = None
) -> LickValues:
    """Indices: W = ∫ (1 − F/C) dλ, absorption positive, or −2.5 lg (∫ F/C dλ / Δλ) for molecular bands.

    C is the line through the side bands' means. Source: Worthey et al. 1994, ApJS 94, 687, eqs. 1–3. Nothing
    is smoothed to the Lick resolution, and emission inside a band is not removed here. What is missing of a
    band is taken to be like the rest of it.

    Parameters
    ----------
    pixels : N spectra; with an inverse variance, errors are propagated through band and continuum
    redshift : (N,)
    names : of `index_bands`; default: all

    Returns
    -------
    LickValues, rest-frame Å or mag; NaN where less than 95 % of a band is valid or the continuum is not
    positive

    """
    chosen = tuple(index_bands()) if names is None else names
    edges_aa, plans = _plan(chosen)
    with np.errstate(invalid="ignore"):
        binned = pixels.rebin(edges_aa * (1 + redshift[:, None]))
    results = [_index(binned, plan) for plan in plans]
    value = np.stack([item[0] for item in results], axis=-1)
    errors = [item[1] for item in results if item[1] is not None]
    return LickValues(chosen, value, np.stack(errors, axis=-1) if errors else None)


def composites(mgb: FloatArray, fe5270: FloatArray, fe5335: FloatArray) -> tuple[FloatArray, FloatArray]:
    """[MgFe]' = √(Mgb (0.72 Fe5270 + 0.28 Fe5335)) (Thomas+03, MNRAS 339, 897) and <Fe>, the mean of both.

    Parameters
    ----------
    mgb, fe5270, fe5335 : (N,) Å; [MgFe]' is NaN where the product is negative

    """
    product = mgb * (0.72 * fe5270 + 0.28 * fe5335)
    mgfe: FloatArray = np.sqrt(np.where(product >= 0, product, np.nan))
    mean: FloatArray = (fe5270 + fe5335) / 2
    return mgfe, mean


class _Band(NamedTuple):
    """Which bins make a band, their widths (P,) and the band's middle, all rest-frame Å."""

    bins: slice
    width_aa: FloatArray
    middle_aa: float

    def mean(self, binned: BinnedFlux) -> tuple[FloatArray, FloatArray]:
        """Mean flux (N,), NaN where not covered, and its variance (N,), 0 without an inverse variance."""
        weight = binned.coverage[:, self.bins] * self.width_aa
        total = weight.sum(axis=1)
        known = total >= MIN_COVERAGE * self.width_aa.sum()
        total = np.where(known, total, np.nan)
        mean = np.einsum("np,np->n", weight, binned.flux[:, self.bins]) / total
        variance = np.einsum("np,np->n", weight**2, _variance(binned, self.bins)) / total**2
        return mean, variance


class _Plan(NamedTuple):
    """What an index needs of the common bins: its bands and where each bin of the feature lies."""

    feature: _Band
    blue: _Band
    red: _Band
    place: FloatArray
    unit: str


@cache
def _plan(names: tuple[str, ...]) -> tuple[FloatArray, tuple[_Plan, ...]]:
    """Borders (P + 1,) of common bins, rest-frame vacuum Å, and for each index how to use them."""
    bands = [index_bands()[name] for name in names]
    pieces = [edge for item in bands for edge in (item.blue_aa, item.red_aa, _parts(item.feature_aa))]
    edges_aa = np.unique(np.concatenate(pieces))
    return edges_aa, tuple(_plan_of(edges_aa, item) for item in bands)


def _parts(band_aa: FloatArray) -> FloatArray:
    count = int(np.ceil((band_aa[1] - band_aa[0]) / _PART_AA))
    parts: FloatArray = np.linspace(band_aa[0], band_aa[1], count + 1)
    return parts


def _plan_of(edges_aa: FloatArray, bands: IndexBands) -> _Plan:
    feature, blue, red = (_band(edges_aa, item) for item in bands[:3])
    middles_aa = (edges_aa[1:] + edges_aa[:-1])[feature.bins] / 2
    place = (middles_aa - blue.middle_aa) / (red.middle_aa - blue.middle_aa)
    return _Plan(feature, blue, red, place, bands.unit)


def _band(edges_aa: FloatArray, band_aa: FloatArray) -> _Band:
    first, last = np.searchsorted(edges_aa, band_aa)
    return _Band(slice(first, last), np.diff(edges_aa)[first:last], float(band_aa.mean()))


def _index(binned: BinnedFlux, plan: _Plan) -> tuple[FloatArray, FloatArray | None]:
    """Index (N,) and its standard deviation."""
    # continuum: the line through the side bands (equation 1)
    (blue, blue_variance), (red, red_variance) = plan.blue.mean(binned), plan.red.mean(binned)
    continuum = blue[:, None] + (red - blue)[:, None] * plan.place
    weight = binned.coverage[:, plan.feature.bins] * plan.feature.width_aa
    full, covered = plan.feature.width_aa.sum(), weight.sum(axis=1)
    known = (covered >= MIN_COVERAGE * full) & (continuum > 0).all(axis=1)
    continuum = np.where(known[:, None], continuum, 1.0)
    # area under the feature in units of the continuum (equations 2 and 3)
    scaled = weight / continuum * np.where(known, full / np.maximum(covered, 1e-9), np.nan)[:, None]
    parts = scaled * binned.flux[:, plan.feature.bins]
    area = parts.sum(axis=1)
    if binned.ivar is None:
        return _in_unit(area, full, plan.unit), None
    # error terms: pixels of the feature, then of either side band
    slope = parts / continuum
    variance = np.einsum("np,np->n", scaled**2, _variance(binned, plan.feature.bins))
    variance += (slope @ (1 - plan.place)) ** 2 * blue_variance + (slope @ plan.place) ** 2 * red_variance
    return _in_unit(area, full, plan.unit), _error_in_unit(np.sqrt(variance), area, plan.unit)


def _in_unit(area: FloatArray, full: float, unit: str) -> FloatArray:
    if unit == "Angstrom":
        return full - area
    return -2.5 * np.log10(np.where(area > 0, area, np.nan) / full)


def _error_in_unit(error: FloatArray, area: FloatArray, unit: str) -> FloatArray:
    return error if unit == "Angstrom" else 2.5 / np.log(10) * error / np.where(area > 0, area, np.nan)


def _variance(binned: BinnedFlux, bins: slice) -> FloatArray:
    """Variance of the bins' fluxes, 0 where unknown."""
    if binned.ivar is None:
        return np.zeros_like(binned.flux[:, bins])
    ivar = binned.ivar[:, bins]
    return np.divide(1.0, ivar, out=np.zeros_like(ivar), where=ivar > 0)
