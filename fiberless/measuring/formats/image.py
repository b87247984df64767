"""Spectra in images: one-dimensional ones, and images whose rows are flux, error and more."""

import re
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from astropy.io import fits
from numpy.polynomial import chebyshev, legendre

from fiberless.arrays import FloatArray
from fiberless.errors import UsageError
from fiberless.measuring.formats.columns import Role, TableColumn
from fiberless.measuring.formats.spectrum_file import FoundSpectrum
from fiberless.measuring.formats.table import spectrum_of_columns
from fiberless.measuring.formats.unit_text import WaveUnit, to_wave_aa, wave_unit

__all__ = ["described_rows", "image_spectrum", "rows_spectrum"]

_ROLE_WORDS: Final = (
    (r"inv.*var|ivar|inverse", Role.IVAR),
    (r"wave|lambda", Role.WAVE),
    (r"ormask", None),
    (r"mask|qual|flag|dq", Role.MASK),
    (r"nocalib|uncalib|sky|raw|background", None),
    (r"var", Role.VARIANCE),
    (r"err|sigma|noise|unc|std", Role.ERROR),
    (r"spec|flux|sci|data|optimal|^$", Role.FLUX),
)
_NAME_OF_ROLE: Final = MappingProxyType(
    {
        Role.IVAR: "ivar",
        Role.WAVE: "wavelength",
        Role.MASK: "mask",
        Role.VARIANCE: "variance",
        Role.ERROR: "error",
        Role.FLUX: "flux",
    }
)
_MUSE: Final = MappingProxyType({"STAT": Role.VARIANCE})
_GAMA: Final = (
    (Role.FLUX, "spectrum"),
    (Role.ERROR, "error"),
    (None, "uncalibrated spectrum"),
    (None, "its error"),
    (None, "sky"),
)
_SIXDF: Final = ("OBSRA", "OBSDEC", "Z_HELIO", "QUALITY")


class _Row(NamedTuple):
    """A spectrum-long array of a file and what it is."""

    role: Role | None
    name: str
    values: FloatArray
    unit: str | None


def image_spectrum(name: str, hdus: fits.HDUList) -> FoundSpectrum | None:
    """Spectrum of the first image with a wavelength axis; None if none has one or none of its rows is flux.

    Arrays of the same length in other HDUs are its errors and masks, by the HDUs' names.

    Raises
    ------
    UsageError
        `not-a-spectrum`, `unknown-unit`.

    """
    for number, hdu in enumerate(hdus):
        if not isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU) or hdu.data is None:
            continue
        data = np.asarray(hdu.data, dtype=np.float64)
        if max(data.shape) < 2 or not _has_axis(hdu.header):
            continue
        line = data.reshape(-1, data.shape[-1])
        if len(line) == 1:
            return _one_line(name, hdus, number, line[0])
        roles = _roles_of_rows(hdu.header, line)
        return None if roles is None else rows_spectrum(name, hdu.header, line, roles)
    return None


def rows_spectrum(
    name: str, header: fits.Header, rows: FloatArray, roles: Sequence[tuple[Role | None, str]]
) -> FoundSpectrum:
    """Spectrum of an image (R, L) whose rows have these roles and titles."""
    found = [
        _Row(role, title, values, _bunit(header) if role is Role.FLUX else None)
        for (role, title), values in zip(roles, rows, strict=False)
    ]
    if all(row.role is not Role.WAVE for row in found):
        found.append(_Row(Role.WAVE, "axis", _axis_aa(name, header, rows.shape[1]), "Angstrom"))
    return _assembled(name, found, header)


def _one_line(name: str, hdus: fits.HDUList, number: int, flux: FloatArray) -> FoundSpectrum:
    header = hdus[number].header
    found = [
        _Row(Role.WAVE, "axis", _axis_aa(name, header, flux.size), "Angstrom"),
        _Row(Role.FLUX, "flux", flux, _bunit(header)),
    ]
    for other in hdus[number + 1 :]:
        if not isinstance(other, fits.ImageHDU | fits.CompImageHDU) or other.data is None:
            found.append(_Row(None, f"HDU {other.name or other.ver}", flux, None))
            continue
        values = np.asarray(other.data, dtype=np.float64)
        title = other.name.strip()
        role = _MUSE.get(title.upper()) or _role(title)
        fits_in = values.size == flux.size and role not in (Role.FLUX, Role.WAVE)
        found.append(_Row(role if fits_in else None, f"HDU {title}", values.reshape(-1)[: flux.size], None))
    return _assembled(name, found, header)


def _assembled(name: str, found: Sequence[_Row], header: fits.Header) -> FoundSpectrum:
    columns = [
        TableColumn(_NAME_OF_ROLE[row.role], row.values, row.unit) for row in found if row.role is not None
    ]
    unused = [row.name for row in found if row.role is None]
    notes = [f"not used: {', '.join(unused)}"] if unused else []
    if "CRVAL1" in header and "CRPIX1" not in header and all(row.name != "wavelength" for row in found):
        notes.append(f"no CRPIX1: taken as {_reference_pixel(header):g}")
    return spectrum_of_columns(name, columns, cards=header, notes=notes)


def _has_axis(header: fits.Header) -> bool:
    if re.match(
        r"RA|DEC|[GE]L(ON|AT)|PIXEL|FREQ|V(ELO|RAD|OPT)", str(header.get("CTYPE1", "")).strip().upper()
    ):
        return False
    return "CRVAL1" in header or "COEFF0" in header or "WAT2_001" in header


def _bunit(header: fits.Header) -> str | None:
    text = str(header.get("BUNIT", "")).strip()
    return text or None


def _roles_of_rows(header: fits.Header, rows: FloatArray) -> list[tuple[Role | None, str]] | None:
    """Roles by the cards that name rows, or by the survey; None where nothing names them."""
    for pattern in ("ROW{}", "ARRAY{}", "BANDID{}"):
        titles = [str(header.get(pattern.format(i + 1), "")).strip() for i in range(len(rows))]
        roles = [(_role(title) if title else None, title or f"row {i + 1}") for i, title in enumerate(titles)]
        if any(role is Role.FLUX for role, _ in roles):
            return _first_of_each(roles)
    if all(key in header for key in _SIXDF) and len(rows) in (3, 4):
        return [(Role.FLUX, "flux"), (Role.VARIANCE, "variance"), (None, "sky"), (None, "wavelength")]
    if "GAMA" in str(header.get("ORIGIN", "")) and len(rows) == len(_GAMA):
        return list(_GAMA)
    return None


def described_rows(header: fits.Header) -> str:
    """What an image of several rows says of them, for a refusal."""
    count = header.get("NAXIS2", 1)
    titles = [f"{key} = {header[key]!r}" for key in ("ROW1", "ROW2", "ARRAY1", "BANDID1") if key in header]
    said = ", ".join(titles) or "no cards ROW1, ARRAY1 or BANDID1"
    return f"an image of {count} rows, of which {said} make none the flux"


def _first_of_each(roles: Sequence[tuple[Role | None, str]]) -> list[tuple[Role | None, str]]:
    """Each role once: an image's first spectrum is the reduced one."""
    seen: set[Role | None] = set()
    kept = []
    for role, title in roles:
        kept.append((None if role in seen else role, title))
        seen.add(role)
    return kept


def _role(title: str) -> Role | None:
    low = title.lower()
    # IRAF's bands: "spectrum - background none, weights variance, clean no", "sigma - background …"
    low = low.partition(" - ")[0]
    return next((role for pattern, role in _ROLE_WORDS if re.search(pattern, low)), None)


def _axis_aa(name: str, header: fits.Header, size: int) -> FloatArray:
    """Wavelengths (L,) in Å of an image's first axis."""
    pixel = np.arange(1, size + 1, dtype=np.float64)
    attributes = _wat(header)
    multispec = re.search(r'spec1\s*=\s*"([^"]*)"', attributes)
    unit = _axis_unit(header, attributes)
    if multispec:
        return to_wave_aa(_multispec(name, multispec[1], pixel), unit)
    if "COEFF0" in header and "COEFF1" in header and "CRVAL1" not in header:
        return to_wave_aa(
            header["COEFF0"] + header["COEFF1"] * (pixel - 1), WaveUnit(unit.unit, is_log10=True)
        )
    start, step = float(header["CRVAL1"]), float(header.get("CD1_1", 0) or header.get("CDELT1", 0))
    if step == 0:
        raise UsageError("not-a-spectrum", f"{name}: CRVAL1 without CDELT1 or CD1_1")
    offset = step * (pixel - _reference_pixel(header))
    kind = str(header.get("CTYPE1", "")).upper()
    if kind.endswith("-LOG"):  # FITS paper III, equation 5
        return to_wave_aa(start * np.exp(offset / start), unit)
    is_log = int(header.get("DC-FLAG", 0) or 0) == 1 or unit.is_log10 or kind.startswith("LOG")
    return to_wave_aa(start + offset, WaveUnit(unit.unit, is_log10=is_log))


def _reference_pixel(header: fits.Header) -> float:
    """CRPIX1; without it 0 by the standard, but 1 in the files of IRAF, which counts so."""
    is_iraf = any(key in header for key in ("DC-FLAG", "WAT0_001", "WAT1_001"))
    return float(header.get("CRPIX1", 1.0 if is_iraf else 0.0))


def _axis_unit(header: fits.Header, attributes: str) -> WaveUnit:
    """Unit by CUNIT1 or IRAF's attributes; Å without either."""
    text = str(header.get("CUNIT1", "")).strip()
    by_iraf = re.search(r"units\s*=\s*(\S+)", attributes)
    if not text and by_iraf:
        text = by_iraf[1]
    return wave_unit(text) if text else wave_unit("Angstrom")


def _wat(header: fits.Header) -> str:
    """IRAF's attributes of the axes, whose cards go on from one to the next."""
    return "".join(
        str(header[f"WAT{axis}_{i:03d}"]).ljust(68)
        for axis in (1, 2)
        for i in range(1, 100)
        if f"WAT{axis}_{i:03d}" in header
    )


def _multispec(name: str, words: str, pixel: FloatArray) -> FloatArray:
    """Wavelengths by IRAF's multispec: linear, logarithmic, Chebyshev or Legendre (Valdes 1993)."""
    numbers = [float(word) for word in words.split()]
    kind, start, step, redshift = int(numbers[2]), numbers[3], numbers[4], numbers[6]
    match kind:
        case 0:
            values: FloatArray = start + step * (pixel - 1)
        case 1:
            values = 10 ** (start + step * (pixel - 1))
        case 2 if int(numbers[11]) in (1, 2):
            values = _polynomial(numbers[9:], pixel)
        case _:
            raise UsageError("not-a-spectrum", f"{name}: IRAF's dispersion of kind {words!r} is not read")
    return values / (1 + redshift)


def _polynomial(numbers: Sequence[float], pixel: FloatArray) -> FloatArray:
    weight, shift, kind, order, low, high = numbers[:6]
    x = (2 * pixel - (low + high)) / (high - low)
    evaluate: Any = chebyshev.chebval if int(kind) == 1 else legendre.legval
    values: FloatArray = weight * (shift + evaluate(x, numbers[6 : 6 + int(order)]))
    return values
