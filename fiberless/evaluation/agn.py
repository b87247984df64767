"""How well AGN are told from other galaxies: scores of a predicted probability against a true class.

Two truths are kept apart, both measured on the noiseless spectrum: above the curve of Kewley et al. 2001, and
above that of Kauffmann et al. 2003, which counts composites as AGN.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from scipy.stats import rankdata

from fiberless.analysis.gas.bpt import AGN_CLASSES, BptClass
from fiberless.arrays import BoolArray, FloatArray

__all__ = ["AGN_DEFINITIONS", "AgnScore", "agn_scores", "agn_share", "auc", "binary_score"]

AGN_DEFINITIONS: Final = MappingProxyType(
    {"kewley01": AGN_CLASSES, "kauffmann03": (*AGN_CLASSES, BptClass.COMPOSITE)}
)
"""Classes that count as AGN under each curve. EW(Hα) < 3 Å never does (Cid Fernandes et al. 2011)."""


@dataclass(frozen=True)
class AgnScore:
    """Scores of one decision, AGN where the probability exceeds `threshold`.

    Parameters
    ----------
    definition : key of `AGN_DEFINITIONS`
    population : `all` galaxies, or `emission`: those of true EW(Hα) ≥ 3 Å
    method : `model` or a baseline
    n, n_agn : galaxies and true AGN
    threshold : 0.5 is best for accuracy, the share of AGN is best for balanced accuracy, if the
        probabilities are calibrated
    majority : accuracy of always answering the more frequent class
    accuracy, balanced_accuracy, precision, recall, f1 : of the decision; 0 where nothing is called AGN
    auc : area under the ROC curve, which needs no threshold
    brier : mean (probability − truth)²
    """

    definition: str
    population: str
    method: str
    n: int
    n_agn: int
    threshold: float
    majority: float
    accuracy: float
    balanced_accuracy: float
    precision: float
    recall: float
    f1: float
    auc: float
    brier: float

    def rounded(self) -> dict[str, Any]:
        """Values with four decimals, NaN as None."""
        values = {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in values.items()}


def agn_share(classes: FloatArray, definition: str) -> FloatArray:
    """Share (N,) of the (N, K) candidates that are AGN, among those with a class; NaN without any."""
    known = np.isfinite(classes).sum(axis=1)
    counted = np.isin(classes, AGN_DEFINITIONS[definition]).sum(axis=1)
    share: FloatArray = np.divide(counted, known, out=np.full(len(classes), np.nan), where=known > 0)
    return share


def agn_scores(
    truth: FloatArray, candidates: Mapping[str, FloatArray], *, prevalence: dict[str, float]
) -> list[AgnScore]:
    """All scores: both definitions, all galaxies and emission-line ones, two thresholds.

    Parameters
    ----------
    truth : (N,) true `BptClass`, NaN where there is none
    candidates : (N, K) classes of each method's samples
    prevalence : share of AGN in the training set under each definition, the second threshold

    """
    kept = {
        "all": np.isfinite(truth),
        "emission": np.isfinite(truth) & (truth != BptClass.RETIRED_OR_PASSIVE),
    }
    return [
        binary_score(
            np.isin(truth[rows], AGN_DEFINITIONS[definition]),
            agn_share(classes[rows], definition),
            threshold=threshold,
            labels=(definition, population, method),
        )
        for definition in AGN_DEFINITIONS
        for population, rows in kept.items()
        for method, classes in candidates.items()
        for threshold in (0.5, prevalence[definition])
    ]


def binary_score(
    truth: BoolArray, probability: FloatArray, *, threshold: float = 0.5, labels: tuple[str, str, str]
) -> AgnScore:
    """Score (N,) probabilities of (N,) truths; a NaN counts as 0.

    Parameters
    ----------
    labels : definition, population, method, as in `AgnScore`

    """
    p = np.nan_to_num(probability, nan=0.0)
    said = p > threshold
    hits, misses = int((said & truth).sum()), int((~said & truth).sum())
    alarms, rest = int((said & ~truth).sum()), int((~said & ~truth).sum())
    recall = _ratio(hits, hits + misses)
    return AgnScore(
        *labels,
        n=len(truth),
        n_agn=int(truth.sum()),
        threshold=float(threshold),
        majority=_ratio(max(hits + misses, alarms + rest), len(truth)),
        accuracy=_ratio(hits + rest, len(truth)),
        balanced_accuracy=(recall + _ratio(rest, rest + alarms)) / 2,
        precision=_ratio(hits, hits + alarms),
        recall=recall,
        f1=_ratio(2 * hits, 2 * hits + alarms + misses),
        auc=auc(truth, p),
        brier=float(np.mean((p - truth) ** 2)) if len(truth) else float("nan"),
    )


def auc(truth: BoolArray, probability: FloatArray) -> float:
    """Chance that a random AGN has a higher probability than a random other galaxy, ties counting half.

    From the rank sum (Mann & Whitney 1947), exact with ties; NaN if one class is empty.
    """
    positive, negative = int(truth.sum()), int((~truth).sum())
    if positive == 0 or negative == 0:
        return float("nan")
    rank_sum = rankdata(probability)[truth].sum()
    return float((rank_sum - positive * (positive + 1) / 2) / (positive * negative))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
