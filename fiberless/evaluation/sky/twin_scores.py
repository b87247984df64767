"""Scores of a model on twins of real galaxies: redshifts whole and by group, other quantities, classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from scipy.stats import kstest, theilslopes

from fiberless.arrays import BoolArray, FloatArray
from fiberless.evaluation.metrics import posterior_median, sample_quantiles
from fiberless.evaluation.sky.photo_z import RedshiftScore, score
from fiberless.evaluation.sky.table import RealGalaxies
from fiberless.evaluation.sky.twin_predictions import TwinPredictions

__all__ = [
    "PIT_BINS",
    "GroupScore",
    "OutsideScore",
    "QuantityScore",
    "group_scores",
    "outside_score",
    "pit",
    "quantity_scores",
    "redshift_quantiles",
    "shown_outside",
]

PIT_BINS: Final = 10
_LEVELS: Final = (0.025, 0.16, 0.5, 0.84, 0.975)
_FEWEST: Final = 10
_REDSHIFTS: Final = (0.0, 0.03, 0.05, 0.10, 0.15, 0.17, 0.25, 0.4)
_SIGMA_RANGE_KMS: Final = (100.0, 280.0)


@dataclass(frozen=True)
class GroupScore:
    """Redshifts of one group of galaxies.

    Parameters
    ----------
    redshift : the model's medians and quantiles
    pit : counts of the probability integral transform in ten equal bins
    pit_ks : largest distance of its distribution from the uniform one
    flagged : share with a warning of the range or of the image
    photometric : a fit to the same galaxies' five magnitudes, {what it learnt from: score}

    """

    redshift: RedshiftScore
    pit: tuple[int, ...]
    pit_ks: float
    flagged: float
    photometric: Mapping[str, RedshiftScore]


@dataclass(frozen=True)
class OutsideScore:
    """Galaxies beyond the promised redshifts: how many are warned of, or covered by the 95 % interval."""

    n: int
    flagged: float
    covered_95: float
    flagged_or_covered: float


@dataclass(frozen=True)
class QuantityScore:
    """A quantity against the catalogue's, both as logarithms.

    Parameters
    ----------
    bias, scatter : median of the difference, 1.4826 MAD about it
    slope, slope_low, slope_high : Theil–Sen slope of the median against the truth with its 68 % interval; σ*
        between 100 and 280 km/s
    coverage_68, coverage_95 : shares of truths in the central intervals

    """

    n: int
    bias: float
    scatter: float
    slope: float
    slope_low: float
    slope_high: float
    coverage_68: float
    coverage_95: float


def redshift_quantiles(samples: FloatArray) -> FloatArray:
    """Quantiles .025, .16, .5, .84, .975 of (N, K) candidates. (N, 5)"""
    return np.stack([sample_quantiles(samples, level) for level in _LEVELS], axis=1)


def pit(truth: FloatArray, samples: FloatArray) -> FloatArray:
    """Probability integral transform (N,) of (N,) truths among (N, K) samples: uniform if calibrated.

    The rank among K + 1 places, spread over its place by half.
    """
    below = (samples < truth[:, None]).sum(axis=1)
    transform: FloatArray = (below + 0.5) / (samples.shape[1] + 1)
    return transform


def group_scores(
    galaxies: RealGalaxies,
    predicted: TwinPredictions,
    photometric: Mapping[str, FloatArray],
    *,
    promised: tuple[float, float],
) -> dict[str, GroupScore]:
    """Scores of all groups of ten galaxies; those by colour, r and class lie in the promised range.

    Parameters
    ----------
    photometric : {what it learnt from: quantiles (N, 5)} of the same galaxies

    """
    found = {}
    for name, rows in _groups(galaxies, promised).items():
        if rows.sum() < _FEWEST:
            continue
        truth, part = galaxies.redshift[rows], predicted.take(rows)
        transform = pit(truth, part.redshift)
        found[name] = GroupScore(
            redshift=score(truth, redshift_quantiles(part.redshift)),
            pit=tuple(np.histogram(transform, PIT_BINS, (0, 1))[0].tolist()),
            pit_ks=float(kstest(transform, "uniform").statistic),
            flagged=float(part.is_flagged.mean()),
            photometric={way: score(truth, quantiles[rows]) for way, quantiles in photometric.items()},
        )
    return found


def _groups(galaxies: RealGalaxies, promised: tuple[float, float]) -> dict[str, BoolArray]:
    z = galaxies.redshift
    inside = (z > promised[0]) & (z < promised[1])
    r_mag, g_r = galaxies.magnitudes[:, 2], galaxies.magnitudes[:, 1] - galaxies.magnitudes[:, 2]
    groups = {"all": np.ones(len(z), bool), "promised range": inside}
    for name, values in (("g−r", g_r), ("r", r_mag)):
        edges = [-np.inf, *np.quantile(values[inside], (1 / 3, 2 / 3)), np.inf] if inside.any() else []
        for low, high in pairwise(edges):
            groups[_label(low, name, high)] = inside & (values >= low) & (values < high)
    for low, high in pairwise(_REDSHIFTS):
        groups[f"{low:g} ≤ z < {high:g}"] = (z >= low) & (z < high)
    for name in np.unique(galaxies.spectral_class).tolist():
        if name:
            groups[name] = inside & (galaxies.spectral_class == name)
    return groups


def _label(low: float, name: str, high: float) -> str:
    left = f"{low:.2f} ≤ " if np.isfinite(low) else ""
    right = f" < {high:.2f}" if np.isfinite(high) else ""
    return f"{left}{name}{right}"


def outside_score(
    redshift: FloatArray, predicted: TwinPredictions, promised: tuple[float, float]
) -> OutsideScore | None:
    """What becomes of galaxies beyond the promised range; None without any."""
    outside = (redshift <= promised[0]) | (redshift >= promised[1])
    if not outside.any():
        return None
    truth, part = redshift[outside], predicted.take(outside)
    quantiles = redshift_quantiles(part.redshift)
    covered = (truth >= quantiles[:, 0]) & (truth <= quantiles[:, 4])
    return OutsideScore(
        n=int(outside.sum()),
        flagged=float(part.is_flagged.mean()),
        covered_95=float(covered.mean()),
        flagged_or_covered=float((part.is_flagged | covered).mean()),
    )


def quantity_scores(galaxies: RealGalaxies, predicted: TwinPredictions) -> dict[str, QuantityScore]:
    """Stellar mass and velocity dispersion of the galaxies whose catalogues have them, where ten do."""
    with np.errstate(divide="ignore", invalid="ignore"):
        truths = {
            "log_stellar_mass": galaxies.log_stellar_mass,
            "log_sigma": np.log10(galaxies.matched_sigma_kms),
        }
    found = {}
    for name, truth in truths.items():
        samples = getattr(predicted, name)
        known = np.isfinite(truth) & np.isfinite(samples).all(axis=1)
        if known.sum() >= _FEWEST:
            found[name] = _quantity_score(name, truth[known], samples[known])
    return found


def _quantity_score(name: str, truth: FloatArray, samples: FloatArray) -> QuantityScore:
    middle = posterior_median(samples)
    error = middle - truth
    low, high = np.log10(_SIGMA_RANGE_KMS)
    kept = (truth >= low) & (truth <= high) if name == "log_sigma" else np.ones(len(truth), bool)
    slope = theilslopes(middle[kept], truth[kept], 0.68) if kept.sum() >= _FEWEST else (np.nan,) * 4
    quantiles = redshift_quantiles(samples)
    return QuantityScore(
        n=len(truth),
        bias=float(np.median(error)),
        scatter=float(1.4826 * np.median(np.abs(error - np.median(error)))),
        slope=float(slope[0]),
        slope_low=float(slope[2]),
        slope_high=float(slope[3]),
        coverage_68=float(np.mean((truth >= quantiles[:, 1]) & (truth <= quantiles[:, 3]))),
        coverage_95=float(np.mean((truth >= quantiles[:, 0]) & (truth <= quantiles[:, 4]))),
    )


def shown_outside(predicted: TwinPredictions) -> tuple[int, float]:
    """Galaxies with measured spectra, and the share whose shown redshift leaves its own 68 % interval."""
    known = np.isfinite(predicted.shown_redshift)
    part = predicted.take(known)
    if not len(part):
        return 0, float("nan")
    quantiles = redshift_quantiles(part.redshift)
    outside = (part.shown_redshift < quantiles[:, 1]) | (part.shown_redshift > quantiles[:, 3])
    return len(part), float(outside.mean())
