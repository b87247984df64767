"""Quantities and classes that follow from line fluxes, for draws of one galaxy: candidates or noise."""

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
from fiberless.arrays import FloatArray
from fiberless.contract.properties import Classification, Flag, LineMeasurement, Measurement, summarise

__all__ = ["derived_classes", "derived_quantities"]

_RETIRED_METHOD: Final = "EW(Halpha) < 3 A retired; share of the draws"
_CLASS_LINES: Final = MappingProxyType(
    {
        "bpt_nii": ("Halpha", "Hbeta", "OIII_5007", "NII_6583"),
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


def derived_classes(
    draws: dict[str, FloatArray], lines: dict[str, LineMeasurement]
) -> dict[str, Classification]:
    """Ionisation classes by five diagrams.

    Parameters
    ----------
    draws : (K,) `flux_<line>` and `ew_<line>` of each draw
    lines : the same lines as reported; a class that rests on one which is not detected is `low_confidence`,
        unless the galaxy is retired, for which weak lines are the proof

    """
    flux = {name: draws[f"flux_{name}"] for name in lines}
    shared = {"ew_halpha": draws["ew_Halpha"], "halpha": flux["Halpha"]}
    ratios = shared | {"oiii": flux["OIII_5007"], "hbeta": flux["Hbeta"]}
    found = {
        "bpt_nii": classification(_nii_classes(draws, "cidfernandes10")),
        "bpt_nii_s07": classification(
            _nii_classes(draws, "schawinski07"),
            method=f"[N II] BPT, Seyferts and LINERs by Schawinski+07; {_RETIRED_METHOD}",
        ),
        "bpt_sii": classification(
            sii_classes(**ratios, sii=flux["SII_6716"] + flux["SII_6731"]),
            kinds=BptClass,
            method=f"[S II] diagram, Kewley+01 and Kewley+06; {_RETIRED_METHOD}",
        ),
        "bpt_oi": classification(
            oi_classes(**ratios, oi=flux["OI_6300"]),
            kinds=BptClass,
            method=f"[O I] diagram, Kewley+01 and Kewley+06; {_RETIRED_METHOD}",
        ),
        "whan": classification(
            whan_classes(**shared, ew_nii=draws["ew_NII_6583"], nii=flux["NII_6583"]),
            kinds=WhanClass,
            method="EW(Halpha) against [N II]/Halpha, Cid Fernandes+11; share of the draws",
        ),
    }
    return {
        name: _judged(value, [lines[line] for line in _CLASS_LINES[name]]) for name, value in found.items()
    }


def derived_quantities(
    draws: dict[str, FloatArray],
    redshift: FloatArray,
    *,
    lines: dict[str, LineMeasurement],
    ionisation: Classification,
    level: float = 0.68,
) -> dict[str, Measurement]:
    """Decrement, reddening, oxygen abundances and star-formation rate.

    Where a line that a quantity rests on is out of band or not detected, so is the quantity, without a
    number. Abundances and star-formation rates of galaxies that are not star-forming, abundances outside the
    range of their calibration, and reddenings of decrements below case B are `low_confidence`. Intervals
    leave out the scatter of calibrations.

    Parameters
    ----------
    draws : (K,) `flux_<line>` of each draw
    redshift : (K,)
    lines : the same lines as reported
    ionisation : class of the [N II] diagram

    """
    is_star_forming = ionisation.value == BptClass.STAR_FORMING.name.lower()
    return {
        name: _reported(item, lines, is_star_forming=is_star_forming, level=level)
        for name, item in _quantities(draws, redshift).items()
    }


def _nii_classes(draws: dict[str, FloatArray], division: str) -> FloatArray:
    return bpt_classes(
        ew_halpha=draws["ew_Halpha"],
        halpha=draws["flux_Halpha"],
        nii=draws["flux_NII_6583"],
        oiii=draws["flux_OIII_5007"],
        hbeta=draws["flux_Hbeta"],
        division=division,
    )


def _quantities(draws: dict[str, FloatArray], redshift: FloatArray) -> dict[str, _Derived]:
    halpha, hbeta = draws["flux_Halpha"], draws["flux_Hbeta"]
    decrement = np.divide(halpha, hbeta, out=np.full_like(halpha, np.nan), where=hbeta > 0)
    ebv = balmer_ebv(decrement)
    balmer = ("Halpha", "Hbeta")
    return {
        "balmer_decrement": _Derived(decrement, balmer, "", "Halpha / Hbeta"),
        "ebv_gas": _Derived(
            ebv,
            balmer,
            "mag",
            f"Balmer decrement, {_DUST}; negative below case B",
            valid=(CASE_B_DECREMENT, np.inf),
            ratio=decrement,
        ),
        "log_sfr_halpha": _Derived(
            log_sfr_halpha(halpha, redshift, ebv=ebv),
            balmer,
            "dex(solMass / yr)",
            f"inside the aperture; Kennicutt & Evans 12, Kroupa, dust by the Balmer decrement ({_DUST})",
            star_forming_only=True,
        ),
        **_abundances(draws),
    }


def _abundances(draws: dict[str, FloatArray]) -> dict[str, _Derived]:
    n2 = log_ratio(draws["flux_NII_6583"], draws["flux_Halpha"])
    o3 = log_ratio(draws["flux_OIII_5007"], draws["flux_Hbeta"])
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
    item: _Derived, lines: dict[str, LineMeasurement], *, is_star_forming: bool, level: float
) -> Measurement:
    flags = {lines[name].flux.flag for name in item.lines}
    for reason in (Flag.OUT_OF_BAND, Flag.NOT_DETECTED):
        if reason in flags:
            return Measurement(
                value=None,
                lower=None,
                upper=None,
                level=level,
                unit=item.unit,
                flag=reason,
                method=item.method,
            )
    found = summarise(item.draws, unit=item.unit, method=item.method, level=level)
    if found.value is None:
        return found.model_copy(update={"flag": Flag.NOT_DETECTED})
    doubtful = (item.star_forming_only and not is_star_forming) or not _is_valid(item)
    return found.model_copy(update={"flag": Flag.LOW_CONFIDENCE}) if doubtful else found


def _is_valid(item: _Derived) -> bool:
    if item.valid is None or item.ratio is None:
        return True
    return bool(item.valid[0] <= np.nanmedian(item.ratio) <= item.valid[1])


def _judged(found: Classification, lines: list[LineMeasurement]) -> Classification:
    if found.value is None or found.value in _RETIRED_NAMES:
        return found
    if all(line.flux.flag is Flag.OK for line in lines):
        return found
    return found.model_copy(update={"flag": Flag.LOW_CONFIDENCE})
