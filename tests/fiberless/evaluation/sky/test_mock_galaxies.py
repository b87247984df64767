import numpy as np

from fiberless.datasets.mock_report.photometry import observed_photometry
from fiberless.evaluation.sky.mock_galaxies import catalogue_mocks


def test_the_same_seed_draws_the_same_galaxies_and_another_seed_others():
    first, again, other = (catalogue_mocks(seed, 300).magnitudes for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.shape == (300, 5)


def test_galaxies_of_a_data_set_keep_their_redshifts_and_gain_errors(data):
    clean = observed_photometry(data)
    bright = clean.take(clean.r_mag < 18.2)
    mocks = catalogue_mocks(1, 1000, data=data.paths[0].parent)
    assert np.array_equal(mocks.redshift, bright.redshift)
    error = mocks.magnitudes - bright.magnitudes
    assert np.all(error != 0)
    assert np.median(np.abs(error[:, 2])) < 0.02 < np.median(np.abs(error[:, 0]))
