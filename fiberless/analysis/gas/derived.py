"""Quantities and classes that follow from line fluxes, for draws of one galaxy: candidates or noise."""

from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from fiberless.analysis.gas.abundances import (
    ABUNDANCES,
    CASE_B_DECREMENT,
    balmer_ebv,
    log_sfr_halpha,
    oxygen_abundance,
)
from fiberless.analysis.gas.bpt import BptClass, bpt_classes, classification, log_ratio
from fiberless.analysis.gas.diagrams import WhanClass, oi_classes, sii_classes, whan_classes
from fiberless.analysis.lines.reported import LineTable
from fiberless.arrays import FloatArray
from fiberless.contract.measurements import flagged, missing, summarise
from fiberless.contract.properties import INTERVAL_LEVEL, Classification, Flag, LineMeasurement, Measurement

__all__ = ["DerivedClasses", "DerivedQuantities", "derived_classes", "derived_quantities"]

_RETIRED_METHOD: Final = "EW(Halpha) < 3 A retired; share of the draws"
_CLASS_LINES: Final = MappingProxyType(
    {
        "bpt_class": ("Halpha", "Hbeta", "OIII_5007", "NII_6583"),
        "bpt_nii_s07": ("Halpha", "Hbeta", "OIII_5007", "NII_6583"),
        "bpt_sii": ("Halpha", "Hbeta", "OIII_5007", "SII_6716", "SII_6731"),
        "bpt_oi": ("Halpha", "Hbeta", "OIII_5007", "OI_6300"),
        "whan": ("Halpha", "NII_6583"),
    }
)
"""Lines that each class rests on."""
_RETIRED_NAMES: Final = frozenset({"retired_or_passive", "retired", "passive"})
_DUST: Final = "Milky Way curve of Cardelli+89, R_V = 3.1, case B 2.86"


class _Derived(NamedTuple):
    """A quantity: its draws, the lines that it rests on, and how it is reported."""

    draws: FloatArray
    lines: tuple[str, ...]
    unit: str
    method: str
    star_forming_only: bool = False
    valid: tuple[float, float] | None = None
    ratio: FloatArray | None = None


@dataclass(frozen=True)
class DerivedClasses:
    """Ionisation classes of one galaxy: that of the [N II] diagram, and those of the others by name."""

    bpt_class: Classification
    diagrams: dict[str, Classification]


@dataclass(frozen=True)
class DerivedQuantities:
    """What follows from the line fluxes of one galaxy; abundances by the names of `ABUNDANCES`."""

    balmer_decrement: Measurement
    ebv_gas: Measurement
    log_sfr_halpha: Measurement
    abundances: dict[str, Measurement]


def derived_classes(draws: LineTable, lines: dict[str, LineMeasurement]) -> DerivedClasses:
    """Ionisation classes by five diagrams.

    Parameters
    ----------
    draws : (K, J) lines of each draw
    lines : the same lines as reported; a class that rests on one which is not detected is `low_confidence`,
        unless the galaxy is retired, for which weak lines are the proof

    """
    shared = {"ew_halpha": draws.ew_of("Halpha"), "halpha": draws.flux_of("Halpha")}
    ratios = shared | {"oiii": draws.flux_of("OIII_5007"), "hbeta": draws.flux_of("Hbeta")}
    sii = draws.flux_of("SII_6716") + draws.flux_of("SII_6731")
    found = {
        "bpt_class": classification(_nii_classes(draws, "cidfernandes10")),
        "bpt_nii_s07": classification(
            _nii_classes(draws, "schawinski07"),
            method=f"[N II] BPT, Seyferts and LINERs by Schawinski+07; {_RETIRED_METHOD}",
        ),
        "bpt_sii": classification(
            sii_classes(**ratios, sii=sii),
            kinds=BptClass,
            method=f"[S II] diagram, Kewley+01 and Kewley+06; {_RETIRED_METHOD}",
        ),
        "bpt_oi": classification(
            oi_classes(**ratios, oi=draws.flux_of("OI_6300")),
            kinds=BptClass,
            method=f"[O I] diagram, Kewley+01 and Kewley+06; {_RETIRED_METHOD}",
        ),
        "whan": classification(
            whan_classes(**shared, ew_nii=draws.ew_of("NII_6583"), nii=draws.flux_of("NII_6583")),
            kinds=WhanClass,
            method="EW(Halpha) against [N II]/Halpha, Cid Fernandes+11; share of the draws",
        ),
    }
    judged = {
        name: _judged(value, [lines[line] for line in _CLASS_LINES[name]]) for name, value in found.items()
    }
    return DerivedClasses(judged.pop("bpt_class"), judged)


def derived_quantities(
    draws: LineTable,
    redshift: FloatArray,
    *,
    lines: dict[str, LineMeasurement],
    ionisation: Classification,
    level: float = INTERVAL_LEVEL,
) -> DerivedQuantities:
    """Decrement, reddening, oxygen abundances and star-formation rate.

    Where a line that a quantity rests on is out of band or not detected, so is the quantity, without a
    number. Abundances and star-formation rates of galaxies that are not star-forming, abundances outside the
    range of their calibration, and reddenings of decrements below case B are `low_confidence`. Intervals
    leave out the scatter of calibrations.

    Parameters
    ----------
    draws : (K, J) lines of each draw
    redshift : (K,)
    lines : the same lines as reported
    ionisation : class of the [N II] diagram

    """
    is_star_forming = ionisation.value == BptClass.STAR_FORMING.name.lower()
    report = partial(_reported, lines=lines, is_star_forming=is_star_forming, level=level)
    decrement, ebv, sfr = _of_balmer(draws, redshift)
    return DerivedQuantities(
        balmer_decrement=report(decrement),
        ebv_gas=report(ebv),
        log_sfr_halpha=report(sfr),
        abundances={name: report(item) for name, item in _abundances(draws).items()},
    )


def _nii_classes(draws: LineTable, division: str) -> FloatArray:
    return bpt_classes(
        ew_halpha=draws.ew_of("Halpha"),
        halpha=draws.flux_of("Halpha"),
        nii=draws.flux_of("NII_6583"),
        oiii=draws.flux_of("OIII_5007"),
        hbeta=draws.flux_of("Hbeta"),
        division=division,
    )


def _of_balmer(draws: LineTable, redshift: FloatArray) -> tuple[_Derived, _Derived, _Derived]:
    """Decrement, reddening and star-formation rate."""
    halpha, hbeta = draws.flux_of("Halpha"), draws.flux_of("Hbeta")
    decrement = np.divide(halpha, hbeta, out=np.full_like(halpha, np.nan), where=hbeta > 0)
    ebv = balmer_ebv(decrement)
    balmer = ("Halpha", "Hbeta")
    return (
        _Derived(decrement, balmer, "", "Halpha / Hbeta"),
        _Derived(
            ebv,
            balmer,
            "mag",
            f"Balmer decrement, {_DUST}; negative below case B",
            valid=(CASE_B_DECREMENT, np.inf),
            ratio=decrement,
        ),
        _Derived(
            log_sfr_halpha(halpha, redshift, ebv=ebv),
            balmer,
            "dex(solMass / yr)",
            f"inside the aperture; Kennicutt & Evans 12, Kroupa, dust by the Balmer decrement ({_DUST})",
            star_forming_only=True,
        ),
    )


def _abundances(draws: LineTable) -> dict[str, _Derived]:
    n2 = log_ratio(draws.flux_of("NII_6583"), draws.flux_of("Halpha"))
    o3 = log_ratio(draws.flux_of("OIII_5007"), draws.flux_of("Hbeta"))
    finite = {"n2": np.where(np.isfinite(n2), n2, np.nan)}
    finite["o3n2"] = np.where(np.isfinite(o3), o3, np.nan) - finite["n2"]
    rests_on = {
        "n2": ("Halpha", "NII_6583"),
        "o3n2": ("Halpha", "Hbeta", "OIII_5007", "NII_6583"),
    }
    return {
        name: _Derived(
            oxygen_abundance(finite[item.ratio], item),
            rests_on[item.ratio],
            "",
            f"12 + lg(O/H) by {item.ratio.upper()}, {item.reference}; interval "
            f"without its scatter of {item.scatter} dex",
            star_forming_only=True,
            valid=item.valid,
            ratio=finite[item.ratio],
        )
        for name, item in ABUNDANCES.items()
    }


def _reported(
    item: _Derived, *, lines: dict[str, LineMeasurement], is_star_forming: bool, level: float
) -> Measurement:
    flags = {lines[name].flux.flag for name in item.lines}
    for reason in (Flag.OUT_OF_BAND, Flag.NOT_DETECTED):
        if reason in flags:
            return missing(item.unit, reason, method=item.method, level=level)
    found = summarise(item.draws, unit=item.unit, method=item.method, level=level)
    if found.value is None:
        return flagged(found, Flag.NOT_DETECTED)
    doubtful = (item.star_forming_only and not is_star_forming) or not _is_valid(item)
    return flagged(found, Flag.LOW_CONFIDENCE) if doubtful else found


def _is_valid(item: _Derived) -> bool:
    if item.valid is None or item.ratio is None:
        return True
    return bool(item.valid[0] <= np.nanmedian(item.ratio) <= item.valid[1])


def _judged(found: Classification, lines: list[LineMeasurement]) -> Classification:
    if found.value is None or found.value in _RETIRED_NAMES:
        return found
    if all(line.flux.flag is Flag.OK for line in lines):
        return found
    return flagged(found, Flag.LOW_CONFIDENCE)
