"""Two versions side by side, of whatever family: same held-out galaxies, candidates measured by one code.

Quantities are those that a spectrum shows, since a family that draws pixels knows no others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.datasets.mock.survey import MAIN_LIMIT
from fiberless.datasets.shards import ShardSet
from fiberless.errors import UsageError
from fiberless.evaluation.agn import AGN_DEFINITIONS, agn_scores, agn_share, auc, binary_score
from fiberless.evaluation.blocks import (
    BlockCache,
    Contestant,
    MeasuredBlock,
    candidate_targets,
    draw_blocks,
)
from fiberless.evaluation.bootstrap import Difference, Statistic, bootstrap, r2_of
from fiberless.evaluation.metrics import crps_each, photo_z, posterior_median, posterior_score, usable
from fiberless.evaluation.pairs import HeldOut, Progress, read_held_out
from fiberless.evaluation.target_table import TargetTable
from fiberless.evaluation.targets import SPECTRAL_TARGETS

__all__ = ["HIGHER_IS_BETTER", "compare"]

HIGHER_IS_BETTER: Final = MappingProxyType(
    {
        "r2": True,
        "r2_mean": True,
        "crps": False,
        "sigma_mad": False,
        "auc": True,
        "balanced_accuracy": True,
    }
)
"""Figures in which two versions are compared, and which way is better."""


@dataclass(frozen=True, eq=False)
class _Both:
    """Truth of some galaxies, and the candidates of either version for one quantity."""

    truth: FloatArray
    first: FloatArray
    second: FloatArray


def compare(
    first: Contestant,
    second: Contestant,
    data: ShardSet,
    *,
    limit: int | None = None,
    cache: Path | None = None,
    progress: Progress,
) -> dict[str, Any]:
    """Draw both versions' candidates for the galaxies that are bright enough, and score them.

    Parameters
    ----------
    first, second : differences are the first's figure less the second's
    data : held-out pairs
    limit : galaxies read, all by default
    cache : folder for what was measured, to go on from

    Returns
    -------
    dict
        For JSON: `n`, `n_candidates`, `models`, `scores`, `photo_z` {version: …}, `agn` [row], `differences`
        {quantity: {figure: {value, error}}}, and `worse`: where the first is worse by more than the error.

    Raises
    ------
    UsageError
        `invalid-parameter` if both are one version.

    """
    versions = first.manifest.version, second.manifest.version
    if versions[0] == versions[1]:
        raise UsageError("invalid-parameter", "a version is compared with another one, not with itself")
    pairs = read_held_out(data, r_limit=MAIN_LIMIT, limit=limit, progress=progress)
    # both draw for the same galaxies
    drawn = {
        contestant.manifest.version: draw_blocks(
            contestant,
            pairs.conditions,
            pairs.truth.only(SPECTRAL_TARGETS),
            measure=candidate_targets,
            cache=BlockCache(cache, "targets", TargetTable),
            progress=partial(progress, contestant.manifest.version),
        )
        for contestant in (first, second)
    }
    # figures, and errors of their differences
    progress("figures", 0, 1)
    figures = _figures(pairs, {version: block.values for version, block in drawn.items()})
    progress("figures", 1, 1)
    told = {c.manifest.version: _told(c, drawn[c.manifest.version]) for c in (first, second)}
    return {
        "n": len(pairs.conditions),
        "n_candidates": first.n_candidates,
        "models": told,
        **figures,
        "worse": _worse(figures["differences"]),
    }


def _told(contestant: Contestant, drawn: MeasuredBlock[TargetTable]) -> dict[str, Any]:
    return {
        "family": contestant.manifest.family,
        "weights_sha256": contestant.manifest.weights_sha256,
        "steps": contestant.steps,
        "precision": "bf16" if contestant.half_precision else "fp32",
        "core_seconds_a_galaxy": float(f"{np.median(drawn.core_seconds):.3g}"),
    }


def _figures(pairs: HeldOut, drawn: Mapping[str, TargetTable]) -> dict[str, Any]:
    """Figures of {version: targets (n, K)}, each quantity on the galaxies where both versions have it."""
    first, second = drawn
    both = {
        name: _both(pairs.truth[name], drawn[first][name], drawn[second][name]) for name in _shared(pairs)
    }
    scores = {
        first: {name: posterior_score(rows.truth, rows.first).rounded() for name, rows in both.items()},
        second: {name: posterior_score(rows.truth, rows.second).rounded() for name, rows in both.items()},
    }
    differences = {name: _differences(rows) for name, rows in both.items()}
    truth = pairs.truth["redshift"]
    medians = {version: posterior_median(values["redshift"]) for version, values in drawn.items()}
    differences["photo_z"] = _photo_z_difference(truth, medians[first], medians[second])
    classes = {version: values.classes for version, values in drawn.items()}
    return {
        "scores": scores,
        "photo_z": {version: photo_z(truth, median).rounded() for version, median in medians.items()},
        "agn": _agn(pairs.truth.classes, classes),
        "differences": differences | _agn_differences(pairs.truth.classes, classes[first], classes[second]),
    }


def _shared(pairs: HeldOut) -> list[str]:
    return [name for name in SPECTRAL_TARGETS if np.isfinite(pairs.truth[name]).sum() > 1]


def _both(truth: FloatArray, first: FloatArray, second: FloatArray) -> _Both:
    rows = usable(truth, first) & usable(truth, second)
    return _Both(truth[rows], first[rows], second[rows])


def _differences(both: _Both) -> dict[str, dict[str, float | None]]:
    """Paired differences of R² of the median and of the mean, and of the CRPS."""
    truth, samples = both.truth, (both.first, both.second)
    medians = [posterior_median(drawn) - truth for drawn in samples]
    means = [np.nanmean(drawn, axis=1) - truth for drawn in samples]
    away = np.subtract(*(crps_each(truth, drawn) for drawn in samples))

    def of_r2(errors: Sequence[FloatArray]) -> Statistic:
        return lambda rows: r2_of(truth[rows], errors[0][rows]) - r2_of(truth[rows], errors[1][rows])

    found = {
        "r2": bootstrap(of_r2(medians), len(truth)),
        "r2_mean": bootstrap(of_r2(means), len(truth)),
        "crps": bootstrap(lambda rows: float(away[rows].mean()), len(truth)),
    }
    return {name: difference.as_dict() for name, difference in found.items()}


def _photo_z_difference(
    truth: FloatArray, first: FloatArray, second: FloatArray
) -> dict[str, dict[str, float | None]]:
    def sigma_mad(rows: IntArray) -> float:
        ours, theirs = (photo_z(truth[rows], median[rows]).sigma_mad for median in (first, second))
        return ours - theirs

    return {"sigma_mad": bootstrap(sigma_mad, len(truth)).as_dict()}


def _agn(truth: FloatArray, classes: Mapping[str, FloatArray]) -> list[dict[str, Any]]:
    scores = agn_scores(truth, classes, prevalence=_prevalence(truth))
    return [score.rounded() for score in scores]


def _prevalence(truth: FloatArray) -> dict[str, float]:
    """Share of AGN under each definition: the best threshold for balanced accuracy, the same for both."""
    known = truth[np.isfinite(truth)]
    return {name: float(np.isin(known, kinds).mean()) for name, kinds in AGN_DEFINITIONS.items()}


def _agn_differences(
    truth: FloatArray, first: FloatArray, second: FloatArray
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Paired differences of AUC and of balanced accuracy among all galaxies, under each definition."""
    known = np.isfinite(truth)
    found = {}
    for definition, threshold in _prevalence(truth).items():
        is_agn = np.isin(truth[known], AGN_DEFINITIONS[definition])
        shares = [np.nan_to_num(agn_share(drawn[known], definition)) for drawn in (first, second)]
        found[f"agn_{definition}"] = {
            "auc": bootstrap(_of_auc(is_agn, shares), len(is_agn)).as_dict(),
            "balanced_accuracy": bootstrap(_of_accuracy(is_agn, shares, threshold), len(is_agn)).as_dict(),
        }
    return found


def _of_auc(is_agn: BoolArray, shares: Sequence[FloatArray]) -> Statistic:
    return lambda rows: auc(is_agn[rows], shares[0][rows]) - auc(is_agn[rows], shares[1][rows])


def _of_accuracy(is_agn: BoolArray, shares: Sequence[FloatArray], threshold: float) -> Statistic:
    def accuracy(rows: IntArray) -> float:
        ours, theirs = (
            binary_score(is_agn[rows], share[rows], threshold=threshold, labels=("", "", ""))
            for share in shares
        )
        return ours.balanced_accuracy - theirs.balanced_accuracy

    return accuracy


def _worse(differences: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Figures in which the first version is worse by more than one standard error, the clearest first."""
    found = []
    for quantity, row in differences.items():
        for figure, told in row.items():
            if told["value"] is None or told["error"] is None:
                continue
            difference = Difference(told["value"], told["error"])
            loss = -difference.value if HIGHER_IS_BETTER[figure] else difference.value
            if loss > difference.error:
                sigmas = round(loss / difference.error, 1) if difference.error else None
                found.append({"quantity": quantity, "figure": figure, **told, "sigmas": sigmas})
    return sorted(found, key=lambda row: -(row["sigmas"] or np.inf))
