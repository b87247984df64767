"""What line ratios say of the gas: reddening, oxygen abundance, star-formation rate."""

from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.astro.cosmology import luminosity_distance_cm
from fiberless.astro.dust import cardelli_curve
from fiberless.astro.lines import BALMER_DECREMENT, line

__all__ = [
    "ABUNDANCES",
    "CASE_B_DECREMENT",
    "R_V",
    "Abundance",
    "balmer_ebv",
    "log_halpha_luminosity",
    "log_sfr_halpha",
    "oxygen_abundance",
]

CASE_B_DECREMENT: Final = BALMER_DECREMENT["Halpha"]
"""Hα/Hβ where there is no dust."""
R_V: Final = 3.1
_K_HBETA, _K_HALPHA = (
    float(R_V * cardelli_curve(np.array(line(name).wave_aa), r_v=R_V)) for name in ("Hbeta", "Halpha")
)
_LOG_SFR_CONSTANT: Final = 41.27
"""Lg of L(Hα) in erg/s over the star-formation rate in solar masses a year (Kennicutt & Evans 2012, ARA&A 50,
531, table 1; initial mass function of Kroupa 2001)."""


class Abundance(NamedTuple):
    """A calibration 12 + lg(O/H) = zero + slope · ratio, where it holds, and its own scatter in dex."""

    ratio: str
    zero: float
    slope: float
    valid: tuple[float, float]
    scatter: float
    reference: str


_PP04: Final = "Pettini & Pagel 2004, MNRAS 348, L59"
_M13: Final = "Marino et al. 2013, A&A 559, A114"
ABUNDANCES: Final = MappingProxyType(
    {
        "n2_pp04": Abundance("n2", 8.90, 0.57, (-2.5, -0.3), 0.18, f"{_PP04}, eq. 1"),
        "o3n2_pp04": Abundance("o3n2", 8.73, -0.32, (-1.0, 1.9), 0.14, f"{_PP04}, eq. 3"),
        "n2_m13": Abundance("n2", 8.743, 0.462, (-1.6, -0.2), 0.16, f"{_M13}, eq. 4"),
        "o3n2_m13": Abundance("o3n2", 8.533, -0.214, (-1.1, 1.7), 0.18, f"{_M13}, eq. 2"),
    }
)
"""N2 = lg [N II] 6583/Hα; O3N2 = lg (([O III] 5007/Hβ) / ([N II] 6583/Hα))."""


def oxygen_abundance(index: FloatArray, calibration: Abundance) -> FloatArray:
    """12 + lg(O/H) by a calibration, whatever its valid range; the shape of `index`."""
    return calibration.zero + calibration.slope * np.asarray(index)


def balmer_ebv(decrement: FloatArray) -> FloatArray:
    """E(B−V) of the gas from Hα/Hβ, Milky Way curve with R_V = 3.1, in front of the gas.

    2.5 / (k(Hβ) − k(Hα)) · lg(decrement / 2.86), negative where the decrement is below case B; NaN where it
    is not positive. Dust of the Milky Way in front is not taken off before.
    """
    positive = np.where(np.asarray(decrement) > 0, decrement, np.nan)
    ebv: FloatArray = 2.5 / (_K_HBETA - _K_HALPHA) * np.log10(positive / CASE_B_DECREMENT)
    return ebv


def log_halpha_luminosity(halpha: FloatArray, redshift: FloatArray, *, ebv: FloatArray) -> FloatArray:
    """Lg L(Hα) in erg/s, corrected for dust; negative E(B−V) count as zero.

    Parameters
    ----------
    halpha : (N,) 1e-17 erg/(s cm2)
    redshift : (N,)
    ebv : (N,) of `balmer_ebv`

    """
    flux = np.asarray(halpha) * 1e-17 * 10 ** (0.4 * _K_HALPHA * np.maximum(ebv, 0.0))
    known = (flux > 0) & (redshift > 0)
    distance_cm = luminosity_distance_cm(np.where(redshift > 0, redshift, 1.0))
    lg: FloatArray = np.log10(4 * np.pi * distance_cm**2 * np.where(known, flux, np.nan))
    return lg


def log_sfr_halpha(halpha: FloatArray, redshift: FloatArray, *, ebv: FloatArray) -> FloatArray:
    """Lg of the star-formation rate inside the aperture, solar masses a year; arguments as there."""
    return log_halpha_luminosity(halpha, redshift, ebv=ebv) - _LOG_SFR_CONSTANT
