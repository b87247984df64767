"""Losses of few evaluations against many, where they are known beforehand."""

from dataclasses import replace

import numpy as np
import pytest

from fiberless.evaluation.step_quality import (
    COEFFICIENTS,
    LINE,
    QUANTITIES,
    QualityValues,
    judge,
    quality_values,
    smallest,
)
from fiberless.evaluation.target_table import TargetTable
from fiberless.inference.conditioning import prepare
from fiberless.testing import synthetic_cutout, toy_cascade, toy_family

N, K, PIXELS, DIMENSIONS = 300, 25, 40, 6


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(1)
    return TargetTable({name: 0.1 + 0.05 * rng.normal(size=N) for name in QUANTITIES}, np.zeros(N))


def values(truth, *, narrow=1.0, quantity=1.0, line=1.0, latent=True):
    """Calibrated candidates from one noise, some of them narrowed about their galaxy's own centre."""
    rng = np.random.default_rng(2)
    found = {}
    for name in QUANTITIES:
        centre = truth[name] + 0.01 * rng.normal(size=N)
        found[name] = centre[:, None] + quantity * 0.01 * rng.normal(size=(N, K))
    found[LINE] = 3 + line * rng.normal(size=(N, K))
    axes = np.linalg.qr(rng.normal(size=(PIXELS, PIXELS)))[0] * np.geomspace(1, 1e-3, PIXELS)
    drawn = rng.normal(size=(N, K, PIXELS))
    drawn[..., 3] *= narrow
    return QualityValues(
        TargetTable(found, np.zeros((N, K))),
        ln_flux=drawn @ axes.T,
        latent=rng.normal(size=(N, K, DIMENSIONS if latent else 0)),
    )


def test_the_reference_loses_nothing(truth):
    rows = judge({5: values(truth), 250: values(truth)}, truth)
    for row in rows.values():
        assert row["passes"]
        assert row["undecided"] == []
        assert all(told["loss"] == told["error"] == 0 for told in row["figures"].values())
    assert rows["5"]["figures"]["redshift_coverage_68"]["value"] == pytest.approx(0.68, abs=0.08)


@pytest.mark.parametrize(("narrow", "passes"), [(0.95, True), (0.9, False)])
def test_a_direction_that_is_narrow_is_found(truth, narrow, passes):
    rows = judge({10: values(truth, narrow=narrow), 250: values(truth)}, truth)
    told = rows["10"]["figures"]["std_everywhere"]
    assert told["value"] == pytest.approx(narrow, abs=0.01)
    assert told["loss"] == pytest.approx(1 - narrow, abs=0.01)
    assert rows["10"]["figures"]["std_on_average"]["loss"] < 0.02
    assert rows["10"]["passes"] is passes


def test_one_galaxy_with_wild_candidates_does_not_decide(truth):
    many, few = values(truth, latent=False), values(truth, latent=False)
    many.ln_flux[7] *= 30
    few.ln_flux[7] *= 60  # pooled, the leading direction would be almost twice as wide
    told = judge({10: few, 250: many}, truth)["10"]["figures"]["std_everywhere"]
    assert told["value"] == pytest.approx(2 ** (1 / N), abs=1e-4)


def test_a_latent_dimension_that_is_narrow_is_found(truth):
    many, few = values(truth), values(truth)
    few.latent[..., 2] *= 0.8
    told = judge({10: few, 250: many}, truth)["10"]["figures"]["std_everywhere"]
    assert told["value"] == pytest.approx(0.8, abs=1e-5)
    # the loss is the same in every resample: galaxies and noise are shared
    assert told["error"] < 1e-5


def test_narrow_intervals_cost_coverage_and_crps_but_not_scatter(truth):
    rows = judge({10: values(truth, quantity=0.5), 250: values(truth)}, truth)["10"]["figures"]
    assert rows["dn4000_coverage_68"]["loss"] > 0.15
    assert rows["dn4000_crps"]["loss"] > 0.02
    assert abs(rows["dn4000_scatter"]["loss"]) < 0.1
    assert rows["dn4000_scatter"]["error"] > 0


def test_a_line_that_is_narrow_does_not_pass(truth):
    row = judge({10: values(truth, line=0.97), 250: values(truth)}, truth)["10"]
    assert row["figures"]["line_std"]["loss"] == pytest.approx(0.03, abs=1e-4)
    assert not row["passes"]


def test_a_loss_within_its_error_of_the_limit_is_told(truth):
    found = values(truth)
    noise = np.random.default_rng(3).normal(size=(N, K))  # its own, at the limit: nothing is decided
    few = replace(found, targets=found.targets.also({LINE: 3 + 1.02 * noise}))
    row = judge({10: few, 250: values(truth)}, truth)["10"]
    assert "line_std" in row["undecided"]


def test_pixels_that_are_unknown_do_not_count(truth):
    many, few = values(truth, latent=False), values(truth, latent=False)
    few.ln_flux[3, 1, -5:] = np.nan
    row = judge({10: few, 250: many}, truth)["10"]
    assert row["figures"]["std_everywhere"]["loss"] == 0
    assert COEFFICIENTS < PIXELS


def test_directions_that_the_reference_does_not_have_are_not_judged(truth):
    many, few = values(truth, latent=False), values(truth, latent=False)
    rank = 4
    few.ln_flux[..., rank:] = many.ln_flux[..., rank:] = 0
    few.ln_flux[..., rank:] += 1e-7 * np.random.default_rng(4).normal(size=(N, K, PIXELS - rank))
    assert judge({10: few, 250: many}, truth)["10"]["figures"]["std_everywhere"]["loss"] < 0.01


def test_the_smallest_is_the_first_after_which_all_pass():
    rows = {str(count): {"passes": good} for count, good in ((5, True), (10, False), (15, True), (50, True))}
    assert smallest(rows) == 15
    assert smallest(rows | {"50": {"passes": False}}) is None


def test_both_families_give_what_is_compared():
    conditions = prepare([synthetic_cutout(i) for i in range(2)])
    for family in (toy_family(), toy_cascade()):
        drawn = family.candidates(conditions, [(0, "a"), (0, "b")], n=3, steps=3)
        found = quality_values(drawn)
        assert found.ln_flux.shape == (2, 3, 450)
        assert {name: found.targets[name].shape for name in QUANTITIES} == dict.fromkeys(QUANTITIES, (2, 3))
        assert bool(found.latent.size) == bool(drawn.physical.size)
