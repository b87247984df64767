"""Emission lines of the simulated survey: intrinsic luminosities per sheet, before dust.

Line ratios follow the science page: star formation after Kewley et al. (2013), never the Cloudy grids, which
lie above the Kauffmann curve at solar metallicity and more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.astro.lines import (
    BALMER_DECREMENT,
    HELIUM_SHARES,
    NEIII_BLEND_SHARE,
    NII_DOUBLET_RATIO,
    OII_AURORAL_RATIO,
    OIII_DOUBLET_RATIO,
    all_lines,
)
from fiberless.datasets.mock.population import SEYFERT, Population

__all__ = ["LINE_NAMES", "LINE_WAVE_AA", "agn_lines", "lier_lines", "star_forming_lines"]

LINE_NAMES: Final = tuple(all_lines())
LINE_WAVE_AA: Final = np.array([known.wave_aa for known in all_lines().values()])
RATIO_SCATTER: Final = 1.5
"""By how much ratios scatter more than in the relations cited, as real spectra were seen to do."""
HALPHA_ERG_PER_PHOTON: Final = 1.37e-12
"""Case B, 10^4 K: L(Hα) = 1.37e-12 erg × Q(H) (Osterbrock & Ferland 2006)."""
IONISING_SHARE: Final = 0.72
SUN_CGS: Final = 3.828e33


@dataclass(frozen=True)
class _Ratios:
    """Logarithms of line ratios, each (N,): of [N II], [S II], [O I], [O II] to Hα, of the others to Hβ."""

    n2: FloatArray
    o3: FloatArray
    s2: FloatArray
    o1: FloatArray
    o2: FloatArray
    he2: FloatArray
    n1: FloatArray


def star_forming_lines(rng: np.random.Generator, population: Population, photons: FloatArray) -> FloatArray:
    """H II regions.

    Parameters
    ----------
    photons : (N,) hydrogen-ionising photons per second of the young disk

    Returns
    -------
    (N, 31) luminosities in L☉ in the order of `LINE_NAMES`

    """
    n = len(population)
    spread = _spread(rng, n)
    oxygen = population.oxygen
    n2 = np.minimum(-0.55 + 1.25 * (oxygen - 8.95) + spread(0.06), -0.33)
    o3 = np.maximum(0.61 / np.minimum(n2 + 0.08, -0.2) + 1.10 + spread(0.09), -0.85)
    ratios = _Ratios(
        n2=n2,
        o3=o3,
        s2=-0.45 - 0.25 * np.abs(n2 + 0.6) + spread(0.05),
        o1=-1.45 + 0.3 * o3 + spread(0.10),
        o2=np.clip(0.12 - 0.75 * (oxygen - 8.7), -0.6, 0.3) + spread(0.08),
        he2=-2.3 + spread(0.05),
        n1=-2.2 + spread(0.05),
    )
    halpha = IONISING_SHARE * HALPHA_ERG_PER_PHOTON * photons / SUN_CGS
    return _assemble(rng, halpha, ratios, halpha_over_hbeta=BALMER_DECREMENT["Halpha"])


def agn_lines(rng: np.random.Generator, population: Population) -> FloatArray:
    """Narrow-line regions, set by L([O III]); zero where there is no AGN. (N, 31) L☉"""
    n = len(population)
    spread = _spread(rng, n)
    seyfert = population.agn == SEYFERT
    o3 = np.where(seyfert, 0.75, 0.25) + spread(0.13)
    ratios = _Ratios(
        n2=np.where(seyfert, -0.05, 0.05) + spread(0.11),
        o3=o3,
        s2=np.where(seyfert, -0.22, -0.02) + spread(0.10),
        o1=np.where(seyfert, -0.95, -0.70) + spread(0.12),
        o2=np.where(seyfert, -0.05, 0.20) + spread(0.12),
        he2=np.where(seyfert, -0.8, -1.2) + spread(0.05),
        n1=-1.2 + spread(0.05),
    )
    halpha = 3.1 * 10 ** (population.log_l_oiii - o3)
    return _assemble(rng, halpha, ratios, halpha_over_hbeta=3.1)


def lier_lines(rng: np.random.Generator, population: Population, continuum_halpha: FloatArray) -> FloatArray:
    """Weak LINER-like emission of old stars, scaled by an equivalent width in Hα (Belfiore et al. 2016).

    Parameters
    ----------
    continuum_halpha : (N,) continuum of the sheet at Hα, L☉ / Å

    """
    spread = _spread(rng, len(population))
    ratios = _Ratios(
        n2=spread(0.1),
        o3=0.2 + spread(0.1),
        s2=spread(0.1),
        o1=-0.75 + spread(0.1),
        o2=0.2 + spread(0.1),
        he2=-1.3 + spread(0.05),
        n1=-1.2 + spread(0.05),
    )
    halpha = 10**population.log_ew_lier * continuum_halpha
    return _assemble(rng, halpha, ratios, halpha_over_hbeta=BALMER_DECREMENT["Halpha"])


def _spread(rng: np.random.Generator, n: int) -> Callable[[float], FloatArray]:
    """Draw of normal deviates (N,) about a relation with the scatter cited for it, in dex."""
    return lambda scatter: rng.normal(0, RATIO_SCATTER * scatter, n)


def _assemble(
    rng: np.random.Generator, halpha: FloatArray, ratios: _Ratios, *, halpha_over_hbeta: float
) -> FloatArray:
    """All lines from Hα and the ratios; neon, helium and the [S II] doublet scatter by themselves."""
    n = len(halpha)
    hbeta = halpha / halpha_over_hbeta
    luminosity = {name: hbeta * ratio for name, ratio in BALMER_DECREMENT.items()}
    luminosity["Halpha"] = halpha
    luminosity |= _oxygen_lines(halpha, hbeta, ratios)
    luminosity["NeIII_3870"] = 0.09 * luminosity["OIII_5008"] * 10 ** rng.normal(0, 0.15, n)
    luminosity["NeIII_3969"] = NEIII_BLEND_SHARE * luminosity["NeIII_3870"]
    luminosity["NII_6585"] = halpha * 10**ratios.n2
    luminosity["NII_6550"] = luminosity["NII_6585"] / NII_DOUBLET_RATIO
    sii, bluer = halpha * 10**ratios.s2, np.clip(rng.normal(0.57, 0.02, n), 0.45, 0.59)
    luminosity["SII_6718"], luminosity["SII_6733"] = bluer * sii, (1 - bluer) * sii
    helium = 0.12 * hbeta * 10 ** rng.normal(0, 0.08, n)
    luminosity["HeI_5877"] = helium
    luminosity |= {name: share * helium for name, share in HELIUM_SHARES.items()}
    luminosity["HeII_4687"], luminosity["NI_5201"] = hbeta * 10**ratios.he2, hbeta * 10**ratios.n1
    luminosity["ArIII_7138"], luminosity["SIII_6314"] = 0.015 * halpha, 0.004 * halpha
    return np.stack([luminosity[name] for name in LINE_NAMES], axis=-1)


def _oxygen_lines(halpha: FloatArray, hbeta: FloatArray, ratios: _Ratios) -> dict[str, FloatArray]:
    oiii, oi, oii = hbeta * 10**ratios.o3, halpha * 10**ratios.o1, halpha * 10**ratios.o2
    return {
        "OIII_5008": oiii,
        "OIII_4960": oiii / OIII_DOUBLET_RATIO,
        "OIII_4364": 0.006 * oiii,
        "OI_6302": oi,
        "OI_6365": oi / 3.0,
        "OII_3727": 0.42 * oii,
        "OII_3730": 0.58 * oii,
        "OII_7322": 0.012 * oii,
        "OII_7332": 0.012 / OII_AURORAL_RATIO * oii,
    }
