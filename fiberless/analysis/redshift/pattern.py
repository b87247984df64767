"""Whether emission lines at a redshift make a galaxy's pattern: several, in their known ratios."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import ndtr

from fiberless.arrays import BoolArray, FloatArray
from fiberless.astro.lines import NII_DOUBLET_RATIO, OIII_DOUBLET_RATIO, all_lines, line
from fiberless.astro.wavelength import LIGHT_SPEED_KMS

__all__ = ["LinePattern", "line_pattern"]

_SIGMA_KMS: Final = 150.0
_REACH_KMS: Final = 700.0
_DETECTED: Final = 4.0
_WELL_DETECTED: Final = 8.0
_RATIO_SCATTER: Final = 0.12
_GROUPS: Final = (
    ("OII", (("OII_3727", 0.75), ("OII_3730", 1.0))),
    ("Balmer", (("Hbeta", 1.0), ("Hgamma", 0.45))),
    ("OIII_5007", (("OIII_5008", 1.0),)),
    ("OIII_4959", (("OIII_4960", 1.0),)),
    ("Halpha", (("Halpha", 1.0),)),
    ("NII", (("NII_6585", 1.0), ("NII_6550", 1 / NII_DOUBLET_RATIO))),
    ("SII", (("SII_6718", 1.0), ("SII_6733", 0.75))),
)
_NAMES: Final = tuple(name for name, _ in _GROUPS)
_INDEPENDENT: Final = (("OII",), ("Balmer",), ("OIII_5007",), ("Halpha", "NII"), ("SII",))
"""What one feature of the spectrum may be taken for counts once."""


@dataclass(frozen=True)
class LinePattern:
    """What speaks for a redshift.

    Parameters
    ----------
    n_groups : independent groups of lines detected at 4 σ
    is_consistent : whether [O III] 4959 is about a third of 5007 where 5007 is at 8 σ and 4959 is covered,
        and [N II] and [S II] do not outshine an Hα that is not there
    continuum_gain : χ² of a smooth continuum less that of starlight, away from all lines
    rest_chi2 : χ² per pixel of starlight there: remains of the sky leave it high

    """

    n_groups: int
    is_consistent: bool
    continuum_gain: float
    rest_chi2: float


def line_pattern(
    wave_aa: FloatArray,
    flux: FloatArray,
    weight: FloatArray,
    *,
    redshift: float,
    stars: FloatArray,
    smooth: FloatArray,
) -> LinePattern:
    """Lines and starlight of one spectrum at a redshift.

    Parameters
    ----------
    wave_aa, flux, weight : (P,) observed; weight 0 where a pixel is not to be used
    redshift : that of the lines
    stars : (M, P) starlight and the polynomials that go with it, at this redshift
    smooth : (N, P) a continuum without features

    """
    used = weight > 0
    profiles = _profiles(wave_aa, redshift)
    value, error = _fitted(np.concatenate([profiles, stars])[:, used], flux[used], weight[used])
    away = used & ~_near_lines(wave_aa / (1 + redshift))
    left = _chi2(stars, flux, weight, away)
    gain = _chi2(smooth, flux, weight, away) - left
    is_covered = np.array([_is_covered(profile, used) for profile in profiles])
    value, error = value[: len(profiles)], np.where(is_covered, error[: len(profiles)], np.inf)
    significance = dict(zip(_NAMES, value / error, strict=True))
    n_groups = sum(max(significance[name] for name in group) > _DETECTED for group in _INDEPENDENT)
    rest_chi2 = left / max(int(away.sum()) - len(stars), 1)
    return LinePattern(n_groups, _is_consistent(value, error), gain, rest_chi2)


def _near_lines(wave_rest_aa: FloatArray) -> BoolArray:
    """Pixels within 700 km/s of any line that galaxies have."""
    edges = wave_rest_aa * np.array([[1 - _REACH_KMS / LIGHT_SPEED_KMS], [1 + _REACH_KMS / LIGHT_SPEED_KMS]])
    centres = np.sort([row.wave_aa for row in all_lines().values()])
    inside: BoolArray = np.searchsorted(centres, edges[1]) > np.searchsorted(centres, edges[0])
    return inside


def _is_consistent(value: FloatArray, error: FloatArray) -> bool:
    found = dict(zip(_NAMES, zip(value.tolist(), error.tolist(), strict=True), strict=True))
    strong, strong_error = found["OIII_5007"]
    weak, weak_error = found["OIII_4959"]
    expected = strong / OIII_DOUBLET_RATIO
    if strong > _WELL_DETECTED * strong_error and np.isfinite(weak_error):
        allowed = 3 * np.hypot(weak_error, strong_error / OIII_DOUBLET_RATIO) + _RATIO_SCATTER * strong
        if abs(weak - expected) > allowed:
            return False
    elif weak > _WELL_DETECTED * weak_error and np.isfinite(strong_error) and weak > strong:
        return False
    halpha, halpha_error = found["Halpha"]
    sulphur, sulphur_error = found["SII"]
    is_lone = sulphur > _WELL_DETECTED * sulphur_error and np.isfinite(halpha_error)
    return not (is_lone and sulphur > 3 * max(halpha, halpha_error, found["NII"][0]))


def _fitted(columns: FloatArray, flux: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Coefficients and standard deviations, with what the model leaves counted as noise."""
    root = np.sqrt(weight)
    weighted = columns * root
    normal = weighted @ weighted.T
    ridge = np.eye(len(columns)) * 1e-9 * max(float(np.trace(normal)) / len(columns), 1e-30)
    covariance = np.linalg.inv(normal + ridge)
    value = covariance @ (weighted @ (flux * root))
    chi2 = float(np.sum((flux * root - value @ weighted) ** 2)) / max(flux.size - len(columns), 1)
    error: FloatArray = np.sqrt(np.maximum(np.diag(covariance), 0.0) * max(chi2, 1.0))
    return value, np.where(error > 0, error, np.inf)


def _chi2(columns: FloatArray, flux: FloatArray, weight: FloatArray, used: BoolArray) -> float:
    root = np.sqrt(weight[used])
    target, design = flux[used] * root, columns[:, used] * root
    normal = design @ design.T
    normal += np.eye(len(design)) * 1e-9 * max(float(np.trace(normal)) / len(design), 1e-30)
    solution = np.linalg.solve(normal, design @ target)
    return float(np.sum((target - solution @ design) ** 2))


def _is_covered(profile: FloatArray, used: BoolArray) -> bool:
    """Whether most of a profile lies on pixels that are used."""
    total = float(profile.sum())
    return total > 0 and float(profile[used].sum()) > 0.7 * total


def _profiles(wave_aa: FloatArray, redshift: float) -> FloatArray:
    """Pixel-averaged Gaussians (len(_GROUPS), P); the highest line of each has height one."""
    ln_wave = np.log(wave_aa / (1 + redshift))
    half = np.gradient(ln_wave) / 2
    width = _SIGMA_KMS / LIGHT_SPEED_KMS
    found = []
    for _, group in _GROUPS:
        total = np.zeros_like(ln_wave)
        for name, share in group:
            offset = ln_wave - np.log(line(name).wave_aa)
            total += share * (ndtr((offset + half) / width) - ndtr((offset - half) / width))
        found.append(total / max(float(total.max()), 1e-9) if total.max() > 1e-6 else np.zeros_like(total))
    return np.stack(found)
