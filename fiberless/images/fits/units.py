"""Flux units of images: which names mean nanomaggies, and which others are converted."""

from collections.abc import Mapping
from typing import Final

from fiberless.astro.bands import AB_MINUS_SDSS_MAG, BANDS
from fiberless.errors import UsageError
from fiberless.images.fits.cards import CardValue

__all__ = ["MISSING_UNIT_NOTE", "nmgy_factor", "unit_note"]

MISSING_UNIT_NOTE: Final = "no BUNIT; fluxes taken as nanomaggies"

_NANOMAGGIES: Final = frozenset({"nanomaggy", "nanomaggies", "nmgy", "nmgys", "nanomaggys"})
_JANSKY: Final = {"jy": 1.0, "mjy": 1e-3, "ujy": 1e-6, "microjy": 1e-6, "njy": 1e-9}
_JANSKY_PER_NMGY: Final = 3.631e-6


def nmgy_factor(header: Mapping[str, CardValue], band: str) -> float:
    """Nanomaggies of SDSS per unit of the image.

    Janskys are on the AB scale, from which SDSS u and z differ (`AB_MINUS_SDSS_MAG`).

    Raises
    ------
    UsageError
        `unknown-unit` if BUNIT names neither nanomaggies, maggies nor janskys.

    """
    unit = _unit(header)
    if unit in _NANOMAGGIES or not unit:
        return 1.0
    if unit in {"maggy", "maggies", "mgy"}:
        return 1e9
    if unit in _JANSKY:
        to_sdss = float(10 ** (0.4 * AB_MINUS_SDSS_MAG[BANDS.index(band)]))
        return _JANSKY[unit] / _JANSKY_PER_NMGY * to_sdss
    raise UsageError("unknown-unit", f"BUNIT = {header['BUNIT']!r}; fluxes must be in nanomaggies")


def unit_note(header: Mapping[str, CardValue]) -> str | None:
    """What to tell the caller about the unit; None if it is nanomaggies."""
    unit = _unit(header)
    if not unit:
        return MISSING_UNIT_NOTE
    return None if unit in _NANOMAGGIES else f"fluxes converted from {unit} to nanomaggies"


def _unit(header: Mapping[str, CardValue]) -> str:
    return str(header.get("BUNIT", "")).strip().lower()
