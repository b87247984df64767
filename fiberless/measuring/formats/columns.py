"""What each column of a table holds, by its UCD or utype, then its name, then its unit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fiberless.errors import UsageError
from fiberless.measuring.formats.unit_text import flux_unit, is_unit_text, wave_unit

__all__ = ["Chosen", "Role", "TableColumn", "chosen_columns", "truths"]


class Role(StrEnum):
    """What a column is to a spectrum."""

    WAVE = "wavelength"
    LOG_WAVE = "log10 of wavelength"
    LN_WAVE = "ln of wavelength"
    FLUX = "flux"
    ERROR = "standard deviation"
    VARIANCE = "variance"
    IVAR = "inverse variance"
    MASK = "mask"
    GOOD = "mask of good pixels"


_WAVES: Final = (Role.WAVE, Role.LOG_WAVE, Role.LN_WAVE)
_UNCERTAINTIES: Final = (Role.IVAR, Role.ERROR, Role.VARIANCE)
_WORDS: Final = MappingProxyType(
    {
        Role.LOG_WAVE: "loglam loglambda logwave logwavelength log10lam log10wave loglam10",
        Role.LN_WAVE: "lnlam lnlambda lnwave lnwavelength",
        Role.IVAR: "ivar invvar inversevariance fluxivar ivarflux",
        Role.VARIANCE: "var variance fluxvar",
        Role.ERROR: "err error errors sigma sig std stdev stddev noise unc uncert uncertainty uncertainties "
        "rms fluxerr fluxerror eflux dflux ferr errflux errorflux sigmaflux fluxsigma fluxstd sflux",
        Role.GOOD: "good valid usable ok goodpix",
        Role.MASK: "mask masked flag flags quality qual dq badpix bad andmask pixmask dqf",
        Role.WAVE: "wavelength wavelengths wave waves lambda lam lambdas wl wvl wav wavel awav spectralaxis "
        "waveobs lamobs wavelen",
        Role.FLUX: "flux fluxes flam flambda fnu flx fluxdensity fluxlambda intensity count counts",
    }
)
"""Words of names, a role each; the first role whose word is in a name is the column's."""
_OTHERS: Final = frozenset(
    (
        *(
            "sky",
            "background",
            "bg",
            "bgflux",
            "telluric",
            "raw",
            "nocalib",
            "gross",
            "net",
            "smooth",
            "smoothed",
        ),
        *("model", "fit", "best", "template", "continuum", "cont", "normalization", "normalisation"),
        *("lsf", "disp", "wdisp", "resolution", "res", "width", "throughput", "response", "calib"),
        *("snr", "sn", "p16", "p50", "p84", "ormask", "sb", "surf", "bkgd", "poisson", "rnoise", "flat"),
    )
)
"""Words of names of what is beside a spectrum's own flux and error."""
_UTYPES: Final = MappingProxyType(
    {
        "spectralaxis.value": Role.WAVE,
        "fluxaxis.value": Role.FLUX,
        "fluxaxis.accuracy.staterror": Role.ERROR,
        "fluxaxis.accuracy.qualitystatus": Role.MASK,
    }
)
_ENDINGS: Final = "aa?|ang|angstroms?|nm|um|microns?|jy|mjy|ujy"
_KNOWN: Final = (
    "wavelength (wave, lambda, lam, loglam …), flux (f_lambda, flam …), error (err, sigma, std, uncertainty "
    "…), ivar, variance, mask (flag, quality …), with or without a unit in brackets"
)


@dataclass(frozen=True, eq=False)
class TableColumn:
    """A column as it stands in a file.

    Parameters
    ----------
    name : without the unit that it may have had in brackets
    values : (L,) numbers or truth values, masked where missing
    unit : its text, None where none is given
    ucd, utype, description : of the Virtual Observatory; empty where none is given

    """

    name: str
    values: npt.NDArray[Any]
    unit: str | None = None
    ucd: str = ""
    utype: str = ""
    description: str = ""

    @classmethod
    def titled(
        cls, title: str, values: npt.NDArray[Any], unit: str | None = None, **words: str
    ) -> "TableColumn":
        """From a title that may end in a unit: `flux [Jy]`, `wave (nm)`, `wavelength_nm`."""
        bracketed = re.fullmatch(r"\s*(.*?)\s*[\[(](.+)[\])]\s*", title)
        if bracketed and (is_unit_text(bracketed[2]) or not bracketed[2].strip()):
            return cls(bracketed[1], values, unit or bracketed[2].strip() or None, **words)
        ending = re.fullmatch(rf"(.*[A-Za-z])[_ ]({_ENDINGS})", title.strip(), re.IGNORECASE)
        if ending:
            return cls(ending[1], values, unit or ending[2], **words)
        return cls(title.strip(), values, unit, **words)


@dataclass(frozen=True, eq=False)
class Chosen:
    """Columns of a spectrum; what is not among them is named in `unused`.

    Parameters
    ----------
    wave, flux : always there
    error : of one of the three roles of uncertainties, or None
    masks : of pixels, with the role of each
    unused : names

    """

    wave: TableColumn
    wave_role: Role
    flux: TableColumn
    error: TableColumn | None
    error_role: Role
    masks: tuple[tuple[Role, TableColumn], ...]
    unused: tuple[str, ...]


def chosen_columns(name: str, columns: Sequence[TableColumn]) -> Chosen:
    """Find a spectrum's columns among those of a table.

    Raises
    ------
    UsageError
        `not-a-spectrum` with the columns found and the names known, if wavelength or flux is not among them
        or two columns could be one of them.

    """
    roles = _roles(columns)
    wave = _one(name, columns, roles, _WAVES)
    flux = _one(name, columns, roles, (Role.FLUX,))
    if wave is None or flux is None:
        missing = "wavelength" if wave is None else "flux"
        shown = ", ".join(column.name or "(without a name)" for column in columns)
        raise UsageError(
            "not-a-spectrum", f"{name}: no column of {missing} among {shown}; known are {_KNOWN}"
        )
    error = _one(name, columns, roles, _UNCERTAINTIES)
    masks = tuple(
        (roles[i], column) for i, column in enumerate(columns) if roles.get(i) in (Role.MASK, Role.GOOD)
    )
    used = {id(column) for column in (wave, flux, error, *(mask for _, mask in masks)) if column is not None}
    role_of = {id(column): roles[i] for i, column in enumerate(columns) if i in roles}
    return Chosen(
        wave,
        role_of[id(wave)],
        flux,
        error,
        Role.ERROR if error is None else role_of[id(error)],
        masks,
        tuple(column.name for column in columns if id(column) not in used),
    )


def _roles(columns: Sequence[TableColumn]) -> dict[int, Role]:
    """Roles by place; by unit where nothing else tells wavelength or flux."""
    found = {i: role for i, column in enumerate(columns) if (role := _role(column)) is not None}
    for wanted, reads in ((_WAVES, _is_wave_unit), ((Role.FLUX,), _is_flux_unit)):
        if not set(found.values()) & set(wanted):
            fitting = [i for i, column in enumerate(columns) if i not in found and reads(column.unit)]
            if len(fitting) == 1 and not set(_tokens(columns[fitting[0]].name)) & _OTHERS:
                found[fitting[0]] = wanted[0]
    return found


def _role(column: TableColumn) -> Role | None:
    by_standard = _role_of_ucd(column.ucd.lower()) or _UTYPES.get(
        column.utype.lower().rpartition("data.")[2], None
    )
    role = by_standard or _role_of_name(column.name)
    if role is Role.WAVE and (column.unit or "").lower().startswith("log"):
        return Role.LOG_WAVE
    return role if role is None or _fits(role, column.unit) else None


def _fits(role: Role, unit: str | None) -> bool:
    """Whether a unit, if there is one, can be that of a role: a velocity is no error of a flux."""
    if not unit:
        return True
    if role in (Role.ERROR, Role.VARIANCE, Role.IVAR):
        return not _is_wave_unit(unit) and re.search(r"\bkm\b", unit) is None
    return True


def _role_of_ucd(ucd: str) -> Role | None:
    if not ucd or "stat.min" in ucd or "stat.max" in ucd or "stat.median" in ucd:
        return None
    starts = (
        ("em.wl", Role.WAVE),
        ("em.freq", Role.WAVE),
        ("em.energy", Role.WAVE),
        ("stat.weight", Role.IVAR),
        ("stat.variance", Role.VARIANCE),
        ("stat.stdev", Role.ERROR),
        ("stat.error", Role.ERROR),
        ("meta.code.qual", Role.MASK),
    )
    role = next((role for start, role in starts if ucd.startswith(start)), None)
    is_of_flux = role in _WAVES or role is Role.MASK or "phot" in ucd or ";" not in ucd
    if role is not None:
        return role if is_of_flux else None
    # the background and the uncalibrated flux of ESO's tables are no source's flux
    is_flux = ucd.startswith(("phot.flux", "phot.fluxdens")) and not re.search("sky|background|arith", ucd)
    return Role.FLUX if is_flux and ("src.net" not in ucd or "uncalib" not in ucd) else None


def _tokens(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.replace("λ", "lambda").replace("σ", "sigma"))
    return re.findall(r"[a-z]+\d*|\d+", spaced.lower())


def _role_of_name(name: str) -> Role | None:
    tokens = _tokens(name)
    whole = "".join(tokens)
    words = {*tokens, whole, *(token.rstrip("0123456789") for token in tokens)}
    words |= {a + b for a, b in pairwise(tokens)}
    if words & _OTHERS:
        return None
    roles = [role for role, known in _WORDS.items() if words & set(known.split())]
    if not roles:
        return Role.ERROR if whole in {"e", "err1d"} else None
    first = roles[0]
    if first in _UNCERTAINTIES and set(roles) & set(_WAVES):
        return None
    if Role.FLUX in roles and Role.WAVE in roles:  # F_lambda, flux_lambda
        return first if first not in (Role.WAVE, Role.FLUX) else Role.FLUX
    return first


def _one(
    name: str, columns: Sequence[TableColumn], roles: Mapping[int, Role], wanted: Sequence[Role]
) -> TableColumn | None:
    """The one column of a role: the standard's main one, else the plainest name."""
    fitting = [column for i, column in enumerate(columns) if roles.get(i) in wanted]
    if len(fitting) <= 1:
        return fitting[0] if fitting else None
    main = [column for column in fitting if "meta.main" in column.ucd]
    if len(main) == 1:
        return main[0]
    order = {role: place for place, role in enumerate(wanted)}
    rank = [(order[role], len(_tokens(columns[i].name))) for i, role in roles.items() if role in wanted]
    best = [column for column, key in zip(fitting, rank, strict=True) if key == min(rank)]
    if len(best) > 1:
        shown = ", ".join(column.name for column in best)
        raise UsageError("not-a-spectrum", f"{name}: {shown} could each be the {wanted[0].value}")
    return best[0]


def _is_wave_unit(unit: str | None) -> bool:
    return _reads(wave_unit, unit)


def _is_flux_unit(unit: str | None) -> bool:
    return _reads(flux_unit, unit)


def _reads(read: Any, unit: str | None) -> bool:
    if not unit:
        return False
    try:
        read(unit)
    except UsageError:
        return False
    return True


def truths(column: TableColumn) -> npt.NDArray[np.bool_]:
    """Values of a mask as truth values; what is missing is false.

    Raises
    ------
    UsageError
        `not-a-spectrum` if they are words that are not known.

    """
    values = np.ma.asarray(column.values)
    if values.dtype.kind in "US":
        words = np.char.lower(np.char.strip(np.ma.filled(values, "").astype(str)))
        known = {"true": True, "t": True, "yes": True, "false": False, "f": False, "no": False, "": False}
        unknown = sorted(set(words.tolist()) - set(known) - {"0", "1"})
        if unknown:
            raise UsageError("not-a-spectrum", f"mask {column.name} has values not known: {unknown[:3]}")
        return np.array([known.get(word, word == "1") for word in words])
    numbers = np.ma.filled(values.astype(np.float64), 0.0)
    return np.nan_to_num(numbers, nan=1.0) != 0
