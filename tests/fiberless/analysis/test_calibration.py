"""The calibration error that is put into intervals is the one that the simulated survey has."""

import numpy as np
import pytest

from fiberless.analysis.calibration import CALIBRATION_DEGREE, CALIBRATION_RMS, calibration_modes
from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.datasets.mock import spectra


def test_it_is_the_simulator_s():
    assert CALIBRATION_RMS == spectra.CALIBRATION_RMS
    assert CALIBRATION_DEGREE == spectra.CALIBRATION_DEGREE
    drawn = np.log(spectra.calibration_error(np.random.default_rng(1), 4000))
    pair = np.searchsorted(OBSERVED_WAVE_AA, [4400.0, 7300.0])
    modes = calibration_modes(OBSERVED_WAVE_AA[pair])
    np.testing.assert_allclose(np.cov(drawn[:, pair].T), modes @ modes.T, rtol=0.15, atol=3e-5)


def test_its_rms_over_the_spectrum_is_two_per_cent():
    modes = calibration_modes(OBSERVED_WAVE_AA)
    assert np.sqrt(np.mean(np.sum(modes**2, axis=-1))) == pytest.approx(0.02, rel=0.01)


def test_one_wavelength_has_one_set_of_modes_and_nothing_diverges_beyond_the_ends():
    assert calibration_modes(np.array(5000.0)).shape == (CALIBRATION_DEGREE,)
    np.testing.assert_array_equal(calibration_modes(np.array(3000.0)), calibration_modes(np.array(4000.0)))
