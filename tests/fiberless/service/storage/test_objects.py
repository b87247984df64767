"""Objects found by name and by place, against answers of astropy and of plain Python."""

from datetime import UTC, datetime

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from sqlalchemy import insert, text

from fiberless.errors import UsageError
from fiberless.service.storage.objects import cone_statement, newest_statement
from fiberless.service.storage.positions import cell_of
from fiberless.service.storage.schema import PREDICTION

COUNT = 3000


def _rows(ra, dec, *, owner="", name="p"):
    cells = cell_of(ra, dec)
    return [
        {
            "id": f"{name}_{index:05d}",
            "owner": owner,
            "created": 1e9 + index,
            "object_id": f"survey:{index}" if index % 10 else None,
            "ra": float(ra[index]),
            "dec": float(dec[index]),
            "redshift": 0.1,
            "model_version": "toy-1",
            "document_key": "d",
            "arrays_key": "a",
            "cutout_key": "c",
            "cell": int(cells[index]),
        }
        for index in range(len(ra))
    ]


def _write(store, rows):
    with store.database.write() as connection:
        connection.execute(insert(PREDICTION), rows)


@pytest.fixture(scope="module")
def sky():
    """Positions all over the sky, and crowds at both poles and where RA begins."""
    rng = np.random.default_rng(5)
    ra, dec = rng.uniform(0, 360, COUNT), np.degrees(np.arcsin(rng.uniform(-1, 1, COUNT)))
    dec[:300] = 90 - rng.uniform(0, 0.05, 300)
    dec[300:600] = -90 + rng.uniform(0, 0.05, 300)
    ra[600:900] = rng.normal(0, 0.02, 300) % 360
    dec[600:900] = rng.normal(0, 0.02, 300)
    dec[0], dec[300] = 90, -90
    return ra, dec


@pytest.fixture
def full(store, sky):
    _write(store, _rows(*sky))
    return store


def _all(store, ra, dec, radius_arcsec, limit=97):
    """All pages of a cone."""
    found, cursor = [], None
    while True:
        page = store.objects.in_cone(ra, dec, radius_arcsec=radius_arcsec, cursor=cursor, limit=limit)
        found += page.neighbours
        cursor = page.next_cursor
        assert len(page.neighbours) <= limit
        if cursor is None:
            assert len(found) == page.total
            return found


def test_a_cone_search_finds_just_what_astropy_finds_nearest_first(full, sky):
    places = SkyCoord(*sky, unit="deg")
    cones = [(0, 90, 60), (77, -90, 120), (200, 89.99, 100), (0, 0, 50), (359.999, 0.001, 90)]
    cones += [(0.001, -0.001, 36000), (187, 2, 36000), (12.5, 45, 1), (sky[0][700], sky[1][700], 1e-3)]
    for ra, dec, radius in cones:
        distance = SkyCoord(ra, dec, unit="deg").separation(places).arcsec
        expected = np.flatnonzero(distance <= radius)
        order = expected[np.argsort(distance[expected], kind="stable")]
        found = _all(full, ra, dec, radius)
        assert [one.summary.id for one in found] == [f"p_{index:05d}" for index in order]
        separations = [one.separation_arcsec for one in found]
        np.testing.assert_allclose(separations, distance[order], rtol=1e-12, atol=1e-9)


def test_the_end_of_the_radius_is_inside(store):
    _write(store, _rows(np.array([10.0]), np.array([0.0])))
    (one,) = store.objects.in_cone(10.0, 1 / 3600, radius_arcsec=2).neighbours
    assert store.objects.in_cone(10.0, 1 / 3600, radius_arcsec=one.separation_arcsec).total == 1
    below = np.nextafter(one.separation_arcsec, 0)
    assert store.objects.in_cone(10.0, 1 / 3600, radius_arcsec=below).total == 0


def test_each_object_is_found_once_by_its_newest_prediction(store):
    rows = _rows(np.full(4, 10.0), np.array([0.0, 0.0, 0.0001, 0.0002]))
    for row, name in zip(rows, ["a:1", "a:1", "a:2", None], strict=True):
        row["object_id"] = name
    _write(store, rows)
    page = store.objects.in_cone(10.0, 0.0, radius_arcsec=2)
    assert [one.summary.id for one in page.neighbours] == ["p_00001", "p_00002", "p_00003"]


def test_a_page_goes_on_where_the_last_ended_even_if_something_came_between(full):
    first = full.objects.in_cone(0, 0, radius_arcsec=200, limit=5)
    _write(full, _rows(np.array([0.0]), np.array([0.0]), name="new"))
    second = full.objects.in_cone(0, 0, radius_arcsec=200, limit=5, cursor=first.next_cursor)
    names = [one.summary.id for one in (*first.neighbours, *second.neighbours)]
    assert len(set(names)) == 10
    assert "new_00000" not in names


def test_a_strange_cursor_is_refused(store):
    with pytest.raises(UsageError, match="cursor"):
        store.objects.in_cone(0, 0, radius_arcsec=1, cursor="nonsense")


def test_owners_see_their_own_objects_only(store):
    place = np.array([10.0]), np.array([0.0])
    _write(store, _rows(*place, owner="ada", name="a"))
    _write(store, _rows(*place, owner="bo", name="b"))
    assert store.objects.in_cone(10, 0, radius_arcsec=1).total == 0
    (one,) = store.objects.in_cone(10, 0, radius_arcsec=1, owner="ada").neighbours
    assert one.summary.id == "a_00000"


def test_names_are_looked_up_with_their_newest_predictions(store):
    rows = _rows(np.arange(5.0), np.zeros(5))
    for row, name in zip(rows, ["a:1", "a:1", "a:2", None, "A:1"], strict=True):
        row["object_id"] = name
    _write(store, rows)
    found = store.objects.newest_of(["a:1", "a:2", "a:1", "a:3", "A:1"])
    assert {name: one.id for name, one in found.items()} == {
        "a:1": "p_00001",
        "a:2": "p_00002",
        "A:1": "p_00004",
    }
    assert store.objects.newest_of(["a:1"], owner="bo") == {}
    assert store.objects.newest_of([]) == {}


def test_a_prediction_without_a_place_is_in_no_cone(store, submit, claim, make_result):
    for name, ra, dec in (("p_1", 180.0, 1.5), ("p_2", None, None)):
        job_id = submit()
        claim([job_id], lease_token=name)
        assert store.predictions.finish(job_id, name, make_result(name, object_id=name, ra=ra, dec=dec))
    (one,) = store.objects.in_cone(180, 1.5, radius_arcsec=0.001).neighbours
    assert one.summary.id == "p_1"
    assert one.summary.created == datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_searches_go_by_an_index_and_look_at_few_rows(full, sky):
    with full.database.read() as connection:
        connection.execute(text("SELECT 1"))
        for statement, index in (
            (cone_statement(187.0, 2.0, radius_arcsec=600, owner=""), "ix_prediction_owner_cell"),
            (newest_statement(["survey:1", "survey:2"], owner=""), "ix_prediction_owner_object_id_created"),
        ):
            compiled = statement.compile(connection.engine, compile_kwargs={"literal_binds": True})
            plan = [row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {compiled}"))]
            assert any(index in step for step in plan)
            assert not [step for step in plan if step.startswith("SCAN prediction")]
        near = SkyCoord(187.0, 2.0, unit="deg").separation(SkyCoord(*sky, unit="deg")).arcsec
        touched = len(connection.execute(cone_statement(187.0, 2.0, radius_arcsec=36000, owner="")).all())
        assert (near <= 36000).sum() < touched < COUNT / 8
