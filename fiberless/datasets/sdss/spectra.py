"""Spectra of the survey: reading spec-lite files, judging them, and bringing them to the observed grid."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_array

from fiberless.analysis.rebinning import bin_edges
from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.wavelength import NORMALISATION_RANGE_AA, OBSERVED_WAVE_AA
from fiberless.datasets.sdss.options import Selection
from fiberless.errors import UsageError
from fiberless.sources.sdss.spec_file import read_sdss

__all__ = [
    "GridSpectrum",
    "RawSpectrum",
    "Rejected",
    "Rejection",
    "judge",
    "ln_norm",
    "read_spectrum",
    "to_grid",
]

_SMOOTHING_AA: Final = 2.0
_MIN_COVERAGE: Final = 0.5


class Rejection(StrEnum):
    """Why a galaxy is not in the data set."""

    MISSING_SPECTRUM = "missing-spectrum"
    DAMAGED_SPECTRUM = "damaged-spectrum"
    WRONG_SPECTRUM = "wrong-spectrum"
    ALL_ZERO = "all-zero"
    NOT_A_GALAXY = "not-a-galaxy"
    REDSHIFT_WARNING = "redshift-warning"
    REDSHIFT_DIFFERS = "redshift-differs"
    DOES_NOT_COVER = "does-not-cover"
    TOO_MANY_BAD_PIXELS = "too-many-bad-pixels"
    NON_POSITIVE = "non-positive"
    MISSING_IMAGE = "missing-image"
    BAD_IMAGE = "bad-image"


class Rejected(Exception):  # noqa: N818  an outcome that is counted, not an error of the program
    """A galaxy that is left out; caught where galaxies are counted."""

    def __init__(self, reason: Rejection, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, eq=False)
class RawSpectrum:
    """A co-added spectrum as the survey gives it.

    Parameters
    ----------
    wave_aa : (L,) ascending observed vacuum Å
    flux : (L,) 1e-17 erg/(s cm2 Å)
    ivar : (L,) inverse variance, 0 where a pixel is not to be used
    plate, mjd, fiber : of the primary header
    kind : GALAXY, QSO or STAR; redshift and warning: the pipeline's

    """

    wave_aa: FloatArray
    flux: FloatArray
    ivar: FloatArray
    plate: int
    mjd: int
    fiber: int
    kind: str
    redshift: float
    warning: int


@dataclass(frozen=True, eq=False)
class GridSpectrum:
    """A spectrum on `OBSERVED_WAVE_AA`.

    Parameters
    ----------
    flux : (4500,) float64, 1e-17 erg/(s cm2 Å); where masked, interpolated between the neighbours
    sigma : (4500,) float64, standard deviation of each pixel; neighbours are correlated; inf where masked
    """

    flux: FloatArray
    sigma: FloatArray

    def times(self, factor: FloatArray) -> "GridSpectrum":
        """The spectrum with flux and sigma multiplied. `factor` (4500,)"""
        return GridSpectrum(self.flux * factor, self.sigma * factor)

    @property
    def valid(self) -> BoolArray:
        """Pixels that were observed. (4500,)"""
        finite: BoolArray = np.isfinite(self.sigma)
        return finite


def read_spectrum(path: Path) -> RawSpectrum:
    """Read a spec or spec-lite file.

    Raises
    ------
    Rejected
        `damaged-spectrum` if the file is not one.

    """
    try:
        found = read_sdss(path)
        if found.pipeline is None:
            raise Rejected(Rejection.DAMAGED_SPECTRUM, f"{path.name}: no results of the pipeline")
        return RawSpectrum(
            wave_aa=found.wave_aa,
            flux=found.flux,
            ivar=found.ivar,
            plate=int(found.header["PLATEID"]),
            mjd=int(found.header["MJD"]),
            fiber=int(found.header["FIBERID"]),
            kind=found.pipeline.kind,
            redshift=found.pipeline.redshift,
            warning=found.pipeline.warning,
        )
    except (UsageError, ValueError, KeyError, TypeError) as error:
        raise Rejected(Rejection.DAMAGED_SPECTRUM, f"{path.name}: {error}") from error


def judge(raw: RawSpectrum, selection: Selection, *, key: tuple[int, int, int], redshift: float) -> None:
    """Refuse a spectrum that the sample must not hold, before it is resampled.

    Parameters
    ----------
    key : (plate, mjd, fiber) of the catalogue; redshift : the catalogue's

    Raises
    ------
    Rejected
        With the first reason that applies.

    """
    used = (raw.ivar > 0) & np.isfinite(raw.flux)
    low, high = (10**edge for edge in selection.coverage_log_aa)
    shown = f"{raw.wave_aa[0]:.1f}–{raw.wave_aa[-1]:.1f} Å"
    checks: list[tuple[Rejection, Any, str]] = [
        (
            Rejection.WRONG_SPECTRUM,
            (raw.plate, raw.mjd, raw.fiber) != key,
            f"it says {raw.plate}-{raw.mjd}-{raw.fiber}",
        ),
        (Rejection.ALL_ZERO, not used.any() or not raw.flux[used].any(), "no pixel holds light"),
        (Rejection.NOT_A_GALAXY, raw.kind != "GALAXY", f"class {raw.kind}"),
        (Rejection.REDSHIFT_WARNING, raw.warning != 0, f"ZWARNING = {raw.warning}"),
        (
            Rejection.REDSHIFT_DIFFERS,
            not abs(raw.redshift - redshift) <= selection.redshift_tolerance,
            f"z = {raw.redshift:.5f} in the file, {redshift:.5f} in the catalogue",
        ),
        (Rejection.DOES_NOT_COVER, raw.wave_aa[0] > low or raw.wave_aa[-1] < high, shown),
    ]
    for reason, applies, detail in checks:
        if applies:
            raise Rejected(reason, detail)


def to_grid(raw: RawSpectrum, selection: Selection) -> GridSpectrum:
    """Average a spectrum over the pixels of `OBSERVED_WAVE_AA`, conserving flux.

    F_λ is taken constant inside a pixel of the survey; a pixel of the grid is their mean weighted by overlap,
    masked where less than half of it was observed. `sigma` is that mean's own error, by
    propagation. The pixels of the survey are 0.92–1.96 Å wide, so that neighbours on the grid share noise: as
    independent pixels they would hold about twice the information that there is
    (`fiberless.training.observed.independent_ivar` takes that out).

    Raises
    ------
    Rejected
        `too-many-bad-pixels` or `non-positive`, by the rules of the selection.

    """
    used = (raw.ivar > 0) & np.isfinite(raw.flux) & np.isfinite(raw.ivar)
    overlap = _overlap_aa(bin_edges(raw.wave_aa))
    covered = overlap @ used.astype(np.float64)
    known = covered >= _MIN_COVERAGE
    if (bad := 1 - float(known.mean())) > selection.max_bad_share:
        raise Rejected(Rejection.TOO_MANY_BAD_PIXELS, f"{bad:.1%} of the pixels are masked")
    width = np.where(known, covered, 1.0)
    variance = np.divide(1.0, raw.ivar, out=np.zeros_like(raw.ivar), where=used)
    flux = overlap @ np.where(used, raw.flux, 0.0) / width
    sigma = np.where(known, np.sqrt(overlap.power(2) @ variance) / width, np.inf)
    filled = np.interp(OBSERVED_WAVE_AA, OBSERVED_WAVE_AA[known], flux[known])
    _check_positive(filled, selection)
    return GridSpectrum(filled, sigma)


def ln_norm(spectrum: GridSpectrum, redshift: float) -> float:
    """Logarithm of the mean observed F_λ over rest 3900–7300 Å; NaN if the grid does not reach that far.

    Parameters
    ----------
    spectrum : on the observed grid, 1e-17 erg/(s cm2 Å)
    redshift : the range is inside the grid for 0.0257 ≤ z ≤ 0.1642

    """
    low, high = (edge * (1 + redshift) for edge in NORMALISATION_RANGE_AA)
    if low < OBSERVED_WAVE_AA[0] or high > OBSERVED_WAVE_AA[-1]:
        return float("nan")
    inside = (low <= OBSERVED_WAVE_AA) & (high >= OBSERVED_WAVE_AA)
    mean = float(spectrum.flux[inside].mean())
    return float(np.log(mean)) if mean > 0 else float("nan")


def _check_positive(flux: FloatArray, selection: Selection) -> None:
    smooth = gaussian_filter1d(flux, _SMOOTHING_AA, mode="nearest")
    if selection.require_positive and smooth.min() <= 0:
        where = OBSERVED_WAVE_AA[int(np.argmin(smooth))]
        raise Rejected(Rejection.NON_POSITIVE, f"{smooth.min():.3g} at {where:.0f} Å after smoothing")


def _overlap_aa(edges_aa: FloatArray) -> csr_array:
    """Length in Å that each pixel of the observed grid (row) shares with each of a spectrum (column)."""
    grid = np.append(OBSERVED_WAVE_AA - 0.5, OBSERVED_WAVE_AA[-1] + 0.5)
    cuts = np.union1d(edges_aa, grid)
    cuts = cuts[(cuts >= max(grid[0], edges_aa[0])) & (cuts <= min(grid[-1], edges_aa[-1]))]
    middle = (cuts[1:] + cuts[:-1]) / 2
    rows = np.searchsorted(grid, middle) - 1
    columns = np.searchsorted(edges_aa, middle) - 1
    return csr_array((np.diff(cuts), (rows, columns)), shape=(len(OBSERVED_WAVE_AA), len(edges_aa) - 1))
