import numpy as np
import pytest

from fiberless.analysis.redshift.candidates import measure_redshifts
from fiberless.astro.wavelength import OBSERVED_WAVE_AA, resample_log_flux
from fiberless.datasets.mock.generate import generate
from fiberless.datasets.shards import ShardSet
from fiberless.errors import UsageError


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory):
    """Observed spectra of simulated galaxies, whose redshifts are known. (flux, redshift)"""
    folder = tmp_path_factory.mktemp("mock")
    list(generate(folder, n=40, seed=21, workers=1))
    data = ShardSet(folder)
    redshift = data.truth("redshift")
    return np.exp(resample_log_flux(data.column("ln_shape"), redshift, OBSERVED_WAVE_AA)), redshift


def test_simulated_galaxies_have_the_redshifts_that_they_were_given(galaxies):
    flux, redshift = galaxies
    # measured on 600: scatter 6e-6, none wrong
    assert np.abs(measure_redshifts(OBSERVED_WAVE_AA, flux) - redshift).max() < 1e-4


def test_neither_brightness_nor_company_matters(galaxies):
    flux, _ = galaxies
    together = measure_redshifts(OBSERVED_WAVE_AA, flux)
    alone = [measure_redshifts(OBSERVED_WAVE_AA, 1e3 * row[None])[0] for row in flux[:5]]
    # a twentieth of a pixel: the vertex of a parabola through three values that differ by their rounding
    assert together[:5] == pytest.approx(alone, abs=1e-5)


def test_a_gap_is_refused_and_nothing_has_no_redshift():
    with pytest.raises(UsageError, match="without gaps"):
        measure_redshifts(OBSERVED_WAVE_AA, np.full((1, 4500), np.nan))
    assert measure_redshifts(OBSERVED_WAVE_AA, np.zeros((0, 4500))).shape == (0,)


def test_a_spectrum_without_features_still_has_a_number():
    flat = np.ones((1, 4500))
    assert 0.01 < measure_redshifts(OBSERVED_WAVE_AA, flat)[0] < 0.19
