"""Stars behind dust on rest-frame pixels, tabulated over dispersion and attenuation in few coordinates.

All that the packaged populations can look like, at any σ* and A_V of interest, lies close to a space of some
ninety dimensions. A spectrum without noise is projected into it once; the templates in it are interpolated
between Chebyshev nodes. Pixels of emission lines and of Na D are left out.
"""

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.polynomial.chebyshev import chebder, chebpts1, chebvander

from fiberless.analysis.lines.continuum import SODIUM_D
from fiberless.arrays import FloatArray, IntArray
from fiberless.astro.dust import calzetti_curve
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, LOG10_STEP, REST_WAVE_AA
from fiberless.stellar.broadening import PixelStars, survey_view
from fiberless.stellar.gas import line_waves_aa
from fiberless.stellar.templates import templates

__all__ = ["TabulatedModel", "TabulatedStars", "fitted_pixels", "tabulated_stars"]

RANK: Final = 40
"""Basis vectors of the populations: 2e-3 of the light of the worst, 5e-4 of most."""
AXES: Final = 90
"""Coordinates: what they leave out of a population is 2e-4 to 7e-4 of it, of the worst 2e-3."""
MAX_SIGMA_KMS: Final = 420.0
MAX_A_V: Final = 3.0
_SIGMA_NODES: Final = 8
_A_V_NODES: Final = 7
_AXIS_SIGMA_KMS: Final = (95.0, 150.0, 250.0, 400.0)
_AXIS_A_V: Final = (0.0, 0.5, 1.3, 2.7)
_FIT_RANGE_AA: Final = (3700.0, 7400.0)
_LINE_HALF_WIDTH_KMS: Final = 450.0
_REDSHIFT_STEP: Final = 0.01
"""Redshifts that share a table: σ* of 100 km/s is wrong by less than 0.2 km/s."""
_AXIS_STEP: Final = 10
_LN10_04: Final = 0.4 * np.log(10.0)


class TabulatedModel(NamedTuple):
    """Basis vectors in the coordinates (M, R), and their derivatives with σ* in km/s and with A_V."""

    basis: FloatArray
    by_sigma: FloatArray
    by_a_v: FloatArray


@dataclass(frozen=True, eq=False)
class TabulatedStars:
    """Tables at one redshift.

    Parameters
    ----------
    axes : (M, L) orthonormal, on the pixels `fitted_pixels()`
    series : (D, M · R) coefficients of the Chebyshev series, D pairs of degrees
    sigma_range_kms : between which σ* is tabulated
    mixing : (T, R) populations in basis vectors

    """

    axes: FloatArray
    series: FloatArray
    sigma_range_kms: tuple[float, float]
    mixing: FloatArray

    @classmethod
    def of(cls, redshift: float) -> Self:
        """Tabulate for the survey's spectrograph at a redshift."""
        stars, axes = _stars(redshift), _axes()
        low = float(np.sqrt(stars.least_variance_kms2))
        sigma_kms = _from_unit(chebpts1(_SIGMA_NODES), (low, MAX_SIGMA_KMS))
        screens = _screens(_from_unit(chebpts1(_A_V_NODES), (0.0, MAX_A_V)))
        bare = [stars.basis(0.0, sigma**2)[fitted_pixels()] for sigma in sigma_kms]
        nodes = np.array([[(axes * screen) @ basis for screen in screens] for basis in bare])
        to_series = np.kron(
            *(np.linalg.inv(chebvander(chebpts1(n), n - 1)) for n in (_SIGMA_NODES, _A_V_NODES))
        )
        series = to_series @ nodes.reshape(to_series.shape[0], -1)
        return cls(axes, series, (low, MAX_SIGMA_KMS), templates().mixing[:, :RANK])

    def model(self, sigma_kms: float, a_v: float) -> TabulatedModel:
        """Basis vectors at a dispersion and an attenuation inside the tabulated ranges."""
        along_sigma, slope_sigma = _series_terms(sigma_kms, self.sigma_range_kms, _SIGMA_NODES)
        along_a_v, slope_a_v = _series_terms(a_v, (0.0, MAX_A_V), _A_V_NODES)
        terms = (np.outer(along_sigma, along_a_v), np.outer(slope_sigma, along_a_v))
        rows = np.stack([*terms, np.outer(along_sigma, slope_a_v)]).reshape(3, -1)
        return TabulatedModel(*(rows @ self.series).reshape(3, len(self.axes), -1))

    def coordinates(self, flux: FloatArray) -> FloatArray:
        """Spectra (K, L) on `fitted_pixels()` to coordinates (K, M)."""
        return flux @ self.axes.T


def tabulated_stars(redshift: float) -> TabulatedStars:
    """Tables at about a redshift, kept for the life of the process."""
    return _tabulated(round(redshift / _REDSHIFT_STEP))


@lru_cache(maxsize=24)
def _tabulated(step: int) -> TabulatedStars:
    return TabulatedStars.of(step * _REDSHIFT_STEP)


@cache
def fitted_pixels() -> IntArray:
    """Indices (L,) on `REST_WAVE_AA`: 3700–7400 Å without emission lines and Na D."""
    low, high = _FIT_RANGE_AA
    lines = np.concatenate([line_waves_aa(), [SODIUM_D[0]]])
    reach = np.concatenate([np.full(lines.size - 1, _LINE_HALF_WIDTH_KMS), [SODIUM_D[1]]])
    away_kms = np.abs(np.log(REST_WAVE_AA[:, None] / lines)) * LIGHT_SPEED_KMS
    return np.flatnonzero((low < REST_WAVE_AA) & (high > REST_WAVE_AA) & (away_kms > reach).all(axis=1))


def _stars(redshift: float) -> PixelStars:
    half = 10 ** (LOG10_STEP / 2)
    edges = np.append(REST_WAVE_AA / half, REST_WAVE_AA[-1] * half)
    return PixelStars.of(edges, survey_view(redshift, _FIT_RANGE_AA, RANK))


@cache
def _axes() -> FloatArray:
    """Principal axes (M, L) of the populations over a few dispersions and attenuations, at redshift 0.1."""
    stars, known = _stars(_AXIS_STEP * _REDSHIFT_STEP), templates()
    strength = np.linalg.norm(known.mixing[:, :RANK], axis=0)
    screens = _screens(np.array(_AXIS_A_V))
    bare = (stars.basis(0.0, sigma**2)[fitted_pixels()] * strength for sigma in _AXIS_SIGMA_KMS)
    columns = np.concatenate([basis.T * screen for basis in bare for screen in screens])
    _, vectors = np.linalg.eigh(columns @ columns.T)
    axes, _ = np.linalg.qr(columns.T @ vectors[:, ::-1][:, :AXES])
    return np.ascontiguousarray(axes.T)


def _screens(a_v: FloatArray) -> FloatArray:
    """Dust (A, L) of attenuations (A,)."""
    curve = calzetti_curve(REST_WAVE_AA[fitted_pixels()])
    screens: FloatArray = np.exp(-_LN10_04 * a_v[:, None] * curve)
    return screens


def _from_unit(place: FloatArray, ends: tuple[float, float]) -> FloatArray:
    return ends[0] + (place + 1) / 2 * (ends[1] - ends[0])


def _series_terms(value: float, ends: tuple[float, float], count: int) -> tuple[FloatArray, FloatArray]:
    """Chebyshev polynomials (count,) at a value between two ends, and their derivatives with it."""
    x = np.clip(2 * (value - ends[0]) / (ends[1] - ends[0]) - 1, -1.0, 1.0)
    terms = chebvander(x, count - 1)[0]
    slopes = terms[:-1] @ chebder(np.eye(count))
    return terms, slopes * 2 / (ends[1] - ends[0])
