"""What the documentation lists is what is measured."""

from pathlib import Path

import numpy as np

from fiberless.analysis.observed import measure_observed
from fiberless.analysis.redshift.search import RedshiftIssue
from fiberless.contract.properties import Flag

PAGE = (Path(__file__).parents[3] / "docs" / "measure.md").read_text(encoding="utf-8")


def test_the_page_names_every_measurement(galaxy):
    found = measure_observed(galaxy.wave_aa, galaxy.flux, galaxy.error**-2, 0.08)
    shown = PAGE.split("## Against")[0]
    families = {"diagrams": found.diagrams, "abundances": found.abundances, "magnitudes": found.magnitudes}
    paths = [f"{family}.{name}" for family, items in families.items() for name in items]
    for name in (*found.quantities, "bpt_class", *paths):
        assert f"`{name}`" in shown, name
    assert all(name in shown for name in (*found.lines, *found.lick))


def test_the_page_names_every_reason_against_a_redshift():
    assert all(f"`{issue.value}`" in PAGE for issue in RedshiftIssue)


def test_the_page_names_every_flag_that_can_come():
    expected = {Flag.OUT_OF_BAND, Flag.NOT_DETECTED, Flag.LOW_CONFIDENCE}
    assert all(f"`{flag.value}`" in PAGE for flag in expected)


def test_numbers_without_a_value_carry_their_flag(galaxy):
    """Nothing that was not measured is reported as a number, nor silently."""
    flux = np.where(galaxy.wave_aa > 7000, np.nan, galaxy.flux)
    found = measure_observed(galaxy.wave_aa, flux, galaxy.error**-2, 0.08)
    values = [
        *found.quantities.values(),
        *found.abundances.values(),
        *found.magnitudes.values(),
        *found.lick.values(),
        *(line.flux for line in found.lines.values()),
    ]
    assert any(value.value is None for value in values)
    assert all(value.flag is not Flag.OK for value in values if value.value is None)
