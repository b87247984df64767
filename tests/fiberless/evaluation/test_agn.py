import numpy as np
import pytest

from fiberless.analysis.gas.bpt import BptClass
from fiberless.evaluation.agn import agn_scores, agn_share, auc, binary_score

SF, COMP, SEY, LIN, RET = (float(kind) for kind in BptClass)


def test_auc_by_hand_with_a_tie():
    """AGN 0.8 and 0.4 against 0.1, 0.4, 0.6: five and a half... (3 + 1.5) of 6 pairs are in order."""
    truth = np.array([True, True, False, False, False])
    assert auc(truth, np.array([0.8, 0.4, 0.1, 0.4, 0.6])) == pytest.approx(4.5 / 6)
    assert auc(truth, np.full(5, 0.3)) == 0.5
    assert np.isnan(auc(np.zeros(3, bool), np.ones(3)))


def test_a_decision_by_hand():
    truth = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], bool)
    probability = np.array([0.9, 0.7, 0.2, 0.8, 0.1, 0.1, 0.1, 0.1, np.nan, 0.1])
    score = binary_score(truth, probability, labels=("kewley01", "all", "model"))
    assert (score.n, score.n_agn) == (10, 3)
    assert score.majority == 0.7
    assert score.accuracy == 0.8
    assert score.precision == pytest.approx(2 / 3)
    assert score.recall == pytest.approx(2 / 3)
    assert score.f1 == pytest.approx(2 / 3)
    assert score.balanced_accuracy == pytest.approx((2 / 3 + 6 / 7) / 2)


def test_nothing_called_agn_has_no_precision_and_half_the_balanced_accuracy():
    score = binary_score(np.array([True, False]), np.zeros(2), labels=("kewley01", "all", "model"))
    assert (score.precision, score.recall, score.f1, score.balanced_accuracy) == (0, 0, 0, 0.5)


def test_composites_are_agn_for_kauffmann_alone_and_unknown_classes_do_not_count():
    classes = np.array([[SF, COMP, SEY, np.nan], [RET, RET, LIN, LIN], [np.nan] * 4])
    np.testing.assert_allclose(agn_share(classes, "kewley01"), [1 / 3, 1 / 2, np.nan])
    np.testing.assert_allclose(agn_share(classes, "kauffmann03"), [2 / 3, 1 / 2, np.nan])


def test_both_truths_and_both_populations_are_scored():
    truth = np.array([SF, COMP, SEY, LIN, RET, RET, np.nan])
    perfect = np.repeat(truth[:, None], 4, axis=1)
    scores = agn_scores(truth, {"model": perfect}, prevalence={"kewley01": 0.1, "kauffmann03": 0.2})
    assert len(scores) == 8
    assert {(s.definition, s.population, s.n, s.n_agn) for s in scores} == {
        ("kewley01", "all", 6, 2),
        ("kewley01", "emission", 4, 2),
        ("kauffmann03", "all", 6, 3),
        ("kauffmann03", "emission", 4, 3),
    }
    assert all(s.accuracy == s.auc == s.f1 == 1 for s in scores)
    assert all(s.brier == 0 for s in scores)
    assert {s.threshold for s in scores} == {0.5, 0.1, 0.2}
