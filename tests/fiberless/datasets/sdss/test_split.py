"""Splits: by cells of the sky, and at random as in the paper."""

import numpy as np
import pytest

from fiberless.datasets.sdss.options import SplitRule
from fiberless.datasets.sdss.split import PARTS, sky_cells, split_rows
from fiberless.errors import UsageError


@pytest.fixture(scope="module")
def sky():
    rng = np.random.default_rng(1)
    return rng.uniform(110, 260, 20000), np.degrees(np.arcsin(rng.uniform(0, 0.9, 20000)))


@pytest.mark.parametrize("kind", ["sky", "paper"])
def test_each_row_is_in_one_part(sky, kind):
    parts = split_rows(SplitRule(kind=kind), *sky)
    rows = np.concatenate([parts[name] for name in PARTS])
    assert sorted(rows.tolist()) == list(range(20000))


def test_parts_share_no_cell_and_have_their_shares(sky):
    parts = split_rows(SplitRule(), *sky)
    cells = [set(sky_cells(16, sky[0][parts[name]], sky[1][parts[name]]).tolist()) for name in PARTS]
    assert sum(map(len, cells)) == len(set.union(*cells))
    assert len(parts["test"]) / 20000 == pytest.approx(0.10, abs=0.03)
    assert len(parts["validation"]) / 20000 == pytest.approx(0.05, abs=0.025)


def test_a_galaxy_keeps_its_part_in_another_sample(sky):
    rule = SplitRule()
    whole, half = split_rows(rule, *sky), split_rows(rule, sky[0][:5000], sky[1][:5000])
    for name in PARTS:
        assert set(half[name].tolist()) == {row for row in whole[name].tolist() if row < 5000}


def test_the_paper_holds_out_a_tenth_and_512(sky):
    parts = split_rows(SplitRule(kind="paper"), *sky)
    assert {name: len(rows) for name, rows in parts.items()} == {
        "train": 20000 - 2512,
        "validation": 512,
        "test": 2000,
    }


def test_rows_are_shuffled_the_same_way_each_time(sky):
    first, again = (split_rows(SplitRule(), *sky)["train"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (np.diff(first) < 0).any()
    assert not np.array_equal(first, split_rows(SplitRule(seed=2), *sky)["train"])


def test_cells_are_those_of_healpix():
    assert sky_cells(1, np.array([45.0, 45.0, 225.0]), np.array([45.0, -45.0, 0.0])).tolist()[:2] == [0, 8]


def test_a_part_without_galaxies_is_refused():
    with pytest.raises(UsageError, match="nothing falls to"):
        split_rows(SplitRule(), np.array([10.0]), np.array([1.0]))
