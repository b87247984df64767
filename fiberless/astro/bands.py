"""The five SDSS bands: names, response curves, zero points, and synthetic photometry through them."""

from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from astropy.table import Table

from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import LIGHT_SPEED_KMS

__all__ = [
    "AB_MINUS_SDSS_MAG",
    "BANDS",
    "LIGHT_SPEED_AA_S",
    "NMGY_FNU_CGS",
    "N_BANDS",
    "PIXEL_SCALE_ARCSEC",
    "band_density",
    "band_weights",
    "covered_fraction",
    "magnitude",
    "nmgy_to_flambda",
    "pivot_aa",
    "response",
    "synthetic_nmgy",
]

BANDS: Final = ("u", "g", "r", "i", "z")
N_BANDS: Final = len(BANDS)
PIXEL_SCALE_ARCSEC: Final = 0.396
LIGHT_SPEED_AA_S: Final = LIGHT_SPEED_KMS * 1e13
NMGY_FNU_CGS: Final = 3.631e-29
"""One nanomaggy in erg / (s cm2 Hz): 10^-9 of 3631 Jy."""

AB_MINUS_SDSS_MAG: Final = np.array([-0.04, 0.0, 0.0, 0.0, 0.02])
"""m_AB − m_SDSS per band (SDSS photometric flux calibration page: u_AB = u − 0.04, z_AB = z + 0.02)."""


@cache
def response(band: str) -> tuple[FloatArray, FloatArray]:
    """Total response of one band, airmass 1.3 (Doi et al. 2010, AJ 139, 1628).

    Returns
    -------
    (wave_aa, throughput) : two float64 arrays of shape (L,), observed frame, vacuum treated as air
        (the difference of 1–3 Å is far below the curves' own sampling of 25 Å).

    """
    path = files("fiberless.astro") / "tables" / "sdss_filters.ecsv"
    table = Table.read(str(path), format="ascii.ecsv")
    rows = table["band"] == band
    return np.asarray(table["wavelength"][rows], float), np.asarray(table["response"][rows], float)


def pivot_aa(band: str) -> float:
    """Pivot wavelength of a band in Å (Bessell & Murphy 2012, eq. A16)."""
    wave, throughput = response(band)
    return float(np.sqrt(np.trapezoid(throughput * wave, wave) / np.trapezoid(throughput / wave, wave)))


def nmgy_to_flambda(flux_nmgy: FloatArray, wave_aa: float) -> FloatArray:
    """Convert nanomaggies at a wavelength into 1e-17 erg / (s cm2 Å)."""
    return np.asarray(flux_nmgy) * (NMGY_FNU_CGS * LIGHT_SPEED_AA_S / wave_aa**2 * 1e17)


def magnitude(flux_nmgy: FloatArray) -> FloatArray:
    """Pogson magnitude, 22.5 − 2.5 lg flux; NaN where the flux is not positive."""
    flux = np.asarray(flux_nmgy, dtype=np.float64)
    return 22.5 - 2.5 * np.log10(np.where(flux > 0, flux, np.nan))


def band_density(wave_aa: FloatArray, band: str) -> FloatArray:
    """Nanomaggies of SDSS per unit of F_λ·dλ at a wavelength: R λ / ∫ F_λ(AB) R λ dλ.

    Parameters
    ----------
    wave_aa : any shape, observed frame
    band : one of `BANDS`

    Returns
    -------
    array like `wave_aa`, nanomaggies per 1e-17 erg / (s cm2): what a line of unit flux there adds to the band

    """
    curve_wave, curve = response(band)
    throughput = np.interp(wave_aa, curve_wave, curve, left=0.0, right=0.0)
    norm = np.trapezoid(curve / curve_wave, curve_wave) * LIGHT_SPEED_AA_S * NMGY_FNU_CGS * 1e17
    zero_point = 10 ** (0.4 * AB_MINUS_SDSS_MAG[BANDS.index(band)])
    density: FloatArray = throughput * wave_aa / norm * zero_point
    return density


def band_weights(wave_aa: FloatArray, band: str) -> FloatArray:
    """Weights w with Σ w F_λ = flux in nanomaggies of SDSS, for F_λ in 1e-17 erg/(s cm2 Å) on `wave_aa`.

    The photon-counting integral with the normalisation from the curve's own full extent, so that what the
    grid does not reach is missing.

    Parameters
    ----------
    wave_aa : (L,) ascending, observed frame
    band : one of `BANDS`

    Returns
    -------
    (L,) float64

    """
    return band_density(wave_aa, band) * np.gradient(wave_aa)


def covered_fraction(wave_aa: FloatArray, band: str) -> float:
    """Share of the band's photon response (∫ R λ dλ) that lies inside the grid's range."""
    curve_wave, curve = response(band)
    inside = (curve_wave >= wave_aa[0]) & (curve_wave <= wave_aa[-1])
    total = np.trapezoid(curve * curve_wave, curve_wave)
    return float(np.trapezoid((curve * curve_wave)[inside], curve_wave[inside]) / total)


def synthetic_nmgy(wave_aa: FloatArray, flux: FloatArray) -> FloatArray:
    """Fluxes in the five bands of a spectrum.

    Parameters
    ----------
    wave_aa : (L,) observed frame, Å
    flux : (..., L) in 1e-17 erg / (s cm2 Å)

    Returns
    -------
    (..., 5) nanomaggies on the SDSS system

    """
    weights = np.stack([band_weights(wave_aa, band) for band in BANDS], axis=1)
    nmgy: FloatArray = np.asarray(flux) @ weights
    return nmgy
