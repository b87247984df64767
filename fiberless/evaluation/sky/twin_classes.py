"""Star formation and AGN of twins against the classes of the survey's spectra, beside five magnitudes.

Needs scikit-learn (extra `train`).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from fiberless.arrays import BoolArray, FloatArray
from fiberless.evaluation.agn import auc
from fiberless.evaluation.metrics import posterior_median
from fiberless.evaluation.sky.table import RealGalaxies
from fiberless.evaluation.sky.twin_predictions import TwinPredictions
from fiberless.evaluation.sky.two_sample import auc_error

__all__ = ["ClassScore", "class_scores", "magnitude_probabilities"]

_FORMING: Final = ("STARFORMING", "STARBURST")
_FOLDS: Final = 5
_FEWEST: Final = 5
_FORMING_TEST: Final = "star-forming against none"
_AGN_TEST: Final = "AGN against the rest"


@dataclass(frozen=True)
class ClassScore:
    """One class against another.

    Parameters
    ----------
    n, share : galaxies, and the share of them in the first class
    auc, error : area under the ROC curve, with the error of Hanley & McNeil (1982)
    mean_score : mean of the score: of a calibrated probability the share

    """

    n: int
    share: float
    auc: float
    error: float
    mean_score: float


def magnitude_probabilities(galaxies: RealGalaxies, *, seed: int) -> dict[str, FloatArray]:
    """Probability (N,) of each test's first class, learnt on r and four colours in other folds; else NaN."""
    features = np.column_stack([galaxies.magnitudes[:, 2], -np.diff(galaxies.magnitudes, axis=1)])
    found = {}
    for test, (first, of_test) in _tests(galaxies).items():
        probability = np.full(len(galaxies), np.nan)
        if min(first[of_test].sum(), (~first[of_test]).sum()) >= _FOLDS:
            folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
            model = HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=12, random_state=seed)
            learnt = cross_val_predict(
                model, features[of_test], first[of_test], cv=folds, method="predict_proba"
            )
            probability[of_test] = learnt[:, 1]
        found[test] = probability
    return found


def class_scores(
    galaxies: RealGalaxies, predicted: TwinPredictions, from_magnitudes: dict[str, FloatArray]
) -> dict[str, dict[str, ClassScore]]:
    """{test: {way: score}}; each way on the galaxies that it has a score of, five magnitudes on all.

    Parameters
    ----------
    from_magnitudes : of the same galaxies, see `magnitude_probabilities`

    """
    ways = {
        _FORMING_TEST: {
            "lg sSFR": posterior_median(predicted.log_ssfr),
            "P(EW Hα > 10 Å)": predicted.emission,
        },
        _AGN_TEST: {"AGN probability": predicted.agn},
    }
    found: dict[str, dict[str, ClassScore]] = {}
    for test, (first, of_test) in _tests(galaxies).items():
        scores = {**ways[test], "five magnitudes": from_magnitudes[test]}
        rows = {way: _scored(first, of_test & np.isfinite(value), value) for way, value in scores.items()}
        kept = {way: value for way, value in rows.items() if value is not None}
        if kept:
            found[test] = kept
    return found


def _tests(galaxies: RealGalaxies) -> dict[str, tuple[BoolArray, BoolArray]]:
    """Members of the first class, and galaxies that take part, of both tests."""
    classes = galaxies.spectral_class
    forming, agn = np.isin(classes, _FORMING), classes == "AGN"
    return {_FORMING_TEST: (forming, forming | (classes == "NONE")), _AGN_TEST: (agn, classes != "")}


def _scored(first: BoolArray, rows: BoolArray, value: FloatArray) -> ClassScore | None:
    positive = int(first[rows].sum())
    if min(positive, int(rows.sum()) - positive) < _FEWEST:
        return None
    area = auc(first[rows], value[rows])
    return ClassScore(
        n=int(rows.sum()),
        share=float(first[rows].mean()),
        auc=area,
        error=auc_error(area, positive, int(rows.sum()) - positive),
        mean_score=float(value[rows].mean()),
    )
