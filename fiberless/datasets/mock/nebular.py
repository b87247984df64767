"""Emission lines of the simulated survey: intrinsic luminosities per sheet, before dust.

Line ratios follow the science page: star formation after Kewley et al. (2013), never the Cloudy grids, which
lie above the Kauffmann curve at solar metallicity and more.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.datasets.mock.population import SEYFERT, Population
from fiberless.lines import NII_DOUBLET_RATIO, OIII_DOUBLET_RATIO, lines

__all__ = ["LINE_NAMES", "agn_lines", "lier_lines", "star_forming_lines"]

LINE_NAMES: Final = tuple(lines())
HALPHA_ERG_PER_PHOTON: Final = 1.37e-12
"""Case B, 10^4 K: L(Hα) = 1.37e-12 erg × Q(H) (Osterbrock & Ferland 2006)."""
IONISING_SHARE: Final = 0.72
SUN_CGS: Final = 3.828e33
_BALMER: Final = {
    "Halpha": 2.86,
    "Hbeta": 1.0,
    "Hgamma": 0.468,
    "Hdelta": 0.259,
    "Hepsilon": 0.159,
    "H8": 0.105,
}


@dataclass(frozen=True)
class _Ratios:
    """Logarithms of forbidden-line ratios, each (N,)."""

    n2: FloatArray
    o3: FloatArray
    s2: FloatArray
    o1: FloatArray
    o2: FloatArray


def star_forming_lines(rng: np.random.Generator, population: Population, photons: FloatArray) -> FloatArray:
    """H II regions.

    Parameters
    ----------
    photons : (N,) hydrogen-ionising photons per second of the young disk

    Returns
    -------
    (N, 20) luminosities in L☉ in the order of `LINE_NAMES`

    """
    n = len(population)
    oxygen = population.oxygen
    n2 = np.minimum(-0.55 + 1.25 * (oxygen - 8.95) + rng.normal(0, 0.06, n), -0.33)
    o3 = np.maximum(0.61 / np.minimum(n2 + 0.08, -0.2) + 1.10 + rng.normal(0, 0.09, n), -0.75)
    ratios = _Ratios(
        n2=n2,
        o3=o3,
        s2=-0.45 - 0.25 * np.abs(n2 + 0.6) + rng.normal(0, 0.05, n),
        o1=-1.45 + 0.3 * o3 + rng.normal(0, 0.10, n),
        o2=np.clip(0.12 - 0.75 * (oxygen - 8.7), -0.6, 0.3) + rng.normal(0, 0.08, n),
    )
    halpha = IONISING_SHARE * HALPHA_ERG_PER_PHOTON * photons / SUN_CGS
    return _assemble(halpha, ratios, halpha_over_hbeta=2.86)


def agn_lines(rng: np.random.Generator, population: Population) -> FloatArray:
    """Narrow-line regions, set by L([O III]); zero where there is no AGN. (N, 20) L☉"""
    n = len(population)
    seyfert = population.agn == SEYFERT
    o3 = np.where(seyfert, rng.normal(0.75, 0.15, n), rng.normal(0.25, 0.13, n))
    ratios = _Ratios(
        n2=np.where(seyfert, rng.normal(-0.05, 0.12, n), rng.normal(0.05, 0.11, n)),
        o3=o3,
        s2=np.where(seyfert, rng.normal(-0.22, 0.10, n), rng.normal(-0.02, 0.10, n)),
        o1=np.where(seyfert, rng.normal(-0.95, 0.12, n), rng.normal(-0.70, 0.12, n)),
        o2=np.where(seyfert, rng.normal(-0.05, 0.12, n), rng.normal(0.20, 0.12, n)),
    )
    halpha = 3.1 * 10 ** (population.lg_l_oiii - o3)
    return _assemble(halpha, ratios, halpha_over_hbeta=3.1)


def lier_lines(rng: np.random.Generator, population: Population, continuum_halpha: FloatArray) -> FloatArray:
    """Weak LINER-like emission of old stars, scaled by an equivalent width in Hα (Belfiore et al. 2016).

    Parameters
    ----------
    continuum_halpha : (N,) continuum of the sheet at Hα, L☉ / Å

    """
    n = len(population)
    ratios = _Ratios(
        n2=rng.normal(0.0, 0.1, n),
        o3=rng.normal(0.2, 0.1, n),
        s2=rng.normal(0.0, 0.1, n),
        o1=rng.normal(-0.75, 0.1, n),
        o2=rng.normal(0.2, 0.1, n),
    )
    return _assemble(10**population.lg_ew_lier * continuum_halpha, ratios, halpha_over_hbeta=2.86)


def _assemble(halpha: FloatArray, ratios: _Ratios, *, halpha_over_hbeta: float) -> FloatArray:
    """All lines from Hα and the forbidden-line ratios."""
    hbeta = halpha / halpha_over_hbeta
    luminosity = {name: hbeta * ratio for name, ratio in _BALMER.items()}
    luminosity["Halpha"] = halpha
    luminosity["OIII_5008"] = hbeta * 10**ratios.o3
    luminosity["OIII_4960"] = luminosity["OIII_5008"] / OIII_DOUBLET_RATIO
    luminosity["OIII_4364"] = 0.006 * luminosity["OIII_5008"]
    luminosity["NeIII_3870"] = 0.09 * luminosity["OIII_5008"]
    luminosity["NII_6585"] = halpha * 10**ratios.n2
    luminosity["NII_6550"] = luminosity["NII_6585"] / NII_DOUBLET_RATIO
    sii = halpha * 10**ratios.s2
    luminosity["SII_6718"], luminosity["SII_6733"] = 0.57 * sii, 0.43 * sii
    luminosity["OI_6302"] = halpha * 10**ratios.o1
    luminosity["OI_6365"] = luminosity["OI_6302"] / 3.0
    oii = halpha * 10**ratios.o2
    luminosity["OII_3727"], luminosity["OII_3730"] = 0.42 * oii, 0.58 * oii
    luminosity["HeI_5877"] = 0.12 * hbeta
    luminosity["ArIII_7138"] = 0.015 * halpha
    return np.stack([luminosity[name] for name in LINE_NAMES], axis=-1)
