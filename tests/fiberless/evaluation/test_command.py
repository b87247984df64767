import json

import pytest
from typer.testing import CliRunner

from fiberless.cli import app
from fiberless.cli.progress import command_line
from fiberless.contract.manifest import read_manifest


def test_one_command_scores_reports_and_records(store, data, tmp_path):
    folder = str(data.paths[0].parent)
    words = ["evaluate", "--store", str(store), "--data", folder, "--train", folder, "--record", "--json"]
    words += ["--candidates", "6", "--measured", "9", "--limit", "40", "--mlp-steps", "5"]
    words += ["--report", str(tmp_path / "report")]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    assert printed["options"]["n_measured"] == printed["n_candidates"] == 6
    metrics = read_manifest(store, "toy-1").metrics
    assert metrics["scores"] == printed["scores"]
    assert json.loads((tmp_path / "report" / "evaluation.json").read_text())["gates"] == printed["gates"]


@pytest.mark.parametrize(
    ("typed", "recorded"),
    [
        (["evaluate", "--data", "data/test"], "fiberless evaluate --data data/test"),
        (["ablate", "--run", "/somewhere/private/run-7"], "fiberless ablate --run run-7"),
    ],
)
def test_a_recorded_command_names_no_folder_of_the_machine(typed, recorded, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/private/bin/fiberless", *typed])
    assert command_line() == recorded


def test_one_command_says_what_a_version_flags(store, data):
    words = ["unusual", "--store", str(store), "--data", str(data.paths[0].parent), "--limit", "40"]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    rows = {line.split(" | ")[0].strip("| ") for line in result.stdout.splitlines()[2:]}
    assert {"clean", "star", "blank sky", "missing band", "blend"} <= rows
