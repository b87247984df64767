"""Physical quantities that a latent carries beside the spectrum: how they are written there, and read back.

Whole-galaxy quantities are written relative to the r-band luminosity inside 7", so that a candidate's mass
goes with its redshift.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Final, Self

import numpy as np

from fiberless.arrays import FloatArray, IntArray
from fiberless.astro.cosmology import luminosity_distance_cm
from fiberless.datasets.shards import ShardSet

__all__ = ["MIN_LOG_SSFR", "PHYSICAL_NAMES", "PhysicalQuantities", "absolute", "reduced", "true_physical"]


@dataclass(frozen=True, eq=False)
class PhysicalQuantities:
    """Physical quantities of galaxies or of their candidates: arrays of one shape; NaN where unknown.

    The order of the fields is that of the latent, an on-disk format: add at the end, never rename.

    Parameters
    ----------
    log_sigma : lg σ* / (km/s)
    log_age, metallicity : lg age / Gyr and [M/H], weighted by the fibre's light at 5070–5950 Å rest
    av : A_V of that light, mag
    log_stellar_mass, log_sfr : lg living stellar mass / M☉ and lg SFR / (M☉/yr) of the whole galaxy
    oxygen : 12 + lg O/H
    log_age_mass, metallicity_mass : lg age / Gyr and [M/H], by the mass formed of the fibre's stars
    log_ml_living, log_ml_formed : lg of their living and of their formed mass over their light before dust,
        M☉ / L☉ in SDSS r

    """

    log_sigma: FloatArray
    log_age: FloatArray
    metallicity: FloatArray
    av: FloatArray
    log_stellar_mass: FloatArray
    log_sfr: FloatArray
    oxygen: FloatArray
    log_age_mass: FloatArray
    metallicity_mass: FloatArray
    log_ml_living: FloatArray
    log_ml_formed: FloatArray

    @classmethod
    def of_columns(cls, columns: FloatArray) -> Self:
        """Quantities (...) of an array (..., 11)."""
        return cls(*np.moveaxis(columns, -1, 0))

    def columns(self) -> FloatArray:
        """All quantities as one array (..., 11) float64."""
        return np.stack(
            [np.asarray(getattr(self, name), dtype=np.float64) for name in PHYSICAL_NAMES], axis=-1
        )

    def named(self) -> Mapping[str, FloatArray]:
        """The fields by name."""
        return MappingProxyType(vars(self))

    def __getitem__(self, rows: slice | IntArray) -> Self:
        return type(self)(*(values[rows] for values in vars(self).values()))


PHYSICAL_NAMES: Final = tuple(field.name for field in fields(PhysicalQuantities))
"""Names of the quantities in the order of the latent."""
MIN_LOG_SSFR: Final = -13.0
"""Specific star-formation rates below 1e-13 / yr are no longer told apart."""
_TRUTH: Final = MappingProxyType(
    {
        "log_sigma": "sigma_star",
        "log_age": "log_age_light",
        "metallicity": "log_z_light",
        "av": "av_light",
        "log_stellar_mass": "log_stellar_mass",
        "log_sfr": "log_sfr",
        "oxygen": "oxygen",
        "log_age_mass": "log_age_mass",
        "metallicity_mass": "log_z_mass",
        "log_ml_living": "log_ml_living_r",
        "log_ml_formed": "log_ml_formed_r",
    }
)


def reduced(values: PhysicalQuantities, redshift: FloatArray, r_total_nmgy: FloatArray) -> FloatArray:
    """Write quantities as the latent holds them: mass over light, SFR over mass, formed over living mass.

    Parameters
    ----------
    values : (N,) each
    redshift : (N,)
    r_total_nmgy : (N,) positive r flux inside 7"

    Returns
    -------
    (N, 11) float64

    """
    written = replace(
        values,
        log_sfr=np.maximum(values.log_sfr - values.log_stellar_mass, MIN_LOG_SSFR),
        log_stellar_mass=values.log_stellar_mass - _log_light(redshift, r_total_nmgy),
        log_ml_formed=values.log_ml_formed - values.log_ml_living,
    )
    return written.columns()


def absolute(columns: FloatArray, redshift: FloatArray, r_total_nmgy: FloatArray) -> PhysicalQuantities:
    """Invert `reduced`; A_V is not negative, and no more mass lives than was formed.

    Parameters
    ----------
    columns : (..., 11)
    redshift, r_total_nmgy : broadcastable to (...)

    """
    read = PhysicalQuantities.of_columns(columns)
    mass = read.log_stellar_mass + _log_light(redshift, r_total_nmgy)
    return replace(
        read,
        log_stellar_mass=mass,
        log_sfr=np.maximum(read.log_sfr, MIN_LOG_SSFR) + mass,
        av=np.maximum(read.av, 0.0),
        log_ml_formed=read.log_ml_living + np.maximum(read.log_ml_formed, 0.0),
    )


def true_physical(data: ShardSet, *, limit: int | None = None) -> PhysicalQuantities:
    """True quantities (N,) of a data set's galaxies, as `absolute` gives them; NaN where it does not know."""
    known = set(data.info.truth_names)
    n = len(data) if limit is None else min(limit, len(data))
    found = PhysicalQuantities(
        *(
            data.truth(_TRUTH[name], limit=limit) if _TRUTH[name] in known else np.full(n, np.nan)
            for name in PHYSICAL_NAMES
        )
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        log_sigma = np.log10(found.log_sigma)
    log_sfr = np.maximum(found.log_sfr, found.log_stellar_mass + MIN_LOG_SSFR)
    return replace(found, log_sigma=log_sigma, log_sfr=log_sfr)


def _log_light(redshift: FloatArray, r_total_nmgy: FloatArray) -> FloatArray:
    """lg of flux in nmgy times the squared luminosity distance in Gpc."""
    distance_gpc = luminosity_distance_cm(np.asarray(redshift)) / 3.0856775814913673e27
    light: FloatArray = np.log10(r_total_nmgy) + 2 * np.log10(distance_gpc)
    return light
