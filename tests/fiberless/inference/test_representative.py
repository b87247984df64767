import numpy as np
import pytest

from fiberless.analysis.indices.breaks import Breaks
from fiberless.analysis.lines.reported import REPORTED_LINES, LineTable
from fiberless.analysis.measure import SpectrumValues
from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.inference.report import shown_candidate
from fiberless.inference.representative import representative


def test_the_candidate_at_the_medians_is_chosen():
    values = np.array([[0.10, 1.0], [0.11, 1.1], [0.12, 1.2], [0.13, 1.3], [0.14, 1.4]])
    assert representative(values) == 2


def test_units_do_not_matter():
    values = np.random.default_rng(1).normal(size=(25, 4))
    assert representative(values) == representative(values * [1e-3, 1.0, 1e3, 1e6] + [5.0, 0.0, -2.0, 1.0])


def test_each_quantity_counts_in_its_own_spread():
    # the first is at the median of a narrow quantity, the last near those of both
    values = np.array([[0.0, 30.0], [0.5, 0.0], [1.0, 10.0], [-1.0, -10.0], [0.1, -1.0]])
    assert representative(values) == 4


def test_a_candidate_without_a_value_is_not_chosen_before_one_with_it():
    values = np.array([[0.0, np.nan], [0.1, 0.0], [-1.0, 1.0], [1.0, -1.0]])
    assert representative(values) == 1


def test_a_quantity_that_most_lack_or_all_share_takes_no_part():
    lacking = np.array([[0.0, np.nan, 7.0], [1.0, np.nan, 7.0], [2.0, 3.0, 7.0]])
    assert representative(lacking) == 1


def test_one_candidate_and_no_value_at_all_give_the_first():
    assert representative(np.array([[0.1, 1.0]])) == 0
    assert representative(np.full((3, 2), np.nan)) == 0


@pytest.mark.parametrize(("select", "expected"), [("representative", 2), ("medoid", 4), ("contrastive", 0)])
def test_each_way_shows_its_own_candidate(select, expected):
    steps = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    lines = np.repeat(10 + steps[:, None], len(REPORTED_LINES), axis=1)
    values = SpectrumValues(
        redshift=0.1 + 0.01 * steps,
        breaks=Breaks(1.5 + 0.1 * steps, 1.5 + 0.1 * steps),
        lines=LineTable(lines, lines),
        gas_sigma=np.full(5, 100.0),
        gas_velocity=np.zeros(5),
        bpt_class=np.zeros(5),
    )
    assert shown_candidate(select, values, np.ones((5, OBSERVED_WAVE_AA.size)), medoid=4) == expected
