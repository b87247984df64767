"""Galactic extinction: E(B−V) towards a position, and images corrected for it.

The map is that of Schlegel, Finkbeiner & Davis (1998, ApJ 500, 525) at HEALPix nside 64, 0.9° a pixel: good
to some 0.01 mag at high latitudes.
"""

from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from safetensors.numpy import load_file

from fiberless.arrays import FloatArray

__all__ = ["EXTINCTION_PER_EBV", "MAX_EBV", "deredden", "galactic_ebv", "galactic_ebv_map", "transmission"]

EXTINCTION_PER_EBV: Final = np.array([4.239, 3.303, 2.285, 1.698, 1.263])
"""A_ugriz / E(B−V) of that map, R_V = 3.1 (Schlafly & Finkbeiner 2011, ApJ 737, 103, table 6)."""
MAX_EBV: Final = 1.0
"""Largest E(B−V) that is accepted: beyond it the model was not trained, nor does one see galaxies."""
_NSIDE: Final = 64


def transmission(ebv: FloatArray | float) -> FloatArray:
    """Share of the light in u, g, r, i, z that the Galaxy lets through. (...) → (..., 5)"""
    share: FloatArray = 10 ** (-0.4 * np.asarray(ebv, dtype=np.float64)[..., None] * EXTINCTION_PER_EBV)
    return share


def deredden(flux_nmgy: FloatArray, ebv: FloatArray) -> FloatArray:
    """Images as they were without the Galaxy's dust.

    Parameters
    ----------
    flux_nmgy : (B, 5, H, W)
    ebv : (B,) mag

    Returns
    -------
    (B, 5, H, W) float32

    """
    factor = (1 / transmission(ebv)).astype(np.float32)
    bright: FloatArray = np.asarray(flux_nmgy, dtype=np.float32) * factor[..., None, None]
    return bright


def galactic_ebv(ra_deg: float, dec_deg: float) -> float:
    """E(B−V) in mag towards an ICRS position in degrees, interpolated bilinearly, at most `MAX_EBV`."""
    return float(galactic_ebv_map(np.array([ra_deg]), np.array([dec_deg]))[0])


def galactic_ebv_map(ra_deg: FloatArray, dec_deg: FloatArray) -> FloatArray:
    """E(B−V) as `galactic_ebv`, towards many positions. (N,), (N,) → (N,)"""
    from astropy import units  # noqa: PLC0415 (slow to import, and most images come without a position)
    from astropy.coordinates import SkyCoord  # noqa: PLC0415
    from astropy_healpix import HEALPix  # noqa: PLC0415

    grid = HEALPix(nside=_NSIDE, order="ring")
    galactic = SkyCoord(ra_deg, dec_deg, unit=units.deg, frame="icrs").galactic
    value = grid.interpolate_bilinear_lonlat(galactic.l, galactic.b, _map())
    reddening: FloatArray = np.clip(value, 0.0, MAX_EBV)
    return reddening


@cache
def _map() -> FloatArray:
    """E(B−V) of all pixels in ring order, Galactic coordinates. (49152,)"""
    path = files("fiberless.astro") / "tables" / "sfd98_ebv_nside64.safetensors"
    values: FloatArray = load_file(str(path))["ebv"].astype(np.float64)
    return values
