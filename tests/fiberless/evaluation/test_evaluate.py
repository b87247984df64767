from functools import partial

import numpy as np
import pytest

from fiberless.datasets.mock.generate import generate
from fiberless.datasets.shards import ShardSet
from fiberless.evaluation.baselines import constant_baseline, mlp_baseline, neighbour_baseline
from fiberless.evaluation.evaluate import evaluate
from fiberless.evaluation.images import colour_table, compare_colours
from fiberless.evaluation.record import as_markdown, record_evaluation
from fiberless.evaluation.targets import TARGETS, measure_targets
from fiberless.manifest import read_manifest
from fiberless.testing import synthetic_cutout, toy_family, write_toy_store


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mock")
    list(generate(folder, n=60, seed=8, workers=1))
    return ShardSet(folder)


def test_targets_of_true_spectra_are_their_truth(data):
    ln_flux = data.column("ln_shape") + data.truth("ln_norm")[:, None]
    targets = measure_targets(ln_flux, data.truth("redshift"))
    assert set(targets) == set(TARGETS)
    strong = data.truth("ew_Halpha") > 3
    error = targets["lg_ew_Halpha"] - np.log10(data.truth("ew_Halpha"))
    assert np.median(error[strong]) == pytest.approx(0.0, abs=0.01)
    flux_error = targets["lg_flux_Halpha"] - np.log10(data.truth("flux_Halpha"))
    assert np.abs(flux_error[strong]).max() < 0.05


TRAINING = {
    "config": {
        "seed": 3,
        "contrastive": {"steps": 1, "batch_size": 2, "learning_rate": 1e-3},
        "denoiser": {"steps": 1, "batch_size": 2, "learning_rate": 1e-3},
    },
    "data_command": "fiberless data mock",
    "command": "fiberless train",
    "wall_seconds": 60.0,
    "threads": 1,
    "torch": "2.13",
}


def _with_training_record(store, version):
    manifest = read_manifest(store, version).model_copy(update={"training": TRAINING})
    (store / version / "manifest.json").write_text(manifest.model_dump_json())
    return manifest


def test_an_untrained_model_scores_worse_than_neighbours_and_the_report_says_so(data, tmp_path, monkeypatch):
    monkeypatch.setattr("fiberless.evaluation.evaluate.mlp_baseline", partial(mlp_baseline, steps=300))
    result = evaluate(
        toy_family(), data, data, steps=4, n_candidates=6, baseline_rows=60, progress=lambda *_: None
    )
    scores = result.scores
    assert set(scores) == {"model", "mlp", "neighbours", "constant"}
    assert scores["constant"]["dn4000"].r2 == pytest.approx(0.0, abs=0.05)
    assert scores["model"]["dn4000"].r2 < scores["mlp"]["dn4000"].r2
    assert 1 <= result.retrieval["median_rank"] <= result.n
    assert "| dn4000 | model |" in as_markdown(result)
    version = write_toy_store(tmp_path)
    before = _with_training_record(tmp_path, version)
    after = record_evaluation(tmp_path, version, result, command="fiberless evaluate …")
    assert after.weights_sha256 == before.weights_sha256
    assert read_manifest(tmp_path, version).metrics["n"] == result.n


def test_baselines_learn_what_is_there_to_learn():
    rng = np.random.default_rng(1)
    photometry = rng.normal(size=(4000, 49))
    targets = np.stack(
        [photometry[:, 12] + photometry[:, 27], np.full(4000, 5.0) + rng.normal(0, 0.1, 4000)], 1
    )
    test = rng.normal(size=(200, 49))
    expected = test[:, 12] + test[:, 27]
    mlp = mlp_baseline(photometry, targets, test, steps=400)
    assert np.corrcoef(mlp[:, 0], expected)[0, 1] > 0.95
    assert neighbour_baseline(photometry, targets, test).shape == (200, 2)
    np.testing.assert_allclose(constant_baseline(targets, 200)[:, 1], 5.0, atol=0.02)


def test_colours_of_image_and_prediction_stand_side_by_side():
    cutout = synthetic_cutout(1)
    row = compare_colours(toy_family(), cutout, steps=4, n_candidates=5)
    assert np.isfinite([*row.image, *row.predicted, *row.redshift]).all()
    assert row.redshift[0] <= row.redshift[1] <= row.redshift[2]
    assert row == compare_colours(toy_family(), cutout, steps=4, n_candidates=5)
    table = colour_table({"a": row, "b": row})
    assert "1.48 MAD 0.000" in table
