import numpy as np
import pytest

from fiberless.astro.extinction import EXTINCTION_PER_EBV
from fiberless.datasets.mock_report.photometry import Photometry
from fiberless.evaluation.sky.counts import COMPLETE_AREA_DEG2, COMPLETE_SOURCE, compare_counts
from fiberless.evaluation.sky.table import galaxies_of

RANGE = (0.02, 0.25)


def magnitudes(r_mag):
    return r_mag[:, None] + np.array([2.0, 0.8, 0.0, -0.4, -0.7])


def real(redshift, r_observed, *, source=COMPLETE_SOURCE):
    n = len(redshift)
    columns = dict(zip("ugriz", magnitudes(r_observed).T, strict=True))
    columns |= {"src": np.full(n, source), "magtype": np.full(n, "dr7"), "zspec": redshift}
    return galaxies_of(columns | {"ra": np.full(n, 185.0), "dec": np.full(n, 1.0)})


def test_a_mock_behind_the_same_dust_has_the_counts_of_its_twin():
    rng = np.random.default_rng(1)
    redshift, r_mag = rng.uniform(0.03, 0.2, 4000), rng.uniform(15, 18, 4000)
    galaxies = real(redshift, r_mag)
    dust = galaxies.ebv[0] * EXTINCTION_PER_EBV[2]
    counts = compare_counts(Photometry(redshift, magnitudes(r_mag - dust)), galaxies, RANGE)
    assert counts.n_mock == pytest.approx(counts.n_real, abs=2)
    assert counts.ks_redshift < 0.002
    assert counts.ks_r < 0.002
    assert counts.per_deg2 == counts.n_real / COMPLETE_AREA_DEG2


def test_the_distance_between_uniform_redshifts_is_the_analytic_one():
    rng = np.random.default_rng(2)
    r_mag = np.full(20_000, 17.0)
    galaxies = real(rng.uniform(0.05, 0.15, 20_000), r_mag)
    # uniform over 0.05–0.15 against uniform over 0.05–0.20: the furthest point is 0.15, 1 − 2/3
    mock = Photometry(rng.uniform(0.05, 0.20, 20_000), magnitudes(r_mag - 0.1))
    counts = compare_counts(mock, galaxies, RANGE)
    assert counts.ks_redshift == pytest.approx(1 / 3, abs=0.015)
    assert counts.share_inner == (pytest.approx(2 / 3, abs=0.015), 1.0)


def test_without_the_complete_sample_nothing_is_counted():
    redshift, r_mag = np.full(10, 0.1), np.full(10, 17.0)
    mock = Photometry(redshift, magnitudes(r_mag))
    assert compare_counts(mock, real(redshift, r_mag, source="mine"), RANGE) is None
