"""How often damaged images, stars and empty sky are called unlike the training set, class by class."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.datasets.artefacts import ARTEFACTS, blank_sky, stars
from fiberless.inference.conditioning import ConditionScaler, conditions_of
from fiberless.inference.outlier_score import reported

__all__ = ["FlaggedShare", "flagged_shares", "flagged_table"]

_CHUNK = 256


@dataclass(frozen=True)
class FlaggedShare:
    """Share of n images that get an `out_of_distribution` warning, and its commonest reasons.

    Parameters
    ----------
    share : 0 to 1
    n : images
    reasons : names of checks with the share that each flags, the three commonest

    """

    share: float
    n: int
    reasons: tuple[tuple[str, float], ...]


def flagged_shares(
    scaler: ConditionScaler, flux_nmgy: FloatArray, ebv: FloatArray, *, r_limit: float, seed: int = 0
) -> dict[str, FlaggedShare]:
    """Flag clean simulated galaxies, each class of artefact made of them, simulated stars and empty sky.

    Parameters
    ----------
    flux_nmgy : (N, 5, 64, 64) held-out images; those fainter than the limit are left out
    ebv : (N,) Galactic E(B−V) of the images in mag
    r_limit : magnitude inside 7" that the model promises
    seed : of the damage

    """
    flux = np.asarray(flux_nmgy, dtype=np.float32)
    bright = conditions_of(flux, ebv).r_magnitude <= r_limit
    flux, ebv = flux[bright], np.asarray(ebv)[bright]
    rng = np.random.default_rng(seed)
    sets = {"clean": flux} | {name: damage(rng, flux) for name, damage in ARTEFACTS.items()}
    sets |= {"star": stars(rng, len(flux)), "blank sky": blank_sky(rng, len(flux))}
    return {name: _flagged(scaler, images, ebv, r_limit) for name, images in sets.items()}


def flagged_table(rows: Mapping[str, FlaggedShare]) -> str:
    """Markdown: a line a class."""
    lines = ["| class | n | flagged | by |", "|---|---|---|---|"]
    for name, row in rows.items():
        reasons = ", ".join(f"{reason} {share:.0%}" for reason, share in row.reasons)
        lines.append(f"| {name} | {row.n} | {row.share:.1%} | {reasons} |")
    return "\n".join(lines)


def _flagged(scaler: ConditionScaler, flux: FloatArray, ebv: FloatArray, r_limit: float) -> FlaggedShare:
    told = []
    for start in range(0, len(flux), _CHUNK):
        conditions = conditions_of(flux[start : start + _CHUNK], ebv[start : start + _CHUNK])
        for outliers, r_magnitude in zip(scaler.outliers(conditions), conditions.r_magnitude, strict=True):
            told.append(reported(outliers, is_bright=bool(r_magnitude <= r_limit)))
    names = Counter(outlier.name for outliers in told for outlier in outliers)
    return FlaggedShare(
        share=sum(map(bool, told)) / len(told),
        n=len(told),
        reasons=tuple((name, count / len(told)) for name, count in names.most_common(3)),
    )
