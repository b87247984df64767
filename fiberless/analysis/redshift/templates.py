"""Templates for finding redshifts: principal components of galaxies' starlight, and their emission lines.

Made at run time from the packaged populations, once a process.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from scipy.fft import next_fast_len, rfft
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtr

from fiberless.arrays import ComplexArray, FloatArray, IntArray
from fiberless.astro.lines import NII_DOUBLET_RATIO, OIII_DOUBLET_RATIO, line
from fiberless.astro.ssp import WIDE_WAVE_AA, load_ssp
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, LOG10_STEP, PIXEL_KMS

__all__ = [
    "LINE_COLUMNS",
    "N_STARS",
    "SEARCH_EDGES_AA",
    "SEARCH_REDSHIFT",
    "SEARCH_WAVE_AA",
    "SHIFTS",
    "RedshiftTemplates",
    "redshift_templates",
]

_FIRST_LG: Final = 3.55
_PIXELS: Final = 4200
_FIRST_SHIFT: Final = -15
_LAST_SHIFT: Final = 3015
SEARCH_WAVE_AA: Final = 10 ** (_FIRST_LG + LOG10_STEP * np.arange(_PIXELS))
"""Observed grid of the search, 3548–9331 Å vacuum in the survey's own steps. (4200,)"""
SEARCH_EDGES_AA: Final = 10 ** (_FIRST_LG + LOG10_STEP * (np.arange(_PIXELS + 1) - 0.5))
"""Borders of those pixels. (4201,)"""
SHIFTS: Final = np.arange(_FIRST_SHIFT, _LAST_SHIFT + 1)
"""Shifts tried, in pixels. (3031,)"""
SEARCH_REDSHIFT: Final = 10 ** (LOG10_STEP * SHIFTS) - 1
"""Redshifts tried, −0.0034 to 1.002, one a pixel. (3031,)"""

N_STARS: Final = 6
_STAR_SIGMA_KMS: Final = 150.0
_LINE_SIGMA_KMS: Final = 150.0
_COMPONENTS_FROM_AA: Final = 2700.0
"""Components are those of the light above it: young stars' ultraviolet would be most of the variance."""
_TAU_5500: Final = (0.0, 0.7, 1.6)
LINE_COLUMNS: Final = (
    (("OII_3727", 0.75), ("OII_3730", 1.0)),
    (("Hbeta", 1.0), ("Hgamma", 0.45), ("Hdelta", 0.24)),
    (("OIII_5008", 1.0), ("OIII_4960", 1 / OIII_DOUBLET_RATIO)),
    (("Halpha", 1.0),),
    (("NII_6585", 1.0), ("NII_6550", 1 / NII_DOUBLET_RATIO)),
    (("SII_6718", 1.0), ("SII_6733", 0.75)),
)
"""Emission lines of each column after the stars: names of `fiberless.astro.lines` and relative fluxes."""


class _Pairs(NamedTuple):
    """Rows and columns of a symmetric matrix's upper triangle."""

    rows: IntArray
    columns: IntArray


@dataclass(frozen=True, eq=False)
class RedshiftTemplates:
    """M spectra on the rest-frame grid that the search slides over, stars first, then lines.

    Parameters
    ----------
    flux : (M, Q) stars of mean square one, lines of unit height
    transform : (M, F) conjugate Fourier transforms of `flux`
    products : (M (M + 1) / 2, F) the same of products of pairs, upper triangle
    length : of the padded transforms

    """

    flux: FloatArray
    transform: ComplexArray
    products: ComplexArray
    length: int

    @property
    def pairs(self) -> _Pairs:
        """Rows and columns of `products`."""
        return _Pairs(*np.triu_indices(len(self.flux)))

    def at(self, shift: int) -> FloatArray:
        """Templates (M, 4200) on the search grid at one of `SHIFTS`."""
        start = _LAST_SHIFT - shift
        return self.flux[:, start : start + _PIXELS]


@cache
def redshift_templates() -> RedshiftTemplates:
    """Components of the packaged populations behind three screens of dust, and `LINE_COLUMNS`."""
    log_wave = _FIRST_LG + LOG10_STEP * np.arange(-_LAST_SHIFT, _PIXELS - _FIRST_SHIFT)
    flux = np.concatenate([_stars(10**log_wave), _lines(log_wave)])
    rows, columns = np.triu_indices(len(flux))
    length = next_fast_len(len(log_wave), real=True)
    products = flux[rows] * flux[columns]
    return RedshiftTemplates(flux, np.conj(rfft(flux, length)), np.conj(rfft(products, length)), length)


def _stars(wave_aa: FloatArray) -> FloatArray:
    """Leading principal components (N_STARS, Q), not centred, of populations of mean one."""
    ssp = load_ssp()
    fine = ssp.flux.reshape(-1, ssp.wave_aa.size).astype(np.float64)
    wide = ssp.flux_wide.reshape(len(fine), -1).astype(np.float64)
    fine = gaussian_filter1d(fine, _STAR_SIGMA_KMS / PIXEL_KMS, axis=1, mode="nearest")
    inside = (wave_aa >= ssp.wave_aa[10]) & (wave_aa <= ssp.wave_aa[-10])
    library = np.stack(
        [
            np.where(inside, np.interp(wave_aa, ssp.wave_aa, a), np.interp(wave_aa, WIDE_WAVE_AA, b))
            for a, b in zip(fine, wide, strict=True)
        ]
    )
    screens = np.exp(-np.array(_TAU_5500)[:, None, None] * (wave_aa / 5500) ** -0.7)
    seen = (screens * library).reshape(-1, wave_aa.size)
    optical = wave_aa >= _COMPONENTS_FROM_AA
    seen /= seen[:, optical].mean(axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(seen[:, optical] @ seen[:, optical].T)
    components = vectors[:, ::-1][:, :N_STARS].T @ seen
    components *= np.sign(components[:, optical].mean(axis=1, keepdims=True))
    scaled: FloatArray = components / np.sqrt((components[:, optical] ** 2).mean(axis=1, keepdims=True))
    return scaled


def _lines(log_wave: FloatArray) -> FloatArray:
    """Pixel-averaged Gaussians (len(LINE_COLUMNS), Q); the highest line of each has height one."""
    ln_edges = np.log(10.0) * np.append(log_wave - LOG10_STEP / 2, log_wave[-1] + LOG10_STEP / 2)
    width = _LINE_SIGMA_KMS / LIGHT_SPEED_KMS
    columns = []
    for column in LINE_COLUMNS:
        parts = [
            share * np.diff(ndtr((ln_edges - np.log(line(name).wave_aa)) / width)) for name, share in column
        ]
        columns.append(np.sum(parts, axis=0))
    profiles = np.stack(columns)
    scaled: FloatArray = profiles / profiles.max(axis=1, keepdims=True)
    return scaled
