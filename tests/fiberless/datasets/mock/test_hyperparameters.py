"""Fitted numbers of the population: file, vector, and the chance that a galaxy is kept."""

import numpy as np
import pytest

from fiberless.astro.bands import magnitude
from fiberless.datasets.mock.galaxies import draw_galaxies, selection_features
from fiberless.datasets.mock.hyperparameters import DensityRatio, Hyperparameters, shipped_population
from fiberless.errors import UsageError

HALF = DensityRatio(
    centre=(0.1, 17.0, 1.6, 0.8, 0.4, 0.3),
    spread=(0.05, 1.0, 0.4, 0.2, 0.1, 0.1),
    powers=((0,) * 6, (0, 0, 0, 1, 0, 0)),
    weights=(0.0, float(np.log(2.0))),
    log_largest=0.0,
)
"""Chance 2^x, at most one, with x the g−r beyond 0.8 in units of 0.2."""


def test_the_shipped_numbers_are_inside_their_meaning():
    fitted = shipped_population("sky")
    assert 0 < fitted.green_share < 1
    assert 0 < fitted.starburst_share < 0.2
    assert fitted.selection is not None
    assert len(fitted.selection.weights) == len(fitted.selection.powers) == 84


def test_data_sets_are_drawn_from_what_the_model_has_learned_from():
    assert shipped_population() == shipped_population("trained") == Hyperparameters()


def test_a_file_gives_back_what_was_written(tmp_path):
    first = Hyperparameters(dust_slope=0.125, selection=HALF)
    first.write(tmp_path / "p.json")
    again = Hyperparameters.read(tmp_path / "p.json")
    assert again.dust_slope == first.dust_slope
    np.testing.assert_allclose(again.selection.weights, HALF.weights, rtol=1e-5)
    assert again.name == first.name != Hyperparameters().name


@pytest.mark.parametrize("text", ["", "[]", '{"dust_slope": "steep"}', '{"selection": {"centre": [1]}}'])
def test_another_file_is_refused_by_name(tmp_path, text):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(UsageError, match=r"p\.json"):
        Hyperparameters.read(tmp_path / "p.json")


def test_the_vector_is_the_numbers_in_order():
    vector = np.arange(30.0)
    values = Hyperparameters().with_vector(vector)
    assert values.library_young_mag == tuple(range(8, 16))
    assert values.starburst_share == 29.0
    np.testing.assert_array_equal(values.vector(), vector)


def test_chances_follow_the_polynomial_and_its_limits():
    features = np.array([HALF.centre] * 4)
    features[:, 3] += 0.2 * np.array([-1.0, -2.0, 1.0, -50.0])
    np.testing.assert_allclose(HALF.chance(features), [0.5, 0.25, 1.0, 0.125])


def test_galaxies_are_kept_as_often_as_the_selection_says():
    plain = Hyperparameters()
    everything, light = draw_galaxies(np.random.default_rng(3), 400, fit=plain)
    total = magnitude(light.band_nmgy.sum(axis=1))
    expected = HALF.chance(selection_features(everything.redshift, total)).sum()
    kept, _ = draw_galaxies(np.random.default_rng(3), 400, fit=Hyperparameters(selection=HALF))
    assert abs(len(kept) - expected) < 5 * np.sqrt(400 / 4)
    assert len(kept) < len(everything) == 400


def test_stars_further_away_are_younger():
    fit = Hyperparameters(age_evolution=1.0)
    near, _ = draw_galaxies(np.random.default_rng(1), 300, fit=fit, redshifts=(0.02, 0.03))
    far, _ = draw_galaxies(np.random.default_rng(1), 300, fit=fit, redshifts=(0.28, 0.30))
    assert near.disk_age.mean() - far.disk_age.mean() == pytest.approx(2.9, abs=0.4)
