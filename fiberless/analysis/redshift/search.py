"""Redshift of an observed galaxy from its spectrum alone: χ² of templates at every shift, and its quality."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.polynomial import legendre
from scipy.fft import irfft, rfft
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import lsq_linear

from fiberless.analysis.rebinning import PixelFlux
from fiberless.analysis.redshift.noise import neighbour_noise
from fiberless.analysis.redshift.pattern import line_pattern
from fiberless.analysis.redshift.quasars import quasar_gain
from fiberless.analysis.redshift.templates import (
    LINE_COLUMNS,
    N_STARS,
    SEARCH_EDGES_AA,
    SEARCH_REDSHIFT,
    SEARCH_WAVE_AA,
    SHIFTS,
    RedshiftTemplates,
    redshift_templates,
)
from fiberless.analysis.redshift.trust import Evidence, RedshiftIssue, judged
from fiberless.arrays import BoolArray, ComplexArray, FloatArray
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, LOG10_STEP

__all__ = ["ERROR_FLOOR_KMS", "FoundRedshift", "RedshiftIssue", "find_redshift"]

N_POLYNOMIALS: Final = 4
_N_SMOOTH: Final = 10
_MODEL_ERROR: Final = 0.03
_SMOOTHING_PX: Final = 100.0
_MIN_COVERAGE: Final = 0.5
_RIDGE: Final = 1e-6
_PEAKS: Final = 8
_PEAK_SEPARATION_KMS: Final = 1000.0
ERROR_FLOOR_KMS: Final = 8.0
"""Error that templates of other stars and lines than the galaxy's leave even without noise: nine real spectra
differ from the survey's redshifts by 7 km/s rms. Simulated ones, of the templates' own stars, need none."""


@dataclass(frozen=True)
class FoundRedshift:
    """A redshift and how it was found.

    Parameters
    ----------
    redshift : the best; NaN without data
    error : standard deviation
    delta_chi2 : by which the next best peak, 1000 km/s or more away, is worse, in units of the best's χ² per
        degree of freedom
    features_chi2 : by which a smooth continuum is worse, in the same unit
    reduced_chi2 : of the best, with 3 % of the flux added to the noise
    snr : median signal-to-noise ratio per pixel of 69 km/s
    good_share : share of the pixels between the spectrum's ends that can be used
    issues : empty if the redshift is to be trusted
    doubts : issues that the pattern of emission lines overrules

    """

    redshift: float
    error: float
    delta_chi2: float
    features_chi2: float
    reduced_chi2: float
    snr: float
    good_share: float
    issues: tuple[RedshiftIssue, ...]
    doubts: tuple[RedshiftIssue, ...] = ()


def find_redshift(pixels: PixelFlux) -> FoundRedshift:
    """Find the redshift of one spectrum over 0 < z < 1.

    Templates and polynomials are fitted by weighted least squares at every pixel of shift; the sums over
    pixels are cross-correlations, done by Fourier transforms. The best peaks are then fitted again with
    emission lines and mean starlight not negative, and the best of these is refined by a parabola. It is
    trusted if the fit is good and unique, the lines make a galaxy's pattern, and a quasar fits worse.

    Parameters
    ----------
    pixels : one spectrum, observed frame, vacuum; without an inverse variance the noise is taken from
        differences of neighbouring pixels

    """
    data = _Data.of(pixels)
    if data.used.sum() < _N_SMOOTH * 4:
        return FoundRedshift(
            np.nan, np.nan, 0.0, 0.0, 0.0, data.snr, data.good_share, (RedshiftIssue.NO_DATA,)
        )
    templates = redshift_templates()
    curve = _chi2_curve(data, templates)
    fits = (_fit_peak(data, templates, curve, index) for index in _minima(curve))
    best, *others = sorted(fits, key=lambda peak: peak.chi2)
    reduced = best.chi2 / max(int(data.used.sum()) - N_STARS - len(LINE_COLUMNS) - N_POLYNOMIALS, 1)
    scale = max(reduced, 1.0)
    found = FoundRedshift(
        redshift=best.redshift,
        error=float(np.hypot(best.error * np.sqrt(scale), ERROR_FLOOR_KMS / LIGHT_SPEED_KMS)),
        delta_chi2=(others[0].chi2 - best.chi2) / scale if others else 0.0,
        features_chi2=(_smooth_chi2(data) - best.chi2) / scale,
        reduced_chi2=reduced,
        snr=data.snr,
        good_share=data.good_share,
        issues=(),
    )
    issues, doubts = judged(_evidence(found, data, templates, best))
    return replace(found, issues=issues, doubts=doubts)


def _evidence(found: FoundRedshift, data: "_Data", templates: RedshiftTemplates, best: "_Peak") -> Evidence:
    """What is known of the best redshift: of its fit, its lines, and of a quasar in its place."""
    starlight = np.concatenate([templates.at(int(SHIFTS[best.place]))[:N_STARS], _polynomials(N_POLYNOMIALS)])
    pattern = line_pattern(
        SEARCH_WAVE_AA,
        data.flux,
        data.weight,
        redshift=best.redshift,
        stars=starlight,
        smooth=_polynomials(_N_SMOOTH),
    )
    reach = int(np.ceil(_PEAK_SEPARATION_KMS / (LIGHT_SPEED_KMS * np.log(10.0) * LOG10_STEP)))
    scale = max(found.reduced_chi2, 1.0)
    return Evidence(
        redshift=found.redshift,
        n_pixels=int(data.used.sum()),
        good_share=found.good_share,
        snr=found.snr,
        delta_chi2=found.delta_chi2,
        features_chi2=found.features_chi2,
        reduced_chi2=found.reduced_chi2,
        is_at_edge=best.place == 0 or best.place >= SEARCH_REDSHIFT.size - reach,
        n_line_groups=pattern.n_groups,
        has_consistent_lines=pattern.is_consistent,
        continuum_chi2=pattern.continuum_gain / scale,
        rest_chi2=pattern.rest_chi2,
        quasar_chi2=quasar_gain(data.flux, data.weight, n_smooth=_N_SMOOTH) / scale,
    )


@dataclass(frozen=True, eq=False)
class _Data:
    """One spectrum on the search grid: flux of mean about one, weights, pixels used, and how good it is."""

    flux: FloatArray
    weight: FloatArray
    used: BoolArray
    snr: float
    good_share: float

    @classmethod
    def of(cls, pixels: PixelFlux) -> "_Data":
        binned = pixels.rebin(SEARCH_EDGES_AA[None])
        used = binned.coverage[0] >= _MIN_COVERAGE
        flux = np.where(used, binned.flux[0], 0.0)
        noise = _noise(flux, used, None if binned.ivar is None else binned.ivar[0])
        scale = float(np.abs(flux[used]).mean()) if used.any() else 1.0
        if scale == 0:
            used, scale = np.zeros_like(used), 1.0
        smooth = gaussian_filter1d(np.where(used, np.abs(flux), 0.0), _SMOOTHING_PX)
        share = gaussian_filter1d(used.astype(np.float64), _SMOOTHING_PX)
        level = np.divide(smooth, share, out=np.zeros_like(smooth), where=used)
        variance = np.where(used, noise**2 + (_MODEL_ERROR * level) ** 2, 1.0)
        span = np.flatnonzero(used)
        return cls(
            flux=flux / scale,
            weight=np.where(used, scale**2 / variance, 0.0),
            used=used,
            snr=float(np.median(flux[used] / noise[used])) if used.any() else 0.0,
            good_share=float(used[span[0] : span[-1] + 1].mean()) if span.size else 0.0,
        )


class _Peak(NamedTuple):
    """A minimum of χ²: place in `SEARCH_REDSHIFT`, χ² of the constrained fit, refined redshift and error."""

    place: int
    chi2: float
    redshift: float
    error: float


def _noise(flux: FloatArray, used: BoolArray, ivar: FloatArray | None) -> FloatArray:
    """Standard deviation (P,) of each pixel; 1 where unknown."""
    if ivar is None:
        return np.full_like(flux, neighbour_noise(flux, used))
    return np.sqrt(np.divide(1.0, ivar, out=np.ones_like(ivar), where=ivar > 0))


@lru_cache(maxsize=4)
def _polynomials(count: int) -> FloatArray:
    """Legendre polynomials (count, 4200) on the search grid."""
    values: FloatArray = legendre.legvander(np.linspace(-1, 1, SEARCH_WAVE_AA.size), count - 1).T
    return values


def _chi2_curve(data: _Data, templates: RedshiftTemplates) -> FloatArray:
    """χ² of the unconstrained fit at each of `SEARCH_REDSHIFT`. (3031,)"""
    normal, moments = _normal_equations(data, templates)
    solved = np.linalg.solve(normal, moments[..., None])[..., 0]
    total = float(data.weight @ data.flux**2)
    return total - np.einsum("sm,sm->s", solved, moments)


def _normal_equations(data: _Data, templates: RedshiftTemplates) -> tuple[FloatArray, FloatArray]:
    """Normal matrices (S, M, M) and moments (S, M) of templates, then polynomials, at all shifts S."""
    polynomials = _polynomials(N_POLYNOMIALS)
    n_templates, size = len(templates.flux), len(templates.flux) + N_POLYNOMIALS
    weighted = np.stack([data.weight, data.weight * data.flux, *(data.weight * polynomials)])
    transforms = rfft(weighted, templates.length)
    normal, moments = np.empty((SHIFTS.size, size, size)), np.empty((SHIFTS.size, size))
    rows, columns = templates.pairs
    products = _correlate(transforms[0], templates.products, templates)
    normal[:, rows, columns] = products
    normal[:, columns, rows] = products
    moments[:, :n_templates] = _correlate(transforms[1], templates.transform, templates)
    for k in range(N_POLYNOMIALS):
        mixed = _correlate(transforms[2 + k], templates.transform, templates)
        normal[:, :n_templates, n_templates + k] = mixed
        normal[:, n_templates + k, :n_templates] = mixed
    normal[:, n_templates:, n_templates:] = (polynomials * data.weight) @ polynomials.T
    moments[:, n_templates:] = polynomials @ (data.weight * data.flux)
    normal += np.eye(size) * _RIDGE * float(data.weight.sum())
    return normal, moments


def _correlate(transform: ComplexArray, conjugates: ComplexArray, templates: RedshiftTemplates) -> FloatArray:
    """Sums over pixels (S, …) of a row with templates at all shifts."""
    # the transform wraps, so a template that starts n pixels later in its row lies at place −n
    sums = irfft(transform * conjugates, templates.length)
    place = -(SHIFTS[-1] - SHIFTS)
    values: FloatArray = sums[:, place].T
    return values


def _minima(curve: FloatArray) -> list[int]:
    """Places of the lowest values, at least `_PEAK_SEPARATION_KMS` apart, best first."""
    reach = int(np.ceil(_PEAK_SEPARATION_KMS / (LIGHT_SPEED_KMS * np.log(10.0) * LOG10_STEP)))
    left = curve.copy()
    found = []
    for _ in range(_PEAKS):
        index = int(np.argmin(left))
        if not np.isfinite(left[index]):
            break
        found.append(index)
        left[max(index - reach, 0) : index + reach + 1] = np.inf
    return found


def _fit_peak(data: _Data, templates: RedshiftTemplates, curve: FloatArray, index: int) -> _Peak:
    """Fit with lines and the mean starlight not negative, and place the minimum between pixels."""
    columns = np.concatenate([templates.at(int(SHIFTS[index])), _polynomials(N_POLYNOMIALS)])
    root = np.sqrt(data.weight[data.used])
    lower = np.full(len(columns), -np.inf)
    lower[[0, *range(N_STARS, N_STARS + len(LINE_COLUMNS))]] = 0.0
    fit = lsq_linear(
        (columns[:, data.used] * root).T,
        data.flux[data.used] * root,
        bounds=(lower, np.inf),
        method="bvls",
        tol=1e-8,
    )
    middle = min(max(index, 1), curve.size - 2)
    before, at, after = curve[middle - 1 : middle + 2]
    curvature = before - 2 * at + after
    step = float(np.clip((before - after) / 2 / curvature, -1, 1)) if curvature > 0 else 0.0
    redshift = float(10 ** (LOG10_STEP * (SHIFTS[middle] + step)) - 1)
    width = np.sqrt(2 / curvature) if curvature > 0 else np.inf
    error = float(width * LOG10_STEP * np.log(10.0) * (1 + redshift))
    return _Peak(index, 2 * float(fit.cost), redshift, error)


def _smooth_chi2(data: _Data) -> float:
    """χ² of a polynomial alone."""
    root = np.sqrt(data.weight[data.used])
    columns = (_polynomials(_N_SMOOTH)[:, data.used] * root).T
    target = data.flux[data.used] * root
    solution = np.linalg.lstsq(columns, target, rcond=None)[0]
    return float(np.sum((target - columns @ solution) ** 2))
