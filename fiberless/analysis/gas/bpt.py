"""Ionisation classes from the [N II] diagram of Baldwin, Phillips & Terlevich (1981) and the width of Hα."""

from enum import IntEnum
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from astropy.table import Table
from scipy.stats import beta

from fiberless.arrays import BoolArray, FloatArray, significant
from fiberless.contract.measurements import between, missing
from fiberless.contract.properties import INTERVAL_LEVEL, Classification, Flag, Measurement

__all__ = [
    "AGN_CLASSES",
    "RETIRED_EW_AA",
    "BptClass",
    "Curve",
    "agn_probability",
    "bpt_classes",
    "classification",
    "curves",
    "log_ratio",
]

RETIRED_EW_AA: Final = 3.0
"""EW(Hα) below which old stars can ionise the gas (Cid Fernandes et al. 2011, MNRAS 413, 1687)."""


_NII_METHOD: Final = "[N II] BPT with EW(Halpha) < 3 A retired; share of the candidates"


class BptClass(IntEnum):
    """Classes of the diagram, as they stand in arrays."""

    STAR_FORMING = 0
    COMPOSITE = 1
    SEYFERT = 2
    LINER = 3
    RETIRED_OR_PASSIVE = 4


AGN_CLASSES: Final = (BptClass.SEYFERT, BptClass.LINER)


class Curve(NamedTuple):
    """A curve y(x) of the diagram, x = lg [N II]/Hα, y = lg [O III]/Hβ."""

    kind: str
    a: float
    b: float
    c: float
    reference: str

    def below(self, x: FloatArray, y: FloatArray) -> BoolArray:
        """Whether points lie below; right of a hyperbola's asymptote nothing does."""
        left = (x < self.b) | (self.kind == "line")
        height = self.a * x if self.kind == "line" else self.a / np.where(left, x - self.b, -1.0)
        under: BoolArray = left & (y < height + self.c)
        return under


@cache
def curves() -> MappingProxyType[str, Curve]:
    """Read the curves of `tables/bpt_curves.ecsv` by name."""
    path = files("fiberless.analysis") / "tables" / "bpt_curves.ecsv"
    table = Table.read(str(path), format="ascii.ecsv")
    return MappingProxyType(
        {
            str(row["name"]): Curve(
                str(row["kind"]), float(row["a"]), float(row["b"]), float(row["c"]), str(row["reference"])
            )
            for row in table
        }
    )


def bpt_classes(
    *,
    ew_halpha: FloatArray,
    halpha: FloatArray,
    nii: FloatArray,
    oiii: FloatArray,
    hbeta: FloatArray,
    division: str = "cidfernandes10",
) -> FloatArray:
    """Class of each spectrum.

    1. EW(Hα) < 3 Å: `RETIRED_OR_PASSIVE`, wherever the ratios lie (Cid Fernandes et al. 2011; their passive
       galaxies, EW < 0.5 Å, are included).
    2. Else below Kauffmann et al. 2003: `STAR_FORMING`; between it and Kewley et al. 2001: `COMPOSITE`.
    3. Above Kewley et al. 2001: `SEYFERT` above the line of Cid Fernandes et al. 2010, else `LINER`.

    A measured [N II] or [O III] that is not positive is taken as zero flux, so its ratio lies at minus
    infinity and the other ratio decides.

    Parameters
    ----------
    ew_halpha : (N,) rest-frame Å, emission positive
    halpha, nii, oiii, hbeta : (N,) fluxes of Hα, [N II] 6583, [O III] 5007, Hβ in one unit
    division : curve between Seyferts and LINERs, "schawinski07" being the other one

    Returns
    -------
    (N,) values of `BptClass` as floats; NaN if EW(Hα) is NaN, or if it is ≥ 3 Å and a flux is NaN or Hβ is
    not positive.

    """
    x, y = log_ratio(nii, halpha), log_ratio(oiii, hbeta)
    table = curves()
    agn = np.where(table[division].below(x, y), BptClass.LINER, BptClass.SEYFERT)
    mixed = np.where(table["kewley01"].below(x, y), BptClass.COMPOSITE, agn)
    by_ratio = np.where(table["kauffmann03"].below(x, y), BptClass.STAR_FORMING, mixed)
    known = np.where(np.isnan(x) | np.isnan(y), np.nan, by_ratio)
    retired = np.where(ew_halpha < RETIRED_EW_AA, BptClass.RETIRED_OR_PASSIVE, known)
    classes: FloatArray = np.where(np.isnan(ew_halpha), np.nan, retired)
    return classes


def classification(
    classes: FloatArray, *, kinds: type[IntEnum] = BptClass, method: str = _NII_METHOD
) -> Classification:
    """Most frequent class of the candidates and the share of each.

    Parameters
    ----------
    classes : (K,) of `bpt_classes`; if more than half are NaN the class is null, flag `out_of_band`.
    kinds : what the values of `classes` are, numbered from 0
    method : how they came about

    """
    good = classes[np.isfinite(classes)].astype(np.intp)
    if good.size * 2 < classes.size or good.size == 0:
        return Classification(value=None, probabilities={}, flag=Flag.OUT_OF_BAND, method=method)
    share = significant(np.bincount(good, minlength=len(kinds)) / good.size)
    best = kinds(int(np.argmax(share)))
    flag = Flag.OK if share[best] > 0.5 else Flag.LOW_CONFIDENCE
    probabilities = {kind.name.lower(): float(share[kind]) for kind in kinds}
    return Classification(value=best.name.lower(), probabilities=probabilities, flag=flag, method=method)


def agn_probability(classes: FloatArray, *, level: float = INTERVAL_LEVEL) -> Measurement:
    """Share of the candidates that are Seyferts or LINERs: above Kewley et al. 2001 with EW(Hα) ≥ 3 Å.

    Composites and retired galaxies count as no AGN. The interval is that of the share given K draws: central
    interval of the Beta posterior with Jeffreys' prior, its end moved to 0 or 1 where none or all are AGN
    (Brown, Cai & DasGupta 2001, Stat. Sci. 16, 101).

    Parameters
    ----------
    classes : (K,) of `bpt_classes`; if more than half are NaN the value is null, flag `out_of_band`.

    """
    good = classes[np.isfinite(classes)]
    n, k = good.size, int(np.isin(good, AGN_CLASSES).sum())
    measurable = n > 0 and 2 * n >= classes.size
    method = "share of candidates above Kewley+01 with EW(Halpha) >= 3 A; Jeffreys interval"
    if not measurable:
        return missing("", Flag.OUT_OF_BAND, method=method, level=level)
    lower, upper = _jeffreys(k, n, level)
    return between(lower, k / n, upper, unit="", method=method, level=level)


def _jeffreys(k: int, n: int, level: float) -> tuple[float, float]:
    tails = beta.ppf([(1 - level) / 2, (1 + level) / 2], k + 0.5, n - k + 0.5)
    lower, upper = (float(v) for v in tails)
    return (0.0 if k == 0 else lower, 1.0 if k == n else upper)


def log_ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Lg of a flux ratio; minus infinity if the first is not positive, NaN if the second is not."""
    known = np.isfinite(above) & np.isfinite(below) & (below > 0)
    ratio = np.divide(np.maximum(above, 0.0), below, out=np.full(np.shape(above), np.nan), where=known)
    lg = np.full(np.shape(ratio), -np.inf)
    np.log10(ratio, out=lg, where=~(ratio <= 0))
    return lg
