import numpy as np
import pytest

from fiberless.astro.bands import magnitude
from fiberless.evaluation.sky.twin_scores import pit
from fiberless.evaluation.sky.twin_shapes import half_light_radius, seen_axis_ratio, with_shape
from fiberless.evaluation.sky.twins import draw_donors, image_twins, listed


@pytest.fixture(scope="module")
def donors():
    return draw_donors(3, 200)


def test_a_galaxy_gets_the_size_and_axis_ratio_asked_for(donors):
    few = donors.take(np.arange(20))
    band, size, ratio = few.light.band_nmgy, np.full(20, 2.5), np.full(20, 0.6)
    shaped = with_shape(few.population, band, size, ratio)
    np.testing.assert_allclose(half_light_radius(shaped, band), 2.5, rtol=1e-3)
    np.testing.assert_allclose(seen_axis_ratio(shaped, band), 0.6, atol=0.01)


def test_twins_have_the_catalogue_s_light_and_are_the_same_again(donors):
    catalogue, _ = listed(np.random.default_rng(1), donors.take(np.arange(30)))
    first, second = (image_twins(np.random.default_rng(2), catalogue, donors) for _ in range(2))
    np.testing.assert_array_equal(first.flux_nmgy, second.flux_nmgy)
    r_mag = magnitude(first.flux_nmgy[:, 2, 14:50, 14:50].sum(axis=(1, 2)))
    assert abs(np.median(r_mag - catalogue.magnitudes[:, 2])) < 0.25


def test_the_transform_of_a_truth_in_the_middle_is_a_half():
    assert pit(np.array([2.5]), np.array([[1.0, 2.0, 3.0, 4.0]]))[0] == 0.5
