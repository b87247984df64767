"""What to report of K candidates: how good one chosen, or their median, is for K from 1 to 100."""

from typing import Final

import numpy as np

from fiberless.arrays import FloatArray, IntArray
from fiberless.evaluation.metrics import posterior_median
from fiberless.evaluation.sampling import EvaluatedCandidates
from fiberless.evaluation.target_table import TargetTable

__all__ = ["CHOICE_SIZES", "CHOICE_TARGETS", "choice_table", "medoid_of"]

CHOICE_SIZES: Final = (1, 5, 25, 100)
CHOICE_TARGETS: Final = ("redshift", "dn4000", "log_ew_Halpha", "log_age")
_BLOCK: Final = 500


def choice_table(truth: TargetTable, drawn: EvaluatedCandidates) -> dict[str, dict[str, dict[str, float]]]:
    """RMSE over that of a random candidate: {target: {way: {K: ratio}}}.

    Ways: `random` (the first candidate; it is 1 but for the scatter of one draw), `contrastive` (best by
    score), `medoid`, `median` of the first K. A target that is measured on fewer candidates has the smaller
    K alone, and their number in place of the largest.
    """
    latent, targets = drawn.candidates.latent, drawn.targets
    sizes = {*CHOICE_SIZES, *(targets[name].shape[1] for name in targets.names)}
    shown = {K: medoid_of(latent, K) for K in sizes if latent.shape[1] >= K}
    return {
        name: _ways(truth[name], targets[name], drawn.candidates.score, shown)
        for name in CHOICE_TARGETS
        if name in targets.names and np.isfinite(truth[name]).any()
    }


def medoid_of(latent: FloatArray, K: int) -> IntArray:
    """Index (N,) of the candidate closest to the mean of the first K of (N, K', D) latents."""
    parts = []
    for start in range(0, len(latent), _BLOCK):
        rows = latent[start : start + _BLOCK, :K]
        parts.append(((rows - rows.mean(axis=1, keepdims=True)) ** 2).sum(axis=-1).argmin(axis=1))
    return np.concatenate(parts)


def _ways(
    truth: FloatArray, samples: FloatArray, score: FloatArray, medoids: dict[int, IntArray]
) -> dict[str, dict[str, float]]:
    # galaxies where every candidate is measurable, so that all ways are compared on the same ones
    kept = np.isfinite(truth) & np.isfinite(samples).all(axis=1)
    true, drawn, rows = truth[kept], samples[kept], np.arange(kept.sum())
    random = np.sqrt(np.mean((drawn - true[:, None]) ** 2))
    table: dict[str, dict[str, float]] = {way: {} for way in ("random", "contrastive", "medoid", "median")}
    for K in sorted({min(K, samples.shape[1]) for K in CHOICE_SIZES}):
        chosen = {
            "random": drawn[:, 0],
            "contrastive": drawn[rows, score[kept, :K].argmax(axis=1)],
            "medoid": drawn[rows, medoids[K][kept]],
            "median": posterior_median(drawn[:, :K]),
        }
        for way, estimate in chosen.items():
            table[way][str(K)] = round(float(np.sqrt(np.mean((estimate - true) ** 2)) / random), 4)
    return table
