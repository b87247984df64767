"""Emission lines as results have them: doublet partners and sums from the fitted columns."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from fiberless.analysis.lines.continuum import FIT_EDGES_AA
from fiberless.analysis.lines.emission import FITTED_LINES, tied_lines
from fiberless.analysis.lines.fit import SpectralFit, level_near
from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import FloatArray
from fiberless.astro.lines import all_lines, line

__all__ = [
    "COLUMN_OF_LINE",
    "REPORTED_LINES",
    "LineTable",
    "ReportedLine",
    "line_values",
    "without_lines",
]


_SUM_OF_DOUBLET: Final = MappingProxyType({"OII_3727": "[O II] 3727"})
"""Lines of results that are the sum of all that is fitted with them, and their conventional names."""


class ReportedLine(NamedTuple):
    """A line of the results.

    Parameters
    ----------
    conventional : as the literature writes it, with the wavelength in air
    fitted : name in `emission.FITTED_LINES` whose flux decides
    at : name in `fiberless.astro.lines` of the line itself, where its continuum is taken
    factor : its flux over the fitted one's

    """

    conventional: str
    fitted: str
    at: str
    factor: float = 1.0


def _reported_lines() -> dict[str, ReportedLine]:
    shares = tied_lines()
    fitted_with = {name: fitted for fitted, tied in shares.items() for name, _ in tied}
    found = {}
    for known in all_lines().values():
        if name := known.result_name:
            tied = dict(shares[fitted_with[known.name]])
            factor = sum(tied.values()) if name in _SUM_OF_DOUBLET else tied[known.name]
            conventional = _SUM_OF_DOUBLET.get(name, known.conventional)
            found[name] = ReportedLine(conventional, fitted_with[known.name], known.name, factor)
    return found


REPORTED_LINES: Final = MappingProxyType(_reported_lines())
"""Lines of `tables/lines.ecsv` that results have, by their name there. `OII_3727` is the sum of its
unresolved doublet; [O III] 4959 and [N II] 6548 are tied to their stronger partners by atomic physics and
say nothing of their own."""
COLUMN_OF_LINE: Final = MappingProxyType({name: j for j, name in enumerate(REPORTED_LINES)})
"""Column of each line in a `LineTable`."""


@dataclass(frozen=True, eq=False)
class LineTable:
    """The lines of `REPORTED_LINES`, in that order, of N spectra or of N draws of one.

    Parameters
    ----------
    flux : (N, J) 1e-17 erg/(s cm2), emission positive; NaN where not measurable
    ew : (N, J) rest-frame Å, over the mean stellar continuum within 10 Å
    flux_error, ew_error : (N, J) standard deviations, or None
    flux_noise : (N, J) that of the flux without the shape of the flux calibration, or None

    """

    flux: FloatArray
    ew: FloatArray
    flux_error: FloatArray | None = None
    ew_error: FloatArray | None = None
    flux_noise: FloatArray | None = None

    def flux_of(self, name: str) -> FloatArray:
        """Flux (N,) of a line by its name in results."""
        return self.flux[:, COLUMN_OF_LINE[name]]

    def ew_of(self, name: str) -> FloatArray:
        """Equivalent width (N,) of a line by its name in results."""
        return self.ew[:, COLUMN_OF_LINE[name]]


def line_values(fit: SpectralFit, *, with_errors: bool) -> LineTable:
    """Flux and rest-frame equivalent width of each reported line, and their errors if asked for."""
    reported = tuple(REPORTED_LINES.values())
    columns = [FITTED_LINES.index(item.fitted) for item in reported]
    factor = np.array([item.factor for item in reported])
    per_width = factor * np.stack([_level_ratio(fit, item) for item in reported], axis=-1)
    return LineTable(
        flux=factor * fit.flux[:, columns],
        ew=per_width * fit.ew_aa[:, columns],
        flux_error=factor * fit.flux_error[:, columns] if with_errors else None,
        ew_error=per_width * fit.ew_error_aa[:, columns] if with_errors else None,
    )


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


def _level_ratio(fit: SpectralFit, reported: ReportedLine) -> FloatArray:
    """Continuum at the fitted line over that at the reported one, (N,)."""
    if reported.at == reported.fitted:
        return np.ones(len(fit.flux))
    fitted, own = (_level(fit, name) for name in (reported.fitted, reported.at))
    ratio: FloatArray = np.divide(fitted, own, out=np.full_like(own, np.nan), where=own > 0)
    return ratio


def _level(fit: SpectralFit, name: str) -> FloatArray:
    return fit.continuum[:, level_near(line(name).wave_aa)].mean(axis=1)
