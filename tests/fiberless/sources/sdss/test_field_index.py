import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from fiberless.errors import FatalError
from fiberless.sources.sdss.field_index import FieldIndex, great_circle_deg
from fiberless.sources.sdss.names import FIELD_LIST_PATH, FieldName
from tests.survey_files import write_field_list

HALF_MU, HALF_NU = 0.075, 0.1126


def field(number):
    return FieldName(run=756, rerun=301, camcol=2, field=number)


def index_of(tmp_path, *rows):
    write_field_list(tmp_path, rows)
    return FieldIndex.of_field_list(tmp_path / FIELD_LIST_PATH)


def row(number, *, mu=180.0, nu=0.0, **what):
    return {"name": field(number), "outline": (mu - HALF_MU, mu + HALF_MU, nu - HALF_NU, nu + HALF_NU)} | what


@pytest.mark.parametrize(("node", "incl"), [(95.0, 0.0), (95.0, 32.5), (275.0, 57.5), (10.0, 89.9)])
def test_great_circle_coordinates_are_a_turned_sky(node, incl):
    """ν is 90° less the distance to the scan's pole; µ is the position angle there, RA at the node."""
    rng = np.random.default_rng(1)
    sky = SkyCoord(rng.uniform(0, 360, 50) * u.deg, np.degrees(np.arcsin(rng.uniform(-1, 1, 50))) * u.deg)
    pole = SkyCoord((node - 90) * u.deg, (90 - incl) * u.deg)
    start = SkyCoord(node * u.deg, 0 * u.deg)
    found = [great_circle_deg(p.ra.deg, p.dec.deg, node=np.array([node]), incl=np.array([incl])) for p in sky]
    mu, nu = np.array(found)[:, :, 0].T
    np.testing.assert_allclose(nu, 90 - pole.separation(sky).deg, atol=1e-9)
    angle = pole.position_angle(start) - pole.position_angle(sky)
    np.testing.assert_allclose((mu - node - angle.deg + 180) % 360 - 180, 0, atol=1e-7)


def test_a_field_covers_its_outline_and_nothing_else(tmp_path):
    index = index_of(tmp_path, row(1))
    for ra, dec, inside in [
        (180.0, 0.0, True),
        (180.074, 0.112, True),
        (179.926, -0.112, True),
        (180.08, 0.0, False),
        (180.0, 0.12, False),
        (0.0, 0.0, False),
        (180.0, 90.0, False),
    ]:
        assert index.covering(ra, dec) == ([field(1)] if inside else [])


def test_the_first_hour_of_right_ascension_is_no_edge(tmp_path):
    index = index_of(tmp_path, row(1, mu=0.0), row(2, mu=359.9))
    assert index.covering(0.01, 0.0) == [field(1)]
    assert index.covering(359.95, 0.0)[0] in {field(1), field(2)}
    assert index.covering(359.85, 0.0) == [field(2)]


def test_fields_of_inclined_scans_near_the_pole(tmp_path):
    """A scan through the pole: at µ = 90° from its node, its centre is the pole itself."""
    index = index_of(tmp_path, row(1, mu=95.0 + 90.0, incl=90.0, node=95.0, dec=90.0))
    assert index.covering(0.0, 90.0) == [field(1)]
    assert index.covering(123.0, 89.95) == [field(1)]
    assert index.covering(123.0, 89.8) == []


def test_where_several_show_the_whole_cutout_the_best_field_is_taken(tmp_path):
    rows = [row(1, score=0.2), row(2, score=0.9), row(3, mu=180.05, score=0.5)]
    assert index_of(tmp_path, *rows).covering(180.0, 0.0) == [field(2), field(3), field(1)]


def test_a_field_with_the_position_at_its_edge_comes_last(tmp_path):
    rows = [row(1, mu=180.0 + HALF_MU - 0.001, score=0.9), row(2, score=0.2)]
    assert index_of(tmp_path, *rows).covering(180.0, 0.0) == [field(2), field(1)]


def test_rejected_fields_and_unknown_places_do_not_count(tmp_path):
    index = index_of(
        tmp_path, row(1), row(2, photo_status=3), row(3, score=np.nan), row(4, mu=np.nan, score=1.0)
    )
    assert index.covering(180.0, 0.0) == [field(1)]


def test_an_index_comes_back_as_it_was_saved(tmp_path):
    index = index_of(tmp_path, row(1), row(2, nu=0.1))
    index.save(tmp_path / "index")
    again = FieldIndex.load(tmp_path / "index")
    assert len(again) == 2
    for name, values in index.columns.items():
        np.testing.assert_array_equal(again.columns[name], values)
    assert FieldIndex.load(tmp_path / "none") is None
    (tmp_path / "index").write_bytes(b"cut")
    assert FieldIndex.load(tmp_path / "index") is None


@pytest.mark.parametrize("size", [0, 100, 2880 * 2, -2880])
def test_a_damaged_list_is_our_fault(tmp_path, size):
    write_field_list(tmp_path, [row(number) for number in range(1, 60)])
    path = tmp_path / FIELD_LIST_PATH
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(FatalError) as caught:
        FieldIndex.of_field_list(path)
    assert caught.value.slug == "source-unavailable"
