import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from fiberless.cli import app
from fiberless.errors import UsageError
from fiberless.evaluation.sky.mock_galaxies import catalogue_mocks
from fiberless.evaluation.sky.photo_z import learn, learn_across, score
from fiberless.evaluation.sky.plots import draw_sky
from fiberless.evaluation.sky.report import SkyOptions, compare_with_sky, write_figures
from fiberless.evaluation.sky.table import GALAXY_TABLE, shipped_galaxies
from fiberless.evaluation.sky.text import sky_text

SOURCE = "mlz_mgs"


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    """A user's own table, of 1,000 of the shipped rows, against few mocks."""
    folder = tmp_path_factory.mktemp("real")
    galaxies = shipped_galaxies().of(SOURCE)
    columns = dict(zip("ugriz", galaxies.magnitudes[:1000].T, strict=True))
    table = {"src": [SOURCE] * 1000, "zspec": galaxies.redshift[:1000], **columns}
    pq.write_table(pa.table(table), folder / GALAXY_TABLE)
    return compare_with_sky(folder, data=None, options=SkyOptions(mocks=3000, measured=0, limit=700))


def test_a_source_is_compared_in_every_way(sky):
    assert sky.sizes.keys() == {SOURCE}
    tests = sky.against_real[SOURCE]
    assert {"r, colours, z", "colours", "r, colours, z weighted", "colours 0.05–0.15"} <= set(tests)
    assert all(0.45 < found.auc < 0.95 for found in tests.values())
    assert sky.counts is None
    assert sky.percentiles == []


def test_halves_of_a_source_are_alike(sky):
    assert list(sky.real_against_real) == [f"{SOURCE}, halves"]
    for found in sky.real_against_real[f"{SOURCE}, halves"].values():
        assert abs(found.auc - 0.5) < 3.5 * found.error


def test_the_shipped_galaxies_teach_each_other_their_redshifts():
    """Beck et al. (2016, MNRAS 460, 1371) reach 0.0138 with the survey's own neighbours."""
    real = near(shipped_galaxies().of(SOURCE).photometry())
    of_real = score(real.redshift, learn_across(real))
    of_mocks = score(real.redshift, learn(near(catalogue_mocks(21, 8000)), real))
    assert 0.013 < of_real.sigma_nmad < 0.0155
    assert of_real.coverage_68 == pytest.approx(0.68, abs=0.03)
    assert of_real.coverage_95 == pytest.approx(0.95, abs=0.015)
    # a guard against a population gone wrong: docs/sky.md has the figures, and where they should be
    assert abs(of_mocks.bias) < 0.008
    assert of_mocks.sigma_nmad < 1.2 * of_real.sigma_nmad


def near(sample):
    return sample.take((sample.r_mag < 17.77) & (sample.redshift > 0.03) & (sample.redshift < 0.17))


def test_the_folder_holds_figures_text_and_pictures(sky, tmp_path):
    text = sky_text(sky, command="fiberless sky")
    write_figures(sky, tmp_path, text=text, command="fiberless sky")
    names = draw_sky(sky, tmp_path)
    assert all((tmp_path / name).stat().st_size > 10_000 for name in names)
    document = json.loads((tmp_path / "sky.json").read_text())
    assert document["command"] == "fiberless sky"
    auc = document["against_real"]["mlz_mgs"]["colours"]["auc"]
    assert auc == pytest.approx(sky.against_real["mlz_mgs"]["colours"].auc, abs=1e-5)
    assert f"{auc:.3f} ± " in (tmp_path / "sky.md").read_text()
    assert "samples" not in document
    assert np.isfinite(list(document["scatter"]["mock"].values())).all()


def test_a_table_without_enough_galaxies_is_refused(tmp_path):
    row = {"src": "mine", "zspec": 0.1, "u": 19.0, "g": 17.6, "r": 16.9, "i": 16.5, "z": 16.2}
    pq.write_table(pa.Table.from_pylist([row] * 150), tmp_path / GALAXY_TABLE)
    with pytest.raises(UsageError, match="no source has 200 galaxies"):
        compare_with_sky(tmp_path, data=None, options=SkyOptions())


def test_the_command_names_a_table_that_is_missing(tmp_path):
    result = CliRunner().invoke(app, ["sky", "--real", str(tmp_path), "--mocks", "2000"])
    assert result.exit_code != 0
    assert "real_galaxies.parquet" in str(result.exception)
