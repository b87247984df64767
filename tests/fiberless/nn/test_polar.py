import numpy as np
import pytest

from fiberless.nn.polar import ORDERS, RADII_PX, polar_basis, project

IMAGE = np.random.default_rng(0).normal(size=(2, 5, 64, 64)).astype(np.float32)


def test_vectors_have_unit_length_and_pairs_are_orthogonal():
    basis = polar_basis()
    assert np.linalg.norm(basis.vectors, axis=0) == pytest.approx(np.ones(len(basis.order)), abs=1e-6)
    products = (basis.vectors * basis.vectors[:, basis.partner]).sum(axis=0)
    assert np.abs(products[basis.order > 0]).max() < 1e-6
    assert basis.order.max() == ORDERS
    assert (basis.order == 0).sum() == len(RADII_PX)


def test_partners_are_mutual_and_of_one_order():
    basis = polar_basis()
    assert (basis.partner[basis.partner] == np.arange(len(basis.order))).all()
    assert (basis.order[basis.partner] == basis.order).all()
    assert (basis.sign[basis.partner] == -basis.sign).all()


def test_a_round_image_has_moments_of_order_zero_alone():
    y, x = np.mgrid[:64, :64] - 31.5
    round_image = np.exp(-np.hypot(x, y) / 5)[None, None].astype(np.float32)
    moments = project(round_image)[0, 0]
    order = polar_basis().order
    assert np.abs(moments[order == 0]).min() > 1e-3
    # a square grid is round but for m = 4
    assert np.abs(moments[(order > 0) & (order < 4)]).max() < 1e-5


def test_an_ellipse_along_x_is_a_cosine_of_order_two():
    y, x = np.mgrid[:64, :64] - 31.5
    ellipse = np.exp(-np.hypot(x, 2 * y) / 8)[None, None].astype(np.float32)
    basis, moments = polar_basis(), project(ellipse)[0, 0]
    assert (moments[(basis.order == 2) & (basis.sign < 0)] > 0).all()
    assert np.abs(moments[(basis.order == 2) & (basis.sign > 0)]).max() < 1e-5


def test_light_outside_the_last_ring_does_not_count():
    corner = np.zeros((1, 1, 64, 64), np.float32)
    corner[..., :4, :4] = 100.0
    assert project(corner) == pytest.approx(np.zeros((1, 1, 92)))


def test_moments_are_linear():
    assert project(2 * IMAGE) == pytest.approx(2 * project(IMAGE), rel=1e-5, abs=1e-5)
