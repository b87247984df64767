"""Emission lines as reported: conventional names, doublet partners and sums from the fitted columns."""

from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from fiberless.analysis.lines.continuum import FIT_EDGES_AA
from fiberless.analysis.lines.emission import FITTED_LINES, OII_DOUBLET_RATIO
from fiberless.analysis.lines.fit import SpectralFit, level_near
from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import FloatArray
from fiberless.astro.lines import NII_DOUBLET_RATIO, OIII_DOUBLET_RATIO, line

__all__ = ["REPORTED_LINES", "ReportedLine", "line_values", "without_lines"]


class ReportedLine(NamedTuple):
    """A line under its conventional name.

    Parameters
    ----------
    fitted : name in `emission.FITTED_LINES` whose flux decides
    at : name in `fiberless.astro.lines` of the line itself, where its continuum is taken
    factor : its flux over the fitted one's

    """

    fitted: str
    at: str
    factor: float = 1.0


REPORTED_LINES: Final = MappingProxyType(
    {
        "OII_3727": ReportedLine("OII_3730", "OII_3730", 1 + 1 / OII_DOUBLET_RATIO),
        "Hgamma": ReportedLine("Hgamma", "Hgamma"),
        "Hbeta": ReportedLine("Hbeta", "Hbeta"),
        "OIII_4959": ReportedLine("OIII_5008", "OIII_4960", 1 / OIII_DOUBLET_RATIO),
        "OIII_5007": ReportedLine("OIII_5008", "OIII_5008"),
        "OI_6300": ReportedLine("OI_6302", "OI_6302"),
        "NII_6548": ReportedLine("NII_6585", "NII_6550", 1 / NII_DOUBLET_RATIO),
        "Halpha": ReportedLine("Halpha", "Halpha"),
        "NII_6583": ReportedLine("NII_6585", "NII_6585"),
        "SII_6716": ReportedLine("SII_6718", "SII_6718"),
        "SII_6731": ReportedLine("SII_6733", "SII_6733"),
    }
)
"""Lines by conventional name (air). `OII_3727` is the sum of its unresolved doublet; [O III] 4959 and
[N II] 6548 are tied to their stronger partners by atomic physics and say nothing of their own."""


def line_values(fit: SpectralFit, *, with_errors: bool) -> dict[str, FloatArray]:
    """Flux and rest-frame equivalent width of each reported line.

    Returns
    -------
    dict of (N,) : `flux_<name>` in 1e-17 erg/(s cm2), `ew_<name>` in Å and, if asked for, `…_error`

    """
    values: dict[str, FloatArray] = {}
    for name, reported in REPORTED_LINES.items():
        j = FITTED_LINES.index(reported.fitted)
        per_width = reported.factor * _level_ratio(fit, reported)
        values |= {
            f"flux_{name}": reported.factor * fit.flux[:, j],
            f"ew_{name}": per_width * fit.ew_aa[:, j],
        }
        if with_errors:
            values[f"flux_{name}_error"] = reported.factor * fit.flux_error[:, j]
            values[f"ew_{name}_error"] = per_width * fit.ew_error_aa[:, j]
    return values


def without_lines(pixels: PixelFlux, fit: SpectralFit, redshift: FloatArray) -> PixelFlux:
    """Spectra less their fitted emission lines; the noise stays.

    Parameters
    ----------
    pixels : N spectra, observed frame
    fit : of the same spectra
    redshift : (N,) of that fit; not finite: nothing is taken off

    """
    z = np.where(np.isfinite(redshift), redshift, 0.0)
    model = PixelFlux(FIT_EDGES_AA, fit.lines, np.ones(fit.lines.shape, dtype=bool), None)
    binned = model.rebin(pixels.edges_aa / (1 + z[:, None]))
    emission = np.where(np.isfinite(redshift)[:, None] & pixels.valid, binned.flux * binned.coverage, 0.0)
    return PixelFlux(pixels.edges_aa, pixels.flux - emission, pixels.valid, pixels.ivar)


def _level_ratio(fit: SpectralFit, reported: ReportedLine) -> FloatArray | float:
    """Continuum at the fitted line over that at the reported one, (N,)."""
    if reported.at == reported.fitted:
        return 1.0
    fitted, own = (_level(fit, name) for name in (reported.fitted, reported.at))
    ratio: FloatArray = np.divide(fitted, own, out=np.full_like(own, np.nan), where=own > 0)
    return ratio


def _level(fit: SpectralFit, name: str) -> FloatArray:
    return fit.continuum[:, level_near(line(name).wave_aa)].mean(axis=1)
