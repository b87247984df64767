import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fiberless.errors import UsageError
from fiberless.evaluation.sky.dispersions import (
    DISPERSION_TABLE,
    MassAndSigma,
    compare_dispersions,
    real_dispersions,
)
from fiberless.evaluation.sky.observed_mocks import ObservedMocks, observe_mocks
from fiberless.evaluation.sky.percentiles import (
    PERCENTILE_TABLE,
    Percentiles,
    compare_percentiles,
    read_percentiles,
)
from fiberless.evaluation.sky.table import shipped_galaxies


@pytest.fixture(scope="module")
def mocks():
    return observe_mocks(3, 40)


def test_what_is_measured_on_mocks_is_physical(mocks):
    assert 10 < len(mocks) <= 40
    assert 1.0 < np.nanmedian(mocks.values["D4000_N"]) < 2.1
    assert 0.2 < np.median(mocks.values["logR50_kpc"]) < 1.0
    assert np.all(mocks.values["R90/R50"] > 1.3)
    offset = mocks.values["log_sigma_v(R50/8)"] - mocks.values["log_sigma"]
    assert offset == pytest.approx(0.03, abs=1e-9)


def test_percentiles_of_a_straight_line_are_known():
    straight = ObservedMocks({"z": np.linspace(0, 1, 101), "logM": np.full(101, np.nan)})
    real = Percentiles((5, 25, 50, 75, 95), {"z": (0.15, 0.35, 0.6, 0.85, 1.05), "other": (0.0,) * 5})
    (row,) = compare_percentiles(straight, real)
    assert row.mock == pytest.approx((0.05, 0.25, 0.5, 0.75, 0.95))
    assert row.worst == pytest.approx(0.1 / 0.9)


def test_percentiles_are_read_and_their_faults_named(tmp_path):
    assert read_percentiles(tmp_path) is None
    document = {"source": {"percentiles": [5, 25, 50, 75, 95]}, "quantiles": {"z": [1, 2, 3, 4, 5]}}
    path = tmp_path / PERCENTILE_TABLE
    path.write_text(json.dumps(document))
    assert read_percentiles(tmp_path).values["z"] == [1, 2, 3, 4, 5]
    path.write_text(json.dumps({"source": {"percentiles": [50]}, "quantiles": {"z": [1]}}))
    with pytest.raises(UsageError, match="lacks one of the percentiles"):
        read_percentiles(tmp_path)
    path.write_text("{}")
    with pytest.raises(UsageError, match="holds no percentiles"):
        read_percentiles(tmp_path)


def test_dispersions_are_read_without_the_uncertain_ones(tmp_path):
    rows = {
        "sigma_3_arcsecond": [100.0, 200.0, -1.0, 100.0],
        "sigma_3_arcsecond_err": [2.0, 3.0, 1.0, 50.0],
        "mstar": [10.4, 10.9, 10.9, 10.4],
    }
    pq.write_table(pa.table(rows), tmp_path / DISPERSION_TABLE)
    (sample,) = real_dispersions(tmp_path, shipped_galaxies())
    assert sample.source == "SAMI"
    assert sample.log_sigma.tolist() == pytest.approx(np.log10([100.0, 200.0]).tolist())


def test_medians_and_scatter_of_gaussian_dispersions_are_theirs():
    rng = np.random.default_rng(4)
    mass = np.full(5000, 10.6)
    mocks = ObservedMocks({"logM": mass, "log_sigma": rng.normal(2.2, 0.10, 5000), "z": mass})
    (row,) = compare_dispersions(mocks, [MassAndSigma("mine", mass, rng.normal(2.1, 0.05, 5000))])
    assert row.log_mass == (10.5, 10.75)
    assert (row.mock, row.real) == (pytest.approx(2.2, abs=0.006), pytest.approx(2.1, abs=0.003))
    assert row.mock_scatter == pytest.approx(0.10, rel=0.06)
    assert row.real_scatter == pytest.approx(0.05, rel=0.06)
