"""Two versions beside each other: what is equal is called equal, what is worse is named."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from fiberless.cli import app
from fiberless.contract.manifest import read_manifest
from fiberless.evaluation.compare import _figures, _worse
from fiberless.evaluation.comparison_report import comparison_text, verdict_text
from fiberless.evaluation.pairs import HeldOut
from fiberless.evaluation.target_table import TargetTable
from fiberless.evaluation.targets import SPECTRAL_TARGETS
from fiberless.testing import TOY_CASCADE, TOY_VERSION, write_toy_cascade
from tests.training_records import CASCADE_TRAINING, TRAINING

N, K = 600, 20


def posterior(rng, truth, width):
    """Samples (N, K) of a calibrated posterior of some width."""
    centre = truth + width * rng.normal(size=len(truth))
    return centre[:, None] + width * rng.normal(size=(len(truth), K))


@pytest.fixture(scope="module")
def made():
    """600 galaxies; `sharp` knows all but Dn4000 better, `dull` is 1.5 times as wide."""
    rng = np.random.default_rng(2)
    truth = {name: rng.normal(size=N) for name in SPECTRAL_TARGETS}
    truth["redshift"] = 0.1 + 0.02 * rng.normal(size=N)
    classes = rng.integers(0, 6, N).astype(float)
    pairs = HeldOut(conditions=None, truth=TargetTable(truth, classes), ln_flux_rest=np.zeros((N, 1)))
    drawn = {"sharp": {}, "dull": {}}
    for name, values in truth.items():
        scale = 0.3 * values.std()
        for version, width in (("sharp", 1.5 if name == "dn4000" else 1.0), ("dull", 1.5)):
            drawn[version][name] = posterior(rng, values, scale * width)
    drawn["sharp"]["dn4000"] = posterior(rng, truth["dn4000"], 0.6)
    right = np.repeat(classes[:, None], K, axis=1)
    wrong = rng.integers(0, 6, (N, K)).astype(float)
    shares = {"sharp": 0.8, "dull": 0.2}
    return pairs, {
        version: TargetTable(drawn[version], np.where(rng.uniform(size=(N, K)) < share, right, wrong))
        for version, share in shares.items()
    }


@pytest.fixture(scope="module")
def figures(made):
    found = _figures(*made)
    told = {"family": "latent", "steps": 5, "precision": "bf16", "core_seconds_a_galaxy": 0.1}
    whole = {"n": N, "n_candidates": K, "command": "fiberless compare …"}
    whole |= {"models": {"sharp": told, "dull": told}, "worse": _worse(found["differences"])}
    return whole | found


def test_differences_are_those_of_the_scores(figures):
    for name in SPECTRAL_TARGETS:
        for figure in ("r2", "r2_mean", "crps"):
            ours, theirs = (figures["scores"][version][name][figure] for version in ("sharp", "dull"))
            assert figures["differences"][name][figure]["value"] == pytest.approx(ours - theirs, abs=2e-4)
        # R² of the mean of K samples about a centre: 1 − (width/std)² (1 + 1/K)
    row = figures["scores"]["dull"]["n2"]
    assert row["r2_mean"] == pytest.approx(1 - 0.45**2 * (1 + 1 / K), abs=0.03)
    assert row["r2_mean_error"] == pytest.approx(row["r2_error"], rel=0.5)


def test_only_what_is_worse_by_more_than_its_error_is_named(figures):
    assert {row["quantity"] for row in figures["worse"]} == {"dn4000"}
    assert {row["figure"] for row in figures["worse"]} == {"r2", "r2_mean", "crps"}
    assert all(row["sigmas"] > 3 for row in figures["worse"])
    assert figures["differences"]["agn_kewley01"]["auc"]["value"] > 0.05
    assert figures["differences"]["photo_z"]["sigma_mad"]["value"] < 0


def test_a_version_beside_its_equal_is_equal(made):
    pairs, drawn = made
    found = _figures(pairs, {"a": drawn["dull"], "b": drawn["dull"]})
    assert _worse(found["differences"]) == []
    assert found["scores"]["a"] == found["scores"]["b"]


def test_scores_are_of_the_galaxies_that_both_can_tell(made):
    pairs, drawn = made
    fewer = drawn["dull"].also({"n2": drawn["dull"]["n2"].copy()})
    fewer["n2"][:100] = np.nan
    found = _figures(pairs, {"a": drawn["sharp"], "b": fewer})
    assert found["scores"]["a"]["n2"]["n"] == found["scores"]["b"]["n2"]["n"] == N - 100
    assert found["scores"]["a"]["o3"]["n"] == N


def test_the_page_says_who_loses_where_and_by_how_much(figures):
    text = comparison_text(figures)
    worst = figures["worse"][0]
    assert f"Dn4000, R² of the mean: {figures['differences']['dn4000']['r2_mean']['value']:+.4g}" in text
    assert f"({worst['sigmas']} σ)" in text
    assert text.count("**worse**") == 3
    assert text.count("\n| ") > 2 * len(SPECTRAL_TARGETS)
    assert verdict_text(figures | {"worse": []}).endswith("error: none.")


@pytest.fixture
def models(store):
    version = write_toy_cascade(store)
    manifest = read_manifest(store, version).model_copy(update={"training": CASCADE_TRAINING})
    (store / version / "manifest.json").write_text(manifest.model_dump_json())
    return store


def test_one_command_draws_both_families_and_writes_page_and_manifests(models, data, tmp_path):
    folder = str(data.paths[0].parent)
    words = ["compare", "--model", TOY_VERSION, "--model", TOY_CASCADE, "--store", str(models)]
    words += ["--data", folder, "--limit", "12", "--candidates", "4", "--cache", str(tmp_path / "drawn")]
    words += ["--report", str(tmp_path / "report"), "--json", "--record"]
    first, again = (CliRunner().invoke(app, words, catch_exceptions=False) for _ in range(2))
    assert first.exit_code == 0
    assert json.loads(first.stdout) == json.loads(again.stdout)  # the second time from the cache, times too
    figures = json.loads((tmp_path / "report" / "comparison.json").read_text())
    assert list(figures["models"]) == [TOY_VERSION, TOY_CASCADE]
    assert figures["models"][TOY_CASCADE]["family"] == "cascade"
    assert figures["models"][TOY_CASCADE]["core_seconds_a_galaxy"] > 0
    assert set(figures["scores"][TOY_CASCADE]) <= set(SPECTRAL_TARGETS)
    assert f"# {TOY_VERSION} beside {TOY_CASCADE}" in (tmp_path / "report" / "comparison.md").read_text()
    recorded = read_manifest(models, TOY_CASCADE).metrics["comparison"]
    assert recorded["scores"] == figures["scores"][TOY_CASCADE]
    assert recorded["beside"] == TOY_VERSION
    assert "| redshift |" in (models / TOY_CASCADE / "card.md").read_text()
    assert read_manifest(models, TOY_VERSION).training == TRAINING


def test_a_version_may_be_drawn_with_other_numbers_of_evaluations(models, data):
    words = ["compare", "--model", TOY_VERSION, "--model", TOY_CASCADE, "--store", str(models), "--json"]
    words += ["--data", str(data.paths[0].parent), "--limit", "8", "--candidates", "3"]
    words += ["--steps", f"{TOY_CASCADE}=3"]
    drawn = CliRunner().invoke(app, words, catch_exceptions=False)
    told = json.loads(drawn.stdout)["models"]
    assert told[TOY_CASCADE]["steps"] == 3
    assert told[TOY_VERSION]["steps"] == read_manifest(models, TOY_VERSION).sampler_steps != 3


@pytest.mark.parametrize("told", ["3", f"{TOY_VERSION}=1", f"{TOY_VERSION}=many", "another-1=5"])
def test_a_number_of_evaluations_needs_a_version_and_two_at_least(models, data, told):
    words = ["compare", "--model", TOY_VERSION, "--model", TOY_CASCADE, "--store", str(models)]
    result = CliRunner().invoke(app, [*words, "--data", str(data.paths[0].parent), "--steps", told])
    assert result.exit_code == 2
    assert "--steps" in result.output
    assert repr(told) in result.output


@pytest.mark.parametrize("named", [["a"], ["toy-1", "toy-1"]])
def test_two_different_versions_are_needed(models, data, named):
    words = ["compare", "--store", str(models), "--data", str(data.paths[0].parent), "--limit", "4"]
    words += [word for version in named for word in ("--model", version)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code != 0
    assert "version" in str(result.exception)
