"""Ionisation classes from the [S II] and [O I] diagrams and from WHAN, beside the [N II] one of `bpt`."""

from enum import IntEnum
from typing import Final

import numpy as np

from fiberless.analysis.gas.bpt import RETIRED_EW_AA, BptClass, curves, log_ratio
from fiberless.arrays import FloatArray

__all__ = ["WhanClass", "oi_classes", "sii_classes", "whan_classes"]

_PASSIVE_EW_AA: Final = 0.5
_STRONG_EW_AA: Final = 6.0
_AGN_LG_NII: Final = -0.4


class WhanClass(IntEnum):
    """Classes of the diagram of EW(Hα) against [N II]/Hα, as they stand in arrays."""

    STAR_FORMING = 0
    STRONG_AGN = 1
    WEAK_AGN = 2
    RETIRED = 3
    PASSIVE = 4


def sii_classes(
    *, ew_halpha: FloatArray, halpha: FloatArray, sii: FloatArray, oiii: FloatArray, hbeta: FloatArray
) -> FloatArray:
    """Class by lg [S II] 6716+6731 / Hα: star forming below Kewley+01, else Seyfert or LINER by Kewley+06.

    Parameters
    ----------
    ew_halpha : (N,) rest-frame Å; below 3 Å it is `RETIRED_OR_PASSIVE`
    halpha, sii, oiii, hbeta : (N,) fluxes in one unit, `sii` of both lines

    Returns
    -------
    (N,) values of `BptClass` as floats, NaN as in `bpt.bpt_classes`

    """
    return _two_curves("sii", log_ratio(sii, halpha), log_ratio(oiii, hbeta), ew_halpha)


def oi_classes(
    *, ew_halpha: FloatArray, halpha: FloatArray, oi: FloatArray, oiii: FloatArray, hbeta: FloatArray
) -> FloatArray:
    """Class by lg [O I] 6300 / Hα; else as `sii_classes`."""
    return _two_curves("oi", log_ratio(oi, halpha), log_ratio(oiii, hbeta), ew_halpha)


def whan_classes(
    *, ew_halpha: FloatArray, ew_nii: FloatArray, halpha: FloatArray, nii: FloatArray
) -> FloatArray:
    """Class by EW(Hα) and lg [N II] 6583/Hα (Cid Fernandes et al. 2011, MNRAS 413, 1687, section 6).

    Parameters
    ----------
    ew_halpha, ew_nii : (N,) rest-frame Å; both below 0.5 Å: `PASSIVE`, else Hα below 3 Å: `RETIRED`
    halpha, nii : (N,) fluxes in one unit

    Returns
    -------
    (N,) values of `WhanClass` as floats; NaN if a width is NaN, or if Hα is not positive above 3 Å

    """
    x = log_ratio(nii, halpha)
    agn = np.where(ew_halpha > _STRONG_EW_AA, WhanClass.STRONG_AGN, WhanClass.WEAK_AGN)
    emitting = np.where(np.isnan(x), np.nan, np.where(x < _AGN_LG_NII, WhanClass.STAR_FORMING, agn))
    weak = np.where(
        (ew_halpha < _PASSIVE_EW_AA) & (ew_nii < _PASSIVE_EW_AA), WhanClass.PASSIVE, WhanClass.RETIRED
    )
    classes = np.where(ew_halpha < RETIRED_EW_AA, weak, emitting)
    known: FloatArray = np.where(np.isnan(ew_halpha) | np.isnan(ew_nii), np.nan, classes)
    return known


def _two_curves(name: str, x: FloatArray, y: FloatArray, ew_halpha: FloatArray) -> FloatArray:
    table = curves()
    agn = np.where(table[f"kewley06_{name}"].below(x, y), BptClass.LINER, BptClass.SEYFERT)
    by_ratio = np.where(table[f"kewley01_{name}"].below(x, y), BptClass.STAR_FORMING, agn)
    known = np.where(np.isnan(x) | np.isnan(y), np.nan, by_ratio)
    retired = np.where(ew_halpha < RETIRED_EW_AA, BptClass.RETIRED_OR_PASSIVE, known)
    classes: FloatArray = np.where(np.isnan(ew_halpha), np.nan, retired)
    return classes
