import json

import numpy as np
import pytest
from typer.testing import CliRunner

from fiberless.cli import app
from fiberless.evaluation.sky.plots import draw_sky
from fiberless.evaluation.sky.report import SkyOptions, compare_with_sky, write_figures
from fiberless.evaluation.sky.table import LICENSED_SOURCES
from fiberless.evaluation.sky.text import sky_text


@pytest.fixture(scope="module")
def sky():
    """The shipped rows, thinned, against few mocks."""
    return compare_with_sky(None, data=None, options=SkyOptions(mocks=5000, limit=1200))


def test_each_source_is_compared_in_every_way(sky):
    assert sorted(sky.sizes) == sorted(LICENSED_SOURCES)
    for tests in sky.against_real.values():
        assert {"r, colours, z", "colours", "r, colours, z weighted", "colours 0.05–0.15"} <= set(tests)
        assert all(0.45 < found.auc < 0.95 for found in tests.values())
    assert sky.counts is None
    assert sky.percentiles == []


def test_halves_of_a_source_are_alike(sky):
    (name,) = [name for name in sky.real_against_real if name.endswith("halves")]
    for found in sky.real_against_real[name].values():
        assert abs(found.auc - 0.5) < 3.5 * found.error


def test_redshifts_learnt_on_real_galaxies_are_calibrated(sky):
    for scores in sky.redshift_scores.values():
        real = scores["learnt on real"]
        assert real.coverage_68 == pytest.approx(0.68, abs=0.06)
        assert real.coverage_95 == pytest.approx(0.95, abs=0.03)
        assert abs(real.bias) < 0.003
        assert 0.012 < real.sigma_nmad < 0.02


def test_redshifts_learnt_on_mocks_are_within_reach_of_real_ones(sky):
    """A guard against a population gone wrong; docs/sky.md has the figures and where they should go."""
    for scores in sky.redshift_scores.values():
        assert abs(scores["learnt on mocks"].bias) < 0.010
        assert scores["learnt on mocks"].sigma_nmad < 1.35 * scores["learnt on real"].sigma_nmad


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


def test_the_command_names_a_table_that_is_missing(tmp_path):
    result = CliRunner().invoke(app, ["sky", "--real", str(tmp_path), "--mocks", "2000"])
    assert result.exit_code != 0
    assert "real_galaxies.parquet" in str(result.exception)
