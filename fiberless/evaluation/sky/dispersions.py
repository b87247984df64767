"""Velocity dispersion at fixed stellar mass, simulated against catalogues."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from fiberless.arrays import BoolArray, FloatArray
from fiberless.evaluation.sky.observed_mocks import ObservedMocks
from fiberless.evaluation.sky.table import RealGalaxies, read_columns

__all__ = ["DISPERSION_TABLE", "DispersionRow", "MassAndSigma", "compare_dispersions", "real_dispersions"]

DISPERSION_TABLE: Final = "real_sigma_3arcsec.parquet"
_COLUMNS: Final = ("sigma_3_arcsecond", "sigma_3_arcsecond_err", "mstar")
_MASS_EDGES: Final = (9.75, 10.25, 10.5, 10.75, 11.0, 11.25, 11.5)
_FEWEST: Final = 20
_LARGEST_ERROR: Final = 0.1


@dataclass(frozen=True, eq=False)
class MassAndSigma:
    """lg M* / M☉ and lg σ* / (km/s) in a 3" aperture, (N,) each, of one source."""

    source: str
    log_mass: FloatArray
    log_sigma: FloatArray


@dataclass(frozen=True)
class DispersionRow:
    """Median and scatter (σ_NMAD) of lg σ* in one bin of lg M*."""

    source: str
    log_mass: tuple[float, float]
    n_mock: int
    n_real: int
    mock: float
    real: float
    mock_scatter: float
    real_scatter: float


def real_dispersions(folder: Path, galaxies: RealGalaxies) -> list[MassAndSigma]:
    """Samples with mass and σ: of SAMI, if its table is in the folder, and of the galaxies' own sources."""
    samples = []
    if (folder / DISPERSION_TABLE).exists():
        columns = read_columns(folder / DISPERSION_TABLE, _COLUMNS)
        sigma, error, mass = (columns[name].astype(np.float64) for name in _COLUMNS)
        with np.errstate(invalid="ignore", divide="ignore"):
            good = (sigma > 0) & (error < _LARGEST_ERROR * sigma) & np.isfinite(mass)
        samples.append(MassAndSigma("SAMI", mass[good], np.log10(sigma[good])))
    for source in galaxies.names():
        rows = galaxies.of(source)
        known = np.isfinite(rows.log_stellar_mass + rows.sigma_kms) & (rows.log_stellar_mass > 0)
        if known.sum() >= _FEWEST:
            log_sigma = np.log10(rows.sigma_kms[known])
            samples.append(MassAndSigma(source, rows.log_stellar_mass[known], log_sigma))
    return samples


def compare_dispersions(mocks: ObservedMocks, samples: list[MassAndSigma]) -> list[DispersionRow]:
    """A row for each source and bin of mass with at least 20 galaxies on either side."""
    rows = []
    for sample in samples:
        for low, high in pairwise(_MASS_EDGES):
            of_mock = mocks.values["log_sigma"][_between(mocks.values["logM"], low, high)]
            of_real = sample.log_sigma[_between(sample.log_mass, low, high)]
            if min(len(of_mock), len(of_real)) >= _FEWEST:
                rows.append(_row(sample.source, (low, high), of_mock, of_real))
    return rows


def _row(source: str, edges: tuple[float, float], mock: FloatArray, real: FloatArray) -> DispersionRow:
    (mock_median, mock_scatter), (real_median, real_scatter) = _summary(mock), _summary(real)
    return DispersionRow(
        source=source,
        log_mass=edges,
        n_mock=len(mock),
        n_real=len(real),
        mock=mock_median,
        real=real_median,
        mock_scatter=mock_scatter,
        real_scatter=real_scatter,
    )


def _summary(values: FloatArray) -> tuple[float, float]:
    middle = float(np.median(values))
    return middle, float(1.4826 * np.median(np.abs(values - middle)))


def _between(values: FloatArray, low: float, high: float) -> BoolArray:
    inside: BoolArray = (values >= low) & (values < high)
    return inside
