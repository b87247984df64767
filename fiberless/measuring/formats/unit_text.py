"""Units of wavelengths and flux densities in the spellings that files have, from IRAF's to TeX."""

import re
import unicodedata
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from astropy import units

from fiberless.arrays import FloatArray
from fiberless.contract import properties as contract_properties
from fiberless.errors import UsageError

__all__ = ["FLUX_UNIT", "FluxUnit", "WaveUnit", "flux_unit", "is_unit_text", "to_wave_aa", "wave_unit"]

FLUX_UNIT: Final = units.Unit(contract_properties.FLUX_UNIT)
_F_NU: Final = units.Unit("erg / (s cm2 Hz)")
_WORDS: Final = MappingProxyType(
    {
        units.AA: "a aa ang angs angst angstrom angstroms angstroem angstroems aangstrom",
        units.nm: "nm nanometer nanometers nanometre nanometres",
        units.um: "um micron microns micrometer micrometers micrometre micrometres",
        units.mm: "mm",
        units.cm: "cm centimeter centimetre",
        units.m: "m meter meters metre metres",
        units.erg: "erg ergs",
        units.s: "s sec secs second seconds",
        units.Hz: "hz hertz",
        units.GHz: "ghz",
        units.THz: "thz",
        units.eV: "ev",
        units.W: "w watt watts",
        units.J: "j joule joules",
        FLUX_UNIT * 1e17: "flam stflam",
        _F_NU: "fnu",
        units.ct: "ct cts count counts adu dn electron electrons photon photons ph",
    }
)
_UNIT_OF_WORD: Final = MappingProxyType(
    {word: unit for unit, words in _WORDS.items() for word in words.split()}
)
_JANSKYS: Final = MappingProxyType(
    {"jy": units.Jy, "jansky": units.Jy, "janskys": units.Jy, "ujy": units.uJy, "njy": units.nJy}
)
_RELATIVE: Final = frozenset(
    {"relative", "normalized", "normalised", "arbitrary", "none", "dimensionless", "unitless", "rel", "arb"}
)
_TOKEN: Final = re.compile(
    r"10(?:\^\((?P<power>[+-]?\d+)\)|\^?(?P<bare>[+-]\d+)|\^(?P<plain>\d+))"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)"
    r"|(?P<word>[a-z]+)(?:\^?\((?P<bracketed>[+-]?\d+)\)|\^?(?P<exponent>[+-]?\d+))?"
    r"|(?P<sign>[/()])|(?P<gap>[\s*._]+)",
    re.IGNORECASE,
)
_LOGARITHM: Final = re.compile(r"^\s*(?:log10|log|lg|dex)\s*[( ]\s*(.+?)\s*\)?\s*$", re.IGNORECASE)


class WaveUnit(NamedTuple):
    """Unit of a spectral axis, and whether its values are decimal logarithms."""

    unit: Any
    is_log10: bool = False


class FluxUnit(NamedTuple):
    """Unit of a flux density; None where the text says that the scale is relative."""

    unit: Any

    @property
    def is_relative(self) -> bool:
        """Whether the scale of the flux is unknown."""
        return self.unit is None


def wave_unit(text: str) -> WaveUnit:
    """Unit of a spectral axis: a length, a frequency or an energy.

    Raises
    ------
    UsageError
        `unknown-unit` with the text.

    """
    logarithm = _LOGARITHM.match(text)
    if logarithm is not None:
        return WaveUnit(wave_unit(logarithm.group(1)).unit, is_log10=True)
    for read in _readings(text):
        if read.is_equivalent(units.AA, equivalencies=units.spectral()):
            return WaveUnit(read)
    raise UsageError(
        "unknown-unit", f"{text!r} is no unit of wavelength that is known: Angstrom, nm, um, cm, m, Hz, eV"
    )


def flux_unit(text: str, *, power: int = 1) -> FluxUnit:
    """Unit of a flux density, of its square or its inverse square.

    Parameters
    ----------
    text : as it stands in the file
    power : 1 of a flux or standard deviation, 2 of a variance, −2 of an inverse variance

    Returns
    -------
    the unit of the flux itself

    Raises
    ------
    UsageError
        `unknown-unit` with the text.

    """
    if _words(text) & _RELATIVE or not text.strip():
        return FluxUnit(None)
    for read in _readings(text):
        root = read ** (1 / power)
        if _is_density(root):
            return FluxUnit(root)
        if any(base is units.ct for base in root.bases):
            return FluxUnit(None)
    known = "erg/(s cm2 Angstrom), W/(m2 um), Jy, erg/(s cm2 Hz) and their multiples, counts"
    raise UsageError("unknown-unit", f"{text!r} is no unit of flux density that is known: {known}")


def is_unit_text(text: str) -> bool:
    """Whether a text, as in brackets after a name, is a unit of either kind."""
    for read in (wave_unit, flux_unit):
        try:
            read(text)
        except UsageError:
            continue
        return bool(text.strip())
    return False


def to_wave_aa(values: FloatArray, unit: WaveUnit) -> FloatArray:
    """Values of a spectral axis in Å."""
    linear = 10**values if unit.is_log10 else values
    with np.errstate(divide="ignore", invalid="ignore"):
        converted: FloatArray = (linear * unit.unit).to_value(units.AA, equivalencies=units.spectral())
    return converted


def _is_density(unit: Any) -> bool:
    return bool(unit.is_equivalent(FLUX_UNIT) or unit.is_equivalent(_F_NU))


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def _readings(text: str) -> Iterator[Any]:
    """What a text may mean: a slash divides by the next unit alone, or by all that follow it."""
    pieces = _pieces(_plain(text))
    if pieces is None:
        return
    for divides_all in (False, True):
        read, rest = _product(pieces, divides_all=divides_all)
        if not rest:
            yield units.Unit(read)


def _plain(text: str) -> str:
    """ASCII without TeX, brackets around the whole and decorations."""
    text = text.replace("\\AA", "Angstrom").replace("Å", "Angstrom").replace("\u212b", "Angstrom")
    text = unicodedata.normalize("NFKD", text.translate({0x2212: "-", 0x00B7: " ", 0x22C5: " ", 0x00D7: "*"}))
    text = "".join(mark for mark in text if not unicodedata.combining(mark))
    text = re.sub(r"\\(?:mathrm|rm|times|cdot|,|;|\s)", " ", text.translate({0x3BC: "u", 0x2212: "-"}))
    text = text.translate({ord(mark): None for mark in "${}~'\""})
    text = text.replace("**", "^").strip()
    return text[1:-1] if text[:1] == "[" and text[-1:] == "]" else text


def _pieces(text: str) -> list[Any] | None:
    """Units, signs and brackets; None where a piece is not known."""
    found: list[Any] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            return None
        place = match.end()
        if match["gap"]:
            continue
        piece = match["sign"] or _unit(match)
        if piece is None:
            return None
        found.append(piece)
    return found


def _unit(match: re.Match[str]) -> Any:
    power = match["power"] or match["bare"] or match["plain"]
    if power:
        return units.Unit(units.dimensionless_unscaled * 10.0 ** int(power))
    if match["number"]:
        return units.Unit(units.dimensionless_unscaled * float(match["number"]))
    word = match["word"]
    unit = _jansky(word) or _UNIT_OF_WORD.get(word.lower())
    return None if unit is None else unit ** int(match["bracketed"] or match["exponent"] or 1)


def _jansky(word: str) -> Any:
    """Janskys, whose m and M differ."""
    if word.lower() in {"mjy", "mjansky"}:
        return units.MJy if word[0] == "M" and word[1:2] == "J" else units.mJy
    return _JANSKYS.get(word.lower())


def _product(pieces: list[Any], *, divides_all: bool) -> tuple[Any, list[Any]]:
    """Unit of pieces up to the bracket that closes, and those behind it."""
    result, sign = units.dimensionless_unscaled, 1
    rest = list(pieces)
    while rest:
        piece = rest.pop(0)
        match piece:
            case ")":
                break
            case "/":
                sign = -1
                continue
            case "(":
                piece, rest = _product(rest, divides_all=divides_all)
        result = result * piece**sign
        sign = sign if divides_all else 1
    return result, rest
