import numpy as np
import pytest

from fiberless.datasets.mock.field import FAINTEST_R, Neighbours, add_neighbours, draw_neighbours
from fiberless.datasets.mock.seeing import draw_seeing


@pytest.fixture(scope="module")
def field():
    return draw_neighbours(np.random.default_rng(1), np.full(4000, 80.0))


def one(*, spread, flux=100.0):
    return Neighbours(
        np.array([0]), np.array([[4.25, -7.5]]), np.full((1, 5), flux), np.array([spread], float)
    )


@pytest.mark.parametrize("spread", [(0, 0, 0), (9.0, 4.0, 1.5)])
def test_an_object_has_its_flux_and_place(spread):
    image = np.zeros((1, 5, 64, 64), np.float32)
    add_neighbours(image, one(spread=spread), draw_seeing(np.random.default_rng(2), 1))
    y, x = np.mgrid[:64, :64] - 31.5
    assert image.sum(axis=(-1, -2)) == pytest.approx(100.0, rel=0.01)
    near = np.hypot(x - 4.25, y + 7.5) < 15
    weight = image[0, 2] * near
    assert (weight * x).sum() / weight.sum() == pytest.approx(4.25, abs=0.02)
    assert (weight * y).sum() / weight.sum() == pytest.approx(-7.5, abs=0.02)


def test_a_disk_is_wider_than_a_star_along_its_long_axis():
    images = np.zeros((2, 5, 64, 64), np.float32)
    seeing = draw_seeing(np.random.default_rng(2), 1)
    add_neighbours(images[:1], one(spread=(0, 0, 0)), seeing)
    add_neighbours(images[1:], one(spread=(16.0, 1.0, 0)), seeing)
    y, x = np.mgrid[:64, :64] - 31.5
    variance = [[(image[2] * d**2).sum() / image[2].sum() for d in (x - 4.25, y + 7.5)] for image in images]
    # Σ share σ² = 0.453·0.558² + 0.547·1.264² = 1.015 of the half-light radius squared
    assert np.subtract(variance[1], variance[0]) == pytest.approx([16 * 1.015, 1.015], rel=0.06)


def test_a_faint_object_keeps_its_light_in_its_window():
    image = np.zeros((1, 5, 64, 64), np.float32)
    add_neighbours(image, one(spread=(0, 0, 0), flux=1.0), draw_seeing(np.random.default_rng(2), 1))
    assert image[0, 2].sum() == pytest.approx(1.0, rel=0.02)
    assert (image[0, 2, 40:] == 0).all()


def test_objects_are_as_many_as_on_a_real_frame(field):
    """Run 2820, field 122: 1.0, 2.5 and 5.1 an arcmin² brighter than r = 20.5, 21.5, 22.5."""
    r_mag = 22.5 - 2.5 * np.log10(field.flux_nmgy[:, 2])
    area = 4000 * (76 * 0.396 / 60) ** 2
    density = [(r_mag < limit).sum() / area for limit in (20.5, 21.5, 22.5)]
    assert density == pytest.approx([1.2, 3.0, 6.5], rel=0.35)
    assert r_mag.max() <= FAINTEST_R + 1e-6


def test_nothing_bright_lies_on_the_galaxy(field):
    close = np.hypot(*field.position_px.T) < 10
    assert close.any()
    assert (field.flux_nmgy[close, 2] <= 0.4 * 80).all()


def test_one_galaxy_in_a_hundred_has_a_twentieth_of_its_fibre_from_a_neighbour(field):
    """The fibre of a galaxy of 80 nmgy (r = 17.7) holds about 25."""
    images = np.zeros((4000, 5, 64, 64), np.float32)
    add_neighbours(images, field, draw_seeing(np.random.default_rng(3), 4000))
    y, x = np.mgrid[:64, :64] - 31.5
    inside = images[:, 2, np.hypot(x, y) < 1.5 / 0.396].sum(axis=1)
    assert 0.004 < (inside > 0.05 * 25).mean() < 0.025
