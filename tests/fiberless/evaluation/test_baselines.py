import numpy as np
import pytest

from fiberless.evaluation.baselines import cnn_baseline, constant_baseline, mlp_baseline, neighbours


@pytest.fixture
def rng():
    """Each test has its own, so that none depends on which ran before it."""
    return np.random.default_rng(1)


def test_baselines_learn_what_is_there_to_learn(rng):
    photometry, test = rng.normal(size=(1500, 49)), rng.normal(size=(200, 49))
    targets = np.stack([photometry[:, 12] + photometry[:, 27], rng.normal(5.0, 0.1, 1500)], 1)
    mlp = mlp_baseline(photometry, targets, test, steps=200, batch=128)
    assert np.corrcoef(mlp[:, 0], test[:, 12] + test[:, 27])[0, 1] > 0.9
    np.testing.assert_allclose(constant_baseline(targets, 200)[:, 1], 5.0, atol=0.02)


def test_a_target_that_some_galaxies_lack_is_learned_from_the_others(rng):
    photometry, test = rng.normal(size=(1500, 49)), rng.normal(size=(200, 49))
    targets = np.stack([photometry[:, 3], photometry[:, 3]], 1)
    targets[:700, 1] = np.nan
    mlp = mlp_baseline(photometry, targets, test, steps=200, batch=128)
    assert np.isfinite(mlp).all()
    assert np.corrcoef(mlp[:, 1], test[:, 3])[0, 1] > 0.9


def test_neighbours_are_the_nearest(rng):
    photometry = rng.normal(size=(3000, 49))
    rows = neighbours(photometry, photometry[:20])
    assert rows.shape == (20, 50)
    np.testing.assert_array_equal(rows[:, 0], np.arange(20))


def test_few_training_galaxies_are_all_neighbours(rng):
    photometry = rng.normal(size=(8, 49))
    assert neighbours(photometry, photometry[:3]).shape == (3, 8)


def test_the_cnn_sees_colour(rng):
    """The ratio of two bands in a bright patch above noise."""
    colour = rng.uniform(-1, 1, size=400)
    images = rng.normal(0, 0.2, size=(400, 5, 64, 64)).astype(np.float16)
    images[:, 1, 24:40, 24:40] += (1.5 + colour)[:, None, None]
    images[:, 3, 24:40, 24:40] += (1.5 - colour)[:, None, None]
    test = images[350:].astype(np.float32)
    said = cnn_baseline(images[:350], colour[:350, None], test, steps=120, batch=16)
    assert np.corrcoef(said[:, 0], colour[350:])[0, 1] > 0.9
