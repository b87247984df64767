import numpy as np
import pytest

from fiberless.astro.wavelength import OBSERVED_WAVE_AA, REST_WAVE_AA
from fiberless.inference.spread import observed_spread


def _line(height, wave_aa=6564.6):
    return np.log(10 + height * np.exp(-0.5 * ((REST_WAVE_AA - wave_aa) / 5) ** 2))


def test_spread_of_scaled_copies_is_that_of_the_scales():
    scales = np.random.default_rng(0).lognormal(0, 0.3, 400)
    shape = np.log(2.0) - np.log(REST_WAVE_AA / 5500)
    spread = observed_spread(shape + np.log(scales)[:, None], 0.1)
    template = 2.0 * 5500 / (OBSERVED_WAVE_AA / 1.1)
    assert spread.std == pytest.approx(template * scales.std(ddof=1), rel=1e-5)
    for row, level in zip(spread.quantiles, (0.16, 0.5, 0.84), strict=True):
        assert row == pytest.approx(template * np.quantile(scales, level, method="weibull"), rel=1e-5)


def test_lines_stay_sharp_whatever_the_candidates_redshifts():
    # the rest-frame line is the same in all candidates: no spread at all, and the line sits at the shown z
    spread = observed_spread(np.stack([_line(50.0)] * 9), 0.08)
    assert np.abs(spread.std).max() < 1e-9
    assert OBSERVED_WAVE_AA[np.argmax(spread.quantiles[1])] == pytest.approx(6564.6 * 1.08, abs=1)


def test_one_candidate_has_no_spread_to_tell():
    spread = observed_spread(_line(50.0)[None], 0.08)
    assert np.isnan(spread.std).all()
    assert np.array_equal(spread.quantiles[0], spread.quantiles[2])


def test_nothing_is_told_beyond_the_rest_grid():
    spread = observed_spread(np.stack([_line(50.0), _line(20.0)]), 0.30)
    # a pixel of 1 Å is known if all of it is
    blue_edge_aa, red_edge_aa = (OBSERVED_WAVE_AA - 0.5) / 1.3, (OBSERVED_WAVE_AA + 0.5) / 1.3
    missing = (blue_edge_aa < REST_WAVE_AA[0]) | (red_edge_aa > REST_WAVE_AA[-1])
    assert missing.any()
    assert np.array_equal(np.isnan(spread.std), missing)
    assert np.array_equal(np.isnan(spread.quantiles[1]), missing)
