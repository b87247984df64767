"""Cells of the sky: every position of a cone lies in its ranges, and distances are astropy's."""

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord

from fiberless.service.storage.positions import cell_of, cone_ranges, separation_arcsec

CENTRES = [
    (0.0, 90.0),
    (123.0, -90.0),
    (200.0, 89.999),
    (0.0, 0.0),
    (359.9999, 12.0),
    (0.0001, -41.8103),  # beside the edge of a polar cap
    (45.0, 41.8103),
    (187.3, 2.05),
]
RADII_DEG = [0.0, 1e-6, 1 / 3600, 0.05, 3.0, 10.0, 100.0, 180.0]


def _spread(ra_deg, dec_deg, radius_deg, count=300):
    """Positions inside a cone, the edge of it among them."""
    rng = np.random.default_rng(7)
    angle = rng.uniform(0, 360, count) * units.deg
    distance = radius_deg * np.sqrt(np.linspace(0, 1, count)) * units.deg
    placed = SkyCoord(ra_deg, dec_deg, unit="deg").directional_offset_by(angle, distance)
    return placed.ra.deg, placed.dec.deg


@pytest.mark.parametrize("radius_deg", RADII_DEG)
@pytest.mark.parametrize(("ra_deg", "dec_deg"), CENTRES)
def test_the_ranges_of_a_cone_hold_all_of_it(ra_deg, dec_deg, radius_deg):
    cells = cell_of(*_spread(ra_deg, dec_deg, radius_deg))
    ranges = cone_ranges(ra_deg, dec_deg, radius_deg)
    inside = np.zeros(cells.shape, dtype=bool)
    for first, last in ranges:
        inside |= (first <= cells) & (cells <= last)
    assert inside.all()
    assert len(ranges) < 40


@pytest.mark.parametrize("radius_deg", [1 / 3600, 0.1, 5.0])
def test_the_ranges_hold_little_else(radius_deg):
    cells = sum(last - first + 1 for first, last in cone_ranges(187.3, 2.05, radius_deg))
    cone = np.pi * radius_deg**2
    assert cone < cells / (12 * 4**20) * 41253 < 12 * cone


def test_ranges_ascend_and_do_not_touch():
    edges = np.array(cone_ranges(10.0, 85.0, 2.0)).ravel()
    assert (np.diff(edges) > 0).all()


def test_distances_are_those_of_astropy():
    rng = np.random.default_rng(3)
    ra, dec = rng.uniform(0, 360, 500), np.degrees(np.arcsin(rng.uniform(-1, 1, 500)))
    expected = SkyCoord(359.9, -89.9, unit="deg").separation(SkyCoord(ra, dec, unit="deg")).arcsec
    np.testing.assert_allclose(separation_arcsec(359.9, -89.9, ra, dec), expected, rtol=1e-14)
    assert separation_arcsec(ra[3], dec[3], ra, dec)[3] == 0
