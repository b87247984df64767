import json

import pytest

from fiberless.contract.manifest import read_manifest
from fiberless.evaluation.record import as_markdown, record_ablation, record_evaluation
from fiberless.evaluation.report import PUBLISHED, write_report
from fiberless.evaluation.targets import TARGETS

ABLATION = {
    "rows": {
        name: {
            "both": {"mean": 0.8, "error": 0.01},
            "apertures": {"mean": 0.78, "error": 0.01},
            "difference": {"mean": 0.02, "error": 0.005},
        }
        for name in ("redshift", "latent_crps")
    },
    "n": 10,
    "trained_on": 100,
    "steps": 5,
    "seeds": 3,
    "n_candidates": 8,
    "command": "fiberless ablate",
}


@pytest.fixture(scope="module")
def report(evaluation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(evaluation, folder, model="toy-1", command="fiberless evaluate …")
    return folder


def test_a_report_holds_every_quantity_and_every_picture_it_names(report):
    text = (report / "evaluation.md").read_text()
    pictures = {path.name for path in report.glob("*.png")}
    assert pictures == {
        f"{name}.png"
        for name in ("accuracy", "pit", "coverage", "agn", "bimodality", "mass_metallicity", "residuals")
    }
    assert all(f"]({name})" in text for name in pictures)
    figures = json.loads((report / "evaluation.json").read_text())
    assert set(figures["scores"]["model"]) == set(TARGETS)
    assert text.count("\n| ") > len(TARGETS)
    assert "simulated galaxies" in text
    assert all(row.source in text for row in PUBLISHED)


def test_a_report_says_which_gates_do_not_hold(report):
    text = (report / "evaluation.md").read_text()
    assert "| R² of dn4000, posterior mean | ≥ 0.975 |" in text
    assert "**no**" in text


def test_recording_keeps_the_weights_and_writes_the_card(store, evaluation):
    before = read_manifest(store, "toy-1")
    after = record_evaluation(store, "toy-1", evaluation, command="fiberless evaluate …")
    assert after.weights_sha256 == before.weights_sha256
    assert read_manifest(store, "toy-1").metrics["n"] == evaluation.n
    card = (store / "toy-1" / "card.md").read_text()
    assert "fiberless evaluate …" in card
    for section in ("## For", "## Not for", "## How it was made", "## How good it is", "## Known limits"):
        assert section in card
    assert "Kauffmann+03" in card
    assert "What the pixels add" not in card


def test_an_ablation_joins_the_evaluation_in_the_card(store, evaluation):
    record_evaluation(store, "toy-1", evaluation, command="fiberless evaluate …")
    record_ablation(store, "toy-1", ABLATION)
    card = (store / "toy-1" / "card.md").read_text()
    assert "| R² of z | 0.8000 ± 0.0100 | 0.7800 ± 0.0100 | 0.0200 ± 0.0050 | +4.0 |" in card
    assert "### What was demanded" in card


def test_the_short_table_has_a_row_for_each_quantity(evaluation):
    assert "| Dn4000 |" in as_markdown(evaluation)
