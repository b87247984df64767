"""Stellar continuum under the emission lines: a linear basis of populations, fitted to many spectra."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.polynomial import legendre
from scipy.ndimage import gaussian_filter1d
from scipy.sparse.linalg import svds

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.astro.dust import birth_cloud_curve
from fiberless.astro.lines import lines, minor_lines
from fiberless.astro.ssp import BIRTH_CLOUD_GYR, SspGrid, load_ssp
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, PIXEL_KMS, REST_WAVE_AA, TEMPLATE_MARGIN

__all__ = [
    "FIT_EDGES_AA",
    "FIT_WAVE_AA",
    "SODIUM_D",
    "ContinuumBasis",
    "ContinuumFit",
    "continuum_basis",
    "emission_mask",
    "fit_continuum",
]

_IN_FIT: Final = (REST_WAVE_AA >= 3700) & (REST_WAVE_AA <= 7000)
FIT_WAVE_AA: Final = REST_WAVE_AA[_IN_FIT]
"""Part of the rest-frame grid on which continuum and lines are fitted, 3700–7000 Å. (P,)"""
FIT_EDGES_AA: Final = np.concatenate([FIT_WAVE_AA, [FIT_WAVE_AA[-1] ** 2 / FIT_WAVE_AA[-2]]]) / np.sqrt(
    FIT_WAVE_AA[1] / FIT_WAVE_AA[0]
)
"""Borders of those pixels. (P + 1,)"""

N_COMPONENTS: Final = 32
N_POLYNOMIALS: Final = 8
_POLYNOMIAL_SCATTER: Final = 0.05
_OLD_GYR: Final = 1.0
_STAR_SIGMA_KMS: Final = (60.0, 120.0, 200.0, 320.0)
"""Beside that of the library: what an SDSS spectrum has more than MILES, at least 50 km/s, is in them."""
_TAU_5500: Final = (0.0, 0.6, 1.4, 2.6)
_START_GYR: Final = (4.0, 12.0)
_DECLINE_GYR: Final = (0.5, 2.0, 8.0)
_BALMER_HALF_WIDTH_KMS: Final = 600.0
_METAL_HALF_WIDTH_KMS: Final = 700.0
_MINOR_HALF_WIDTH_KMS: Final = 400.0
"""Emission in minor lines makes the stars' Balmer lines look shallow, and Hβ and Hγ too weak by 2 and 5 %."""
SODIUM_D: Final = (5894.6, 380.0)
"""Middle of the doublet in vacuum Å and half-width in km/s."""


@dataclass(frozen=True, eq=False)
class ContinuumBasis:
    """Spectra whose sums make a stellar continuum, for fluxes divided by their mean.

    Parameters
    ----------
    vectors : (P, M) on `FIT_WAVE_AA`
    products : (P, M (M + 1) / 2) products of pairs of vectors, upper triangle: normal matrices of any
        weights are one matrix product with them
    prior_precision : (M,) of the coefficients, about zero

    """

    vectors: FloatArray
    products: FloatArray
    prior_precision: FloatArray


@dataclass(frozen=True, eq=False)
class ContinuumFit:
    """Weighted least squares of N spectra, ready to be solved for several right-hand sides.

    Parameters
    ----------
    basis : the basis fitted
    weight : (N, P) inverse variances with the emission lines masked
    covariance : (N, M, M) inverse of the normal matrices

    """

    basis: ContinuumBasis
    weight: FloatArray
    covariance: FloatArray

    def take(self, rows: IntArray) -> "ContinuumFit":
        """Rows of the spectra."""
        return ContinuumFit(self.basis, self.weight[rows], self.covariance[rows])

    def continuum(self, flux: FloatArray) -> FloatArray:
        """Continuum (N, P) of spectra (N, P), both in units of the spectrum's mean."""
        moments = (self.weight * flux) @ self.basis.vectors
        coefficients = np.einsum("nij,nj->ni", self.covariance, moments)
        model: FloatArray = coefficients @ self.basis.vectors.T
        return model


def fit_continuum(precision: FloatArray) -> ContinuumFit:
    """Prepare the fit of N spectra.

    Ridge least squares: pixels near emission lines are left out, coefficients are held by the variances that
    they have in the library, which keeps the interpolation under the lines well behaved.

    Parameters
    ----------
    precision : (N, P) inverse variances on `FIT_WAVE_AA` of spectra divided by their mean, 0 where not valid

    """
    basis = continuum_basis()
    weight = np.where(emission_mask(), 0.0, precision)
    normal = _symmetric(weight @ basis.products, basis.vectors.shape[1])
    normal += np.diag(basis.prior_precision)
    return ContinuumFit(basis, weight, np.linalg.inv(normal))


@cache
def emission_mask() -> BoolArray:
    """Pixels (P,) near an emission line, or in Na D, where gas between stars absorbs.

    Half-widths: 600 km/s around the Balmer lines of `tables/lines.ecsv`, whose stellar absorption must stay
    in sight, 700 km/s around its other lines, 400 km/s around its minor ones.
    """
    masked = [SODIUM_D, *((minor.wave_aa, _MINOR_HALF_WIDTH_KMS) for minor in minor_lines().values())]
    for line in lines().values():
        balmer = line.conventional.startswith("H ")
        masked.append((line.wave_aa, _BALMER_HALF_WIDTH_KMS if balmer else _METAL_HALF_WIDTH_KMS))
    wave_aa, half_width_kms = np.array(masked).T
    distance_kms = np.abs(np.log(FIT_WAVE_AA[:, None] / wave_aa)) * LIGHT_SPEED_KMS
    near: BoolArray = np.any(distance_kms < half_width_kms, axis=1)
    return near


@cache
def continuum_basis() -> ContinuumBasis:
    """Basis from populations and star-formation histories × dust × dispersion, and polynomials on an old one.

    The packaged populations lie in its span, so any star-formation history does; their second moments and
    those of smooth histories, in equal parts, are what the coefficients are held by. Dust goes as λ^−0.7
    (Charlot & Fall 2000, ApJ 539, 718). The polynomials, times the mean of the populations older than 1 Gyr,
    take up errors of the flux calibration and of the library's colours, which would else be fitted by wrong
    ages and so by wrong Balmer absorption.
    """
    ssp = load_ssp()
    single = _seen(ssp.flux.reshape(-1, ssp.wave_aa.size))
    extended = _seen(_histories(ssp))
    share = np.sqrt(len(single) / len(extended))
    components, variance = _principal(np.concatenate([single, share * extended]))
    is_old = np.tile(ssp.age_gyr > _OLD_GYR, len(single) // ssp.age_gyr.size)
    x = np.linspace(-1, 1, FIT_WAVE_AA.size)
    tilts = legendre.legvander(x, N_POLYNOMIALS)[:, 1:] * single[is_old].mean(axis=0)[:, None]
    vectors = np.concatenate([components, tilts], axis=1)
    precision = np.concatenate([1 / variance, np.full(N_POLYNOMIALS, _POLYNOMIAL_SCATTER**-2)])
    rows, columns = np.triu_indices(vectors.shape[1])
    return ContinuumBasis(vectors, vectors[:, rows] * vectors[:, columns], precision)


def _histories(ssp: SspGrid) -> FloatArray:
    """Delayed exponentials (H, L) of each metallicity, alone and with as much light of an old population.

    Stars younger than 9 Myr are behind clouds of optical depth one at 5500 Å.
    """
    cloud = np.exp(-birth_cloud_curve(ssp.wave_aa))
    clouded = ssp.flux * np.where(ssp.age_gyr < BIRTH_CLOUD_GYR, 1.0, 0.0)[:, None] * (cloud - 1) + ssp.flux
    since = np.clip(np.array(_START_GYR)[:, None, None] - ssp.age_gyr, 0.0, None)
    tau = np.array(_DECLINE_GYR)[:, None]
    formed = (since * np.exp(-since / tau) * np.diff(ssp.age_edges_gyr)).reshape(-1, ssp.age_gyr.size)
    smooth = np.einsum("ha,zal->zhl", formed, clouded)
    smooth /= smooth.mean(axis=-1, keepdims=True)
    old = ssp.flux[:, -2:-1] / ssp.flux[:, -2:-1].mean(axis=-1, keepdims=True)
    both: FloatArray = np.concatenate([smooth, smooth + old]).reshape(-1, ssp.wave_aa.size)
    return both


def _seen(spectra: FloatArray) -> FloatArray:
    """Spectra (S, L) behind 4 screens at 4 dispersions, each of mean 1: (16 S, P), as given at a time."""
    inside = slice(TEMPLATE_MARGIN, -TEMPLATE_MARGIN)
    plain = spectra.astype(np.float64)
    parts = [
        broad * np.exp(-tau * (FIT_WAVE_AA / 5500) ** -0.7)
        for sigma in _STAR_SIGMA_KMS
        for broad in (gaussian_filter1d(plain, sigma / PIXEL_KMS, axis=1)[:, inside][:, _IN_FIT],)
        for tau in _TAU_5500
    ]
    library = np.concatenate(parts)
    scaled: FloatArray = library / library.mean(axis=1, keepdims=True)
    return scaled


def _principal(library: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Principal vectors (P, M) of mean square 1 and the second moments (M,) of their coefficients."""
    start = np.ones(min(library.shape))
    _, singular, rows = svds(library, k=N_COMPONENTS, v0=start, solver="arpack")
    order = np.argsort(singular)[::-1]
    pixels = library.shape[1]
    vectors: FloatArray = rows[order].T * np.sqrt(pixels)
    variance: FloatArray = singular[order] ** 2 / (library.shape[0] * pixels)
    return vectors, variance


def _symmetric(upper: FloatArray, size: int) -> FloatArray:
    """Full matrices (N, M, M) from upper triangles (N, M (M + 1) / 2)."""
    rows, columns = np.triu_indices(size)
    full = np.empty((upper.shape[0], size, size))
    full[:, rows, columns] = upper
    full[:, columns, rows] = upper
    return full
