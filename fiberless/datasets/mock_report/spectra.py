"""Spectra of the simulated survey against real ones: 4000 Å break, Hδ, signal-to-noise."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits

from fiberless.analysis.indices.breaks import dn4000
from fiberless.analysis.rebinning import PixelFlux
from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.wavelength import OBSERVED_WAVE_AA, air_to_vacuum, resample_log_flux
from fiberless.datasets.mock.survey import MAIN_LIMIT

__all__ = ["BreakDiagram", "SpectraSummary", "locus_of_mock", "read_real_locus", "summarise_spectra"]

_H_DELTA_AIR_AA: Final = ((4041.6, 4081.5), (4083.5, 4122.25), (4128.5, 4161.0))
"""Blue continuum, line and red continuum of HδA (Worthey & Ottaviani 1997, ApJS 111, 377, table 1)."""
_R_BAND_AA: Final = (5600.0, 6700.0)
_BREAK_EDGES: Final = (1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
_AGN_TRUTH: Final = 0.5
_LEAST_PIXELS: Final = 10


@dataclass(frozen=True, eq=False)
class BreakDiagram:
    """Dn4000 (N,), HδA (N,) in Å and the median S/N per Å over 5600–6700 Å (N,), with names or none."""

    dn4000: FloatArray
    h_delta: FloatArray
    signal_to_noise: FloatArray
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpectraSummary:
    """Summary of the galaxies brighter than r = 17.77.

    `h_delta_by_break` holds (lower edge of Dn4000, upper edge, 16, 50, 84 % of HδA, number) and `real` holds
    (name, Dn4000, HδA, S/N) of each real galaxy.
    """

    dn4000_star_forming: float
    dn4000_quiescent: float
    quiescent_fraction: float
    agn_fraction: float
    signal_to_noise: tuple[float, float, float]
    h_delta_by_break: tuple[tuple[float, float, float, float, float, int], ...]
    real: tuple[tuple[str, float, float, float], ...]


def locus_of_mock(columns: Mapping[str, FloatArray], redshift: FloatArray) -> BreakDiagram:
    """Indices of noiseless simulated spectra.

    Parameters
    ----------
    columns : `ln_shape`, `flux` and `sigma` of a data set
    redshift : (N,)

    """
    shape = np.exp(resample_log_flux(columns["ln_shape"], redshift, OBSERVED_WAVE_AA))
    flux, sigma = (np.asarray(columns[name], np.float32) for name in ("flux", "sigma"))
    breaks, h_delta = _indices(OBSERVED_WAVE_AA, shape, redshift)
    return BreakDiagram(breaks, h_delta, _signal_to_noise(OBSERVED_WAVE_AA, flux / sigma))


def read_real_locus(folder: Path) -> BreakDiagram:
    """Indices of the real galaxies among the `spec-*.fits` files of a folder; empty if there is none."""
    rows = [row for path in sorted(folder.glob("spec-*.fits")) if (row := _read_galaxy(path)) is not None]
    if not rows:
        return BreakDiagram(np.zeros(0), np.zeros(0), np.zeros(0))
    breaks, h_delta, ratio = np.array([row[1:] for row in rows], float).T
    return BreakDiagram(breaks, h_delta, ratio, names=tuple(row[0] for row in rows))


def summarise_spectra(
    mock: BreakDiagram, real: BreakDiagram, truth: Mapping[str, FloatArray]
) -> SpectraSummary:
    """Medians of the main sample.

    Parameters
    ----------
    mock, real : of the two surveys
    truth : `r_mag`, `quiescent` and `agn` of the simulated galaxies, (N,) each

    """
    main = (truth["r_mag"] < MAIN_LIMIT) & np.isfinite(mock.dn4000)
    quiescent = truth["quiescent"] > 0
    low, middle, high = np.percentile(mock.signal_to_noise[main], [16, 50, 84])
    return SpectraSummary(
        dn4000_star_forming=float(np.median(mock.dn4000[main & ~quiescent])),
        dn4000_quiescent=float(np.median(mock.dn4000[main & quiescent])),
        quiescent_fraction=float(quiescent[main].mean()),
        agn_fraction=float((truth["agn"][main] > _AGN_TRUTH).mean()),
        signal_to_noise=(float(low), float(middle), float(high)),
        h_delta_by_break=tuple(_h_delta_bins(mock, main)),
        real=tuple(
            (name, float(real.dn4000[row]), float(real.h_delta[row]), float(real.signal_to_noise[row]))
            for row, name in enumerate(real.names)
        ),
    )


def _h_delta_bins(
    locus: BreakDiagram, main: BoolArray
) -> list[tuple[float, float, float, float, float, int]]:
    rows = []
    for low, high in pairwise(_BREAK_EDGES):
        inside = main & (locus.dn4000 > low) & (locus.dn4000 <= high)
        if inside.sum() >= 10:
            first, middle, last = np.percentile(locus.h_delta[inside], [16, 50, 84])
            rows.append((low, high, float(first), float(middle), float(last), int(inside.sum())))
    return rows


def _indices(wave_aa: FloatArray, flux: FloatArray, redshift: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Dn4000 and HδA (N,) of spectra (N, L) on one grid, emission left in."""
    breaks = dn4000(PixelFlux.of(wave_aa, flux), redshift)
    return breaks, np.array([_h_delta(wave_aa, row, z) for row, z in zip(flux, redshift, strict=True)])


def _h_delta(wave_aa: FloatArray, flux: FloatArray, redshift: float) -> float:
    """Equivalent width of HδA at rest, Å; NaN where a band leaves the spectrum."""
    wave = wave_aa / (1 + redshift)
    blue, line, red = (air_to_vacuum(np.array(edges)) for edges in _H_DELTA_AIR_AA)
    inside = [(wave > edges[0]) & (wave < edges[1]) & np.isfinite(flux) for edges in (blue, line, red)]
    if min(mask.sum() for mask in inside) < _LEAST_PIXELS:
        return float("nan")
    level = [float(flux[inside[0]].mean()), float(flux[inside[2]].mean())]
    continuum = np.interp(wave[inside[1]], [blue.mean(), red.mean()], level)
    return float(np.mean(1 - flux[inside[1]] / continuum) * (line[1] - line[0]))


def _signal_to_noise(wave_aa: FloatArray, ratio: FloatArray) -> FloatArray:
    red = (wave_aa > _R_BAND_AA[0]) & (wave_aa < _R_BAND_AA[1])
    median: FloatArray = np.median(ratio[:, red], axis=1)
    return median


def _read_galaxy(path: Path) -> tuple[str, float, float, float] | None:
    """Name, Dn4000, HδA and S/N per Å on the spectrum's own grid; None for what is no galaxy at z < 0.3."""
    with fits.open(path) as hdus:
        coadd, survey = hdus[1].data, hdus[2].data
        kind, redshift = str(survey["CLASS"][0]).strip(), float(survey["Z"][0])
        flux, ivar = np.asarray(coadd["flux"], float)[None], np.asarray(coadd["ivar"], float)
        wave = 10 ** np.asarray(coadd["loglam"], float)
    if kind != "GALAXY" or not 0.01 < redshift < 0.3 or not flux.any():
        return None
    breaks, h_delta = _indices(wave, flux, np.array([redshift]))
    ratio = np.abs(flux) * np.sqrt(ivar / np.gradient(wave))
    return path.stem, float(breaks[0]), float(h_delta[0]), float(_signal_to_noise(wave, ratio)[0])
