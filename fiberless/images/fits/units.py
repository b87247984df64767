"""Flux units of images: which names mean nanomaggies, and which others are converted."""

import re
from collections.abc import Mapping
from typing import Final

from fiberless.astro.bands import AB_MINUS_SDSS_MAG, BANDS
from fiberless.errors import UsageError
from fiberless.images.fits.cards import CardValue

__all__ = ["MISSING_UNIT_NOTE", "nmgy_factor", "unit_note"]

MISSING_UNIT_NOTE: Final = "no BUNIT; fluxes taken as nanomaggies"

_UNIT_CARDS: Final = ("BUNIT", "UNIT", "UNITS", "FLUXUNIT")
_NANOMAGGIES: Final = frozenset({"nanomaggy", "nanomaggie", "nanomaggies", "nanomaggys", "nmgy", "nmgys"})
_MAGGIES: Final = frozenset({"maggy", "maggies", "mgy"})
_JANSKY: Final = {
    "jy": 1.0,
    "jansky": 1.0,
    "mjy": 1e-3,
    "millijansky": 1e-3,
    "njy": 1e-9,
    "nanojansky": 1e-9,
    **dict.fromkeys(("ujy", "microjy", "microjansky", "\u00b5jy", "\u03bcjy"), 1e-6),
}
_JANSKY_PER_NMGY: Final = 3.631e-6
_PER_PIXEL = re.compile(
    r"\s*(?:/|per )\s*pix(?:els?)?|[\s.*]\s*pix(?:els?)?\s*(?:\^|\*\*)?\s*-1", re.IGNORECASE
)
_NUMBERED = re.compile(
    r"([0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]{1,2})?|10(?:\^|\*\*)\(?-[0-9]{1,2}\)?)[\s*.]*([^0-9\s.*].*)"
)
_MEGAJANSKY = re.compile(r"MJ[yY]|[Mm]ega-?[jJ].*")
_ZERO_POINTS: Final = ("MAGZERO", "MAGZPT", "MAGZP", "ZEROPOINT", "ZEROPNT", "PHOTZP", "ZPT", "ZP")
_NMGY_ZERO_POINT: Final = 22.5
_ASINH: Final = ("BSOFTEN", "BOFFSET")


def nmgy_factor(header: Mapping[str, CardValue], band: str) -> float:
    """Nanomaggies of SDSS per unit of the image.

    Janskys are on the AB scale, from which SDSS u and z differ (`AB_MINUS_SDSS_MAG`).

    Raises
    ------
    UsageError
        `unknown-unit` if the header names neither nanomaggies, maggies nor janskys, or says without a unit
        that its pixels are something else: asinh magnitudes, raw counts, counts with a zero-point.

    """
    _refuse_other_pixels(header)
    if not _unit(header):
        return 1.0
    factor, name = _factor_and_name(_unit(header))
    if name in _NANOMAGGIES:
        return factor
    if name in _MAGGIES:
        return factor * 1e9
    if name in _JANSKY:
        to_sdss = float(10 ** (0.4 * AB_MINUS_SDSS_MAG[BANDS.index(band)]))
        return factor * _JANSKY[name] / _JANSKY_PER_NMGY * to_sdss
    raise UsageError(
        "unknown-unit",
        f"{_unit_card(header)} = {_unit(header)[:40]!r}; fluxes must be in nanomaggies, maggies or janskys",
    )


def unit_note(header: Mapping[str, CardValue]) -> str | None:
    """What to tell the caller about the unit; None if it is nanomaggies."""
    unit = _unit(header)
    if not unit:
        return MISSING_UNIT_NOTE
    factor, name = _factor_and_name(unit)
    if name in _NANOMAGGIES and factor == 1.0:
        return None
    return f"fluxes converted from {unit[:24].lower()} to nanomaggies"


def _factor_and_name(unit: str) -> tuple[float, str]:
    """Number before a unit, and its name in small letters; `MJy` keeps its own, since it is no mJy."""
    text = _PER_PIXEL.sub("", unit)
    match = _NUMBERED.fullmatch(text)
    factor = 1.0 if match is None else _value(match[1])
    name = (text if match is None else match[2]).strip()
    return factor, name if _MEGAJANSKY.fullmatch(name) else name.lower()


def _value(text: str) -> float:
    return float(re.sub(r"^10(?:\^|\*\*)\(?(-[0-9]+)\)?$", r"1e\1", text))


def _refuse_other_pixels(header: Mapping[str, CardValue]) -> None:
    if any(card in header for card in _ASINH):
        raise UsageError(
            "unknown-unit",
            "BSOFTEN and BOFFSET: the pixels are asinh magnitudes; make them linear fluxes first",
        )
    if _unit(header):
        return
    if header.get("SOFTBIAS"):
        raise UsageError(
            "unknown-unit", "SOFTBIAS: the pixels are raw counts, as in SDSS fpC files; calibrate them first"
        )
    for card in _ZERO_POINTS:
        value = header.get(card)
        if value is not None and value != _NMGY_ZERO_POINT:
            raise UsageError(
                "unknown-unit",
                f"no BUNIT, and {card} = {str(value)[:20]}; that of nanomaggies is {_NMGY_ZERO_POINT}",
            )


def _unit_card(header: Mapping[str, CardValue]) -> str | None:
    return next((card for card in _UNIT_CARDS if str(header.get(card, "")).strip()), None)


def _unit(header: Mapping[str, CardValue]) -> str:
    card = _unit_card(header)
    return "" if card is None else str(header[card]).strip()
