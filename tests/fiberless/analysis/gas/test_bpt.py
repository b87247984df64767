import numpy as np
import pytest
from scipy.stats import beta

from fiberless.analysis.gas.bpt import BptClass, agn_probability, bpt_classes, classification, curves
from fiberless.contract.properties import Flag


def classify(x, y, ew=20.0):
    """Class at lg [N II]/Hα = x, lg [O III]/Hβ = y."""
    return bpt_classes(
        ew_halpha=np.array([ew]),
        halpha=np.array([1.0]),
        nii=np.array([10.0**x]),
        oiii=np.array([10.0**y]),
        hbeta=np.array([1.0]),
    )[0]


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("kewley01", -0.53, 0.58),
        ("kauffmann03", -0.56, 0.30),
        ("cidfernandes10", 0.0, 0.48),
        ("schawinski07", 0.0, 0.45),
    ],
)
def test_curves_pass_through_points_worked_by_hand(name, x, y):
    curve = curves()[name]
    assert curve.below(np.array([x]), np.array([y - 1e-6]))[0]
    assert not curve.below(np.array([x]), np.array([y + 1e-6]))[0]


def test_nothing_is_below_a_hyperbola_right_of_its_asymptote():
    assert not curves()["kauffmann03"].below(np.array([0.05, 0.3]), np.array([-5.0, -5.0])).any()


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (-1.0, 0.5, BptClass.STAR_FORMING),
        (-0.4, -0.5, BptClass.STAR_FORMING),
        (-0.2, -0.2, BptClass.COMPOSITE),
        (-0.1, 0.0, BptClass.COMPOSITE),
        (-0.1, 0.9, BptClass.SEYFERT),
        (-1.0, 1.2, BptClass.SEYFERT),
        (0.1, 0.3, BptClass.LINER),
        (0.6, -1.0, BptClass.LINER),
    ],
)
def test_points_on_known_sides(x, y, expected):
    assert classify(x, y) == expected


@pytest.mark.parametrize(("ew", "retired"), [(2.99, True), (3.0, False), (-0.5, True)])
@pytest.mark.parametrize(("x", "y"), [(-0.5, -0.5), (-0.1, 0.9)])
def test_weak_halpha_is_retired_wherever_it_lies(ew, retired, x, y):
    assert (classify(x, y, ew) == BptClass.RETIRED_OR_PASSIVE) == retired


def test_what_cannot_be_told_is_nan():
    one, nan = np.ones(4), np.nan
    classes = bpt_classes(
        ew_halpha=np.array([nan, 10.0, 10.0, 1.0]),
        halpha=one,
        nii=np.array([0.3, nan, 0.3, nan]),
        oiii=one,
        hbeta=np.array([1.0, 1.0, -0.1, nan]),
    )
    np.testing.assert_array_equal(classes, [nan, nan, nan, BptClass.RETIRED_OR_PASSIVE])


def test_lines_measured_as_absent_leave_the_other_ratio_to_decide():
    classes = bpt_classes(
        ew_halpha=np.full(2, 20.0),
        halpha=np.ones(2),
        nii=np.array([10**-0.5, -0.01]),
        oiii=np.array([-0.01, 10**1.5]),
        hbeta=np.ones(2),
    )
    np.testing.assert_array_equal(classes, [BptClass.STAR_FORMING, BptClass.SEYFERT])


def test_shares_and_winner():
    found = classification(np.array([0.0] * 6 + [1.0] * 3 + [3.0] + [np.nan]))
    assert found.value == "star_forming"
    assert found.flag is Flag.OK
    assert found.probabilities == {
        "star_forming": 0.6,
        "composite": 0.3,
        "seyfert": 0.0,
        "liner": 0.1,
        "retired_or_passive": 0.0,
    }


def test_no_majority_is_low_confidence():
    assert classification(np.array([0.0, 0.0, 1.0, 2.0, 3.0])).flag is Flag.LOW_CONFIDENCE


@pytest.mark.parametrize("classes", [[np.nan] * 3 + [0.0, 1.0], [np.nan], []])
def test_mostly_unknown_is_out_of_band(classes):
    values = np.array(classes, dtype=np.float64)
    assert classification(values).value is None
    probability = agn_probability(values)
    assert (probability.value, probability.lower, probability.upper) == (None, None, None)
    assert probability.flag is Flag.OUT_OF_BAND


def test_agn_share_counts_seyferts_and_liners_only():
    probability = agn_probability(np.array([0.0, 1.0, 2.0, 3.0, 4.0]))
    assert probability.value == 0.4
    assert 0 < probability.lower < 0.4 < probability.upper < 1


@pytest.mark.parametrize(("kind", "expected"), [(2.0, 1.0), (0.0, 0.0)])
def test_unanimous_candidates_still_have_an_interval(kind, expected):
    probability = agn_probability(np.full(25, kind))
    assert probability.value == expected
    assert probability.lower <= expected <= probability.upper
    assert 0.01 < probability.upper - probability.lower < 0.06


@pytest.mark.parametrize("level", [0.68, 0.95])
def test_interval_is_that_of_the_beta_posterior(level):
    probability = agn_probability(np.array([2.0] * 7 + [0.0] * 18), level=level)
    inside = np.diff(beta.cdf([probability.lower, probability.upper], 7.5, 18.5))
    np.testing.assert_allclose(inside, level, atol=1e-4)
