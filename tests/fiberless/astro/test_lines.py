import pytest

from fiberless.astro.lines import all_lines, line, lines
from fiberless.datasets.mock.nebular import LINE_WAVE_AA
from fiberless.stellar.gas import line_waves_aa


def test_what_is_fitted_is_what_is_simulated():
    assert sorted(line_waves_aa()) == sorted(LINE_WAVE_AA)


def test_results_name_none_of_the_weak_lines():
    assert (len(lines()), len(all_lines())) == (20, 31)
    assert "Halpha" in lines()
    assert "H9" not in lines()


def test_weak_lines_are_found_by_name_too():
    assert line("H9").wave_aa == 3836.47  # NIST, vacuum
    with pytest.raises(KeyError):
        line("H99")
