import numpy as np
import pytest

from fiberless.analysis.gas.bpt import BptClass, bpt_classes, curves
from fiberless.analysis.gas.diagrams import WhanClass, oi_classes, sii_classes, whan_classes


def at(function, name, x, y, ew=20.0):
    """Class at lg of the weak line over Hα = x, lg [O III]/Hβ = y."""
    one = np.ones(1)
    return function(ew_halpha=ew * one, halpha=one, oiii=10.0**y * one, hbeta=one, **{name: 10.0**x * one})[0]


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [("kewley01_sii", -0.40, 0.30), ("kewley06_sii", 0.0, 0.76), ("kewley01_oi", -1.59, 0.60),
     ("kewley06_oi", -1.0, 0.12)],
)  # fmt: skip
def test_curves_pass_through_points_worked_by_hand(name, x, y):
    curve = curves()[name]
    assert curve.below(np.array([x]), np.array([y - 1e-6]))[0]
    assert not curve.below(np.array([x]), np.array([y + 1e-6]))[0]


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [(-0.6, 0.0, BptClass.STAR_FORMING), (-0.2, 0.9, BptClass.SEYFERT), (0.1, 0.3, BptClass.LINER)],
)
def test_sulphur_classes_on_known_sides(x, y, expected):
    assert at(sii_classes, "sii", x, y) == expected


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [(-2.0, 0.3, BptClass.STAR_FORMING), (-1.2, 0.9, BptClass.SEYFERT), (-0.5, 0.2, BptClass.LINER)],
)
def test_oxygen_classes_on_known_sides(x, y, expected):
    assert at(oi_classes, "oi", x, y) == expected


@pytest.mark.parametrize(("function", "name"), [(sii_classes, "sii"), (oi_classes, "oi")])
def test_weak_halpha_is_retired_and_no_light_is_nothing(function, name):
    assert at(function, name, -0.5, 0.5, ew=2.9) == BptClass.RETIRED_OR_PASSIVE
    assert np.isnan(at(function, name, -0.5, 0.5, ew=np.nan))
    assert np.isnan(at(function, name, np.nan, 0.5))


def test_the_other_division_moves_what_lies_between_them():
    """At x = 0.1, y = 0.57: above 1.05 x + 0.45 = 0.555, below 1.01 x + 0.48 = 0.581."""
    point = {"ew_halpha": np.full(1, 20.0), "halpha": np.ones(1), "hbeta": np.ones(1)}
    point |= {"nii": np.full(1, 10**0.1), "oiii": np.full(1, 10**0.57)}
    assert bpt_classes(**point)[0] == BptClass.LINER
    assert bpt_classes(**point, division="schawinski07")[0] == BptClass.SEYFERT


@pytest.mark.parametrize(
    ("ew_halpha", "ew_nii", "x", "expected"),
    [
        (20.0, 5.0, -0.5, WhanClass.STAR_FORMING),
        (20.0, 15.0, -0.1, WhanClass.STRONG_AGN),
        (4.0, 4.0, 0.0, WhanClass.WEAK_AGN),
        (2.0, 2.0, 0.0, WhanClass.RETIRED),
        (0.4, 0.6, 0.2, WhanClass.RETIRED),
        (0.4, 0.4, 0.0, WhanClass.PASSIVE),
    ],
)
def test_whan_classes_by_hand(ew_halpha, ew_nii, x, expected):
    one = np.ones(1)
    found = whan_classes(ew_halpha=ew_halpha * one, ew_nii=ew_nii * one, halpha=one, nii=10.0**x * one)
    assert found[0] == expected
