"""A table of a spectrum in our units: wavelength, flux, errors of any kind, masks, medium."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from astropy import units

from fiberless.arrays import BoolArray, FloatArray
from fiberless.errors import UsageError
from fiberless.measuring.formats.columns import Chosen, Role, TableColumn, chosen_columns, truths
from fiberless.measuring.formats.spectrum_file import NOT_UNDERSTOOD, FoundSpectrum, Medium
from fiberless.measuring.formats.unit_text import (
    FLUX_UNIT,
    FluxUnit,
    WaveUnit,
    flux_unit,
    to_wave_aa,
    wave_unit,
)

__all__ = ["flux_in_our_unit", "medium_of_cards", "spectrum_of_columns"]

_CGS_PER_UNIT: Final = 1e17
_PLAIN_RANGE: Final = (1e-3, 1e5)
_CGS_RANGE: Final = (1e-20, 1e-11)
_MAX_MASKED: Final = 0.9
_POWER: Final = {Role.ERROR: 1, Role.VARIANCE: 2, Role.IVAR: -2}
_TRUTHS: Final = {
    **dict.fromkeys(("true", "t", "yes", "1"), True),
    **dict.fromkeys(("false", "f", "no", "0"), False),
}
_AIR_WORDS: Final = re.compile(r"(?<![a-z])(?:air|awav)(?![a-z])")
_VACUUM_WORDS: Final = re.compile(r"(?<![a-z])vac(?:uum)?(?![a-z])")


def spectrum_of_columns(
    name: str,
    columns: Sequence[TableColumn],
    *,
    cards: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> FoundSpectrum:
    """Spectrum of a table's columns.

    Parameters
    ----------
    name : of the file, for messages
    columns : of one length, in any order
    cards : header or metadata of the table, read for the medium of the wavelengths
    notes : what the file's reader had to assume

    Raises
    ------
    UsageError
        `not-a-spectrum`, `unknown-unit`.

    """
    chosen = chosen_columns(name, columns)
    said = [*notes, *_frame(name, chosen.wave, cards or {})]
    wave_aa = _wave_aa(name, chosen)
    bad = _bad(name, chosen, said)
    flux, sigma, is_relative = _values(name, chosen, wave_aa, said)
    if sigma is not None and chosen.error_role is not Role.ERROR:
        said.append(f"errors from the {chosen.error_role.value} in column {_shown(chosen.error)}")
    if chosen.unused:
        said.append(f"columns not used: {', '.join(chosen.unused[:20])}")
    medium, remarks = _medium(chosen.wave, cards or {})
    return FoundSpectrum(
        wave_aa, np.where(bad, np.nan, flux), sigma, medium, (*said, *remarks), is_relative=is_relative
    )


def flux_in_our_unit(
    flux: FloatArray, sigma: FloatArray | None, text: str | None, wave_aa: FloatArray, *, what: str = "flux"
) -> tuple[FloatArray, FloatArray | None, list[str], bool]:
    """Flux and standard deviation (L,) in 1e-17 erg/(s cm2 Å), remarks, and whether the scale is relative.

    Without a unit, numbers of a usual size are taken as 1e-17 erg/(s cm2 Å) and tiny ones as
    erg/(s cm2 Å), as the remark says; others are refused.

    Raises
    ------
    UsageError
        `unknown-unit` if the unit is not known, or there is none and the numbers fit none.

    """
    if text is None or not text.strip():
        scale, remark = _guessed_scale(flux, what)
        return flux * scale, None if sigma is None else sigma * scale, [remark], False
    unit = flux_unit(text)
    if unit.is_relative:
        remark = f"{what} in {text!r}: its scale is relative, so that only ratios and widths mean anything"
        return flux, sigma, [remark], True
    converted = _converted(flux, unit, wave_aa)
    level = _level(converted)
    remarks = []
    if not _PLAIN_RANGE[0] / 1e3 <= level <= _PLAIN_RANGE[1] * 1e3:
        remarks.append(f"unlikely: the median of the {what} is {level:.2g} 1e-17 erg/(s cm2 Angstrom)")
    return converted, None if sigma is None else _converted(sigma, unit, wave_aa), remarks, False


def medium_of_cards(cards: Mapping[str, Any]) -> tuple[Medium, list[str]]:
    """Medium that a header or metadata name, and remarks on cards that are not understood."""
    remarks = []
    for key in ("AIRORVAC", "VACUUM", "medium", "MEDIUM", "WAVEMED", "AIR_VAC"):
        if key not in cards:
            continue
        found = _medium_of_card(cards[key])
        if found is not Medium.UNKNOWN:
            return found, []
        remarks.append(f"{key} = {cards[key]!r} {NOT_UNDERSTOOD}")
    # FITS paper III: AWAV is wavelength in air, WAVE in vacuum
    kind = str(cards.get("CTYPE1", "")).strip().upper()
    if kind.startswith("AWAV"):
        return Medium.AIR, []
    if kind.startswith("WAVE") and not kind.startswith("WAVEL"):
        return Medium.VACUUM, []
    return _medium_of_words(_remarks_on_waves(cards)), remarks


def _medium_of_card(value: Any) -> Medium:
    if isinstance(value, bool | int | np.bool_) or str(value).strip().lower() in _TRUTHS:
        is_vacuum = _TRUTHS[str(value).strip().lower()]
        return Medium.VACUUM if is_vacuum else Medium.AIR
    return _medium_of_words(str(value))


def _remarks_on_waves(cards: Mapping[str, Any]) -> str:
    """Comments of a text file, and lines of a header's comments that are about wavelengths."""
    lines = [
        line
        for key in ("COMMENT", "HISTORY", "comments")
        for line in str(cards.get(key, "")).splitlines()
        if key == "comments" or re.search(r"wav|lambda", line.lower())
    ]
    return "\n".join(lines)


def _medium_of_words(text: str) -> Medium:
    low = text.lower().replace("_", " ")
    is_air, is_vacuum = bool(_AIR_WORDS.search(low)), bool(_VACUUM_WORDS.search(low))
    if is_air == is_vacuum:
        return Medium.UNKNOWN
    return Medium.AIR if is_air else Medium.VACUUM


def _medium(wave: TableColumn, cards: Mapping[str, Any]) -> tuple[Medium, list[str]]:
    if "obs.atmos" in wave.ucd:
        return Medium.AIR, []
    by_word = _medium_of_words(f"{wave.name} {wave.description}")
    if by_word is not Medium.UNKNOWN:
        return by_word, []
    return medium_of_cards(cards)


def _frame(name: str, wave: TableColumn, cards: Mapping[str, Any]) -> list[str]:
    """What is to be said of the frame of the wavelengths; the rest frame is refused."""
    system = str(cards.get("SPECSYS", "")).strip().upper()
    is_rest = re.search(r"(?<![a-z])rest(?![a-z])", re.sub("[_.]", " ", wave.name.lower())) is not None
    if is_rest or system.startswith("SOURCE") or str(cards.get("frame", "")).lower() == "rest":
        detail = f"{name}: wavelengths are in the rest frame; those observed are needed"
        raise UsageError("not-a-spectrum", detail)
    kind = str(cards.get("kind", "observed"))
    if kind not in {"observed", "observed-spectrum"}:
        return [f"kind = {kind!r} {NOT_UNDERSTOOD}: measured as observed"]
    if system.startswith("TOPO"):
        return [f"SPECSYS = {system}: the redshift is that seen from the telescope, not from the Sun"]
    return []


def _wave_aa(name: str, chosen: Chosen) -> FloatArray:
    values = _numbers(name, chosen.wave)
    if chosen.wave_role is Role.LN_WAVE:
        return np.exp(values)
    unit = wave_unit(chosen.wave.unit) if chosen.wave.unit else WaveUnit(units.AA)
    if chosen.wave_role is Role.LOG_WAVE:
        unit = unit._replace(is_log10=True)
    return to_wave_aa(values, unit)


def _bad(name: str, chosen: Chosen, said: list[str]) -> BoolArray:
    """Pixels (L,) that masks take out."""
    bad = np.zeros(np.shape(chosen.flux.values), dtype=bool)
    for role, column in chosen.masks:
        marked = truths(column) if role is Role.MASK else ~truths(column)
        if marked.all():
            raise UsageError("no-valid-pixels", f"{name}: column {column.name} marks every pixel as bad")
        if marked.mean() > _MAX_MASKED:
            most = f"column {column.name} would take {marked.mean():.0%} of the pixels out"
            raise UsageError("no-valid-pixels", f"{name}: {most}; name it good or bad for what it marks")
        if marked.mean() > 0.5:
            said.append(f"column {column.name} takes {marked.mean():.0%} of the pixels out")
        bad |= marked
    return bad


def _values(
    name: str, chosen: Chosen, wave_aa: FloatArray, said: list[str]
) -> tuple[FloatArray, FloatArray | None, bool]:
    """Flux and standard deviation in our unit, each by its own unit where it has one."""
    flux = _numbers(name, chosen.flux)
    sigma, sigma_unit = _sigma(name, chosen)
    text = chosen.flux.unit or (None if sigma_unit is None else sigma_unit.unit.to_string())
    ours, deviation, remarks, is_relative = flux_in_our_unit(
        flux, sigma, text, wave_aa, what=f"column {chosen.flux.name}"
    )
    if sigma is not None and sigma_unit is not None and not is_relative:
        deviation = _converted(sigma, sigma_unit, wave_aa)
    said.extend(remarks)
    return ours, deviation, is_relative


def _sigma(name: str, chosen: Chosen) -> tuple[FloatArray | None, FluxUnit | None]:
    """Standard deviation (L,) in its own unit, 0 where a pixel is not to be used, and that unit."""
    if chosen.error is None:
        return None, None
    values = _numbers(name, chosen.error)
    power = _POWER[chosen.error_role]
    usable = np.isfinite(values) & (values > 0)
    sigma = np.zeros_like(values)
    np.power(values, 1 / power, out=sigma, where=usable)
    unit = flux_unit(chosen.error.unit, power=power) if chosen.error.unit else None
    return sigma, None if unit is None or unit.is_relative else unit


def _converted(values: FloatArray, unit: FluxUnit, wave_aa: FloatArray) -> FloatArray:
    density = units.spectral_density(wave_aa * units.AA)
    converted: FloatArray = (values * unit.unit).to_value(FLUX_UNIT, equivalencies=density)
    return converted


def _guessed_scale(flux: FloatArray, what: str) -> tuple[float, str]:
    level = _level(flux)
    if level == 0 or _PLAIN_RANGE[0] <= level <= _PLAIN_RANGE[1]:
        return 1.0, f"no flux unit given for {what}: taken as 1e-17 erg / (s cm2 Angstrom)"
    if _CGS_RANGE[0] <= level <= _CGS_RANGE[1]:
        said = f"no flux unit given for {what}, and its median is {level:.2g}"
        return _CGS_PER_UNIT, f"{said}: taken as erg / (s cm2 Angstrom)"
    raise UsageError(
        "unknown-unit",
        f"no flux unit is given for {what}, and its median of {level:.2g} is neither that of 1e-17 "
        "erg/(s cm2 Angstrom) nor of erg/(s cm2 Angstrom): name the unit in the file",
    )


def _level(flux: FloatArray) -> float:
    """Median of |flux|, or its mean where half of it is zero."""
    size = np.abs(flux[np.isfinite(flux)])
    if not size.size:
        return 0.0
    return float(np.median(size)) or float(size.mean())


def _numbers(name: str, column: TableColumn) -> FloatArray:
    """Values of a column (L,), NaN where masked."""
    try:
        values = np.ma.asarray(column.values).astype(np.float64)
    except (ValueError, TypeError) as error:
        raise UsageError("not-a-spectrum", f"{name}: column {column.name} is not numbers") from error
    return np.ma.filled(values, np.nan)


def _shown(column: TableColumn | None) -> str:
    return "" if column is None else column.name
