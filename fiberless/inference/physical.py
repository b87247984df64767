"""Physical quantities that a latent carries beside the spectrum: how they are written there, and read back.

Whole-galaxy quantities are written relative to the r-band luminosity inside 7", so that a candidate's mass
goes with its redshift.
"""

from types import MappingProxyType
from typing import Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.astro.cosmology import luminosity_distance_cm
from fiberless.datasets.shards import ShardSet

__all__ = ["MIN_LOG_SSFR", "PHYSICAL_NAMES", "absolute", "reduced", "true_physical"]

PHYSICAL_NAMES: Final = (
    "log_sigma",
    "log_age",
    "metallicity",
    "av",
    "log_stellar_mass",
    "log_sfr",
    "oxygen",
    "log_age_mass",
    "metallicity_mass",
    "log_ml_living",
    "log_ml_formed",
)
"""lg σ* / (km/s); lg age / Gyr and [M/H], weighted by the fibre's light at 5070–5950 Å rest; A_V of that
light in mag; lg living stellar mass / M☉ and lg SFR / (M☉/yr) of the whole galaxy; 12 + lg O/H; lg age / Gyr
and [M/H] weighted by the mass formed of the fibre's stars; lg of their living and of their formed mass over
their light before dust, M☉ / L☉ in SDSS r."""
MIN_LOG_SSFR: Final = -13.0
"""Specific star-formation rates below 1e-13 / yr are no longer told apart."""
_MASS, _SFR, _LIVING, _FORMED = (
    PHYSICAL_NAMES.index(name) for name in ("log_stellar_mass", "log_sfr", "log_ml_living", "log_ml_formed")
)
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


def reduced(values: dict[str, FloatArray], redshift: FloatArray, r_total_nmgy: FloatArray) -> FloatArray:
    """Write quantities as the latent holds them: mass over light, SFR over mass, formed over living mass.

    Parameters
    ----------
    values : {name: (N,)} for each of `PHYSICAL_NAMES`; NaN where unknown
    redshift : (N,)
    r_total_nmgy : (N,) positive r flux inside 7"

    Returns
    -------
    (N, 11) float64

    """
    columns = np.stack([np.asarray(values[name], dtype=np.float64) for name in PHYSICAL_NAMES], axis=-1)
    columns[..., _SFR] = np.maximum(columns[..., _SFR] - columns[..., _MASS], MIN_LOG_SSFR)
    columns[..., _MASS] -= _log_light(redshift, r_total_nmgy)
    columns[..., _FORMED] -= columns[..., _LIVING]
    return columns


def absolute(columns: FloatArray, redshift: FloatArray, r_total_nmgy: FloatArray) -> dict[str, FloatArray]:
    """Invert `reduced`; A_V is not negative, and no more mass lives than was formed.

    Parameters
    ----------
    columns : (..., 11)
    redshift, r_total_nmgy : broadcastable to (...)

    Returns
    -------
    {name: (...) float64}

    """
    mass = columns[..., _MASS] + _log_light(redshift, r_total_nmgy)
    values = {name: columns[..., i] for i, name in enumerate(PHYSICAL_NAMES)}
    ssfr = np.maximum(columns[..., _SFR], MIN_LOG_SSFR)
    formed = values["log_ml_living"] + np.maximum(values["log_ml_formed"], 0.0)
    return values | {
        "log_stellar_mass": mass,
        "log_sfr": ssfr + mass,
        "av": np.maximum(values["av"], 0.0),
        "log_ml_formed": formed,
    }


def true_physical(data: ShardSet, *, limit: int | None = None) -> dict[str, FloatArray]:
    """True quantities of a data set's galaxies, as `absolute` gives them; NaN where the set does not know.

    Returns
    -------
    {name: (N,) float64}

    """
    known = set(data.info.truth_names)
    n = len(data) if limit is None else min(limit, len(data))
    values = {
        name: data.truth(column, limit=limit) if column in known else np.full(n, np.nan)
        for name, column in _TRUTH.items()
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        values["log_sigma"] = np.log10(values["log_sigma"])
    values["log_sfr"] = np.maximum(values["log_sfr"], values["log_stellar_mass"] + MIN_LOG_SSFR)
    return values


def _log_light(redshift: FloatArray, r_total_nmgy: FloatArray) -> FloatArray:
    """lg of flux in nmgy times the squared luminosity distance in Gpc."""
    distance_gpc = luminosity_distance_cm(np.asarray(redshift)) / 3.0856775814913673e27
    light: FloatArray = np.log10(r_total_nmgy) + 2 * np.log10(distance_gpc)
    return light
