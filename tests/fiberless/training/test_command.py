"""`fiberless train`: what it refuses before any work, and what its options mean."""

import json

import pytest
from typer.testing import CliRunner

from fiberless.cli import app
from fiberless.errors import UsageError


@pytest.fixture
def train(data, config_file, tmp_path):
    """The command on the toy data set, with more options."""

    def run(*options):
        arguments = ["train", str(data.paths[0].parent), "--run", str(tmp_path / "run"), "--device", "cpu"]
        return CliRunner().invoke(app, [*arguments, "--config", str(config_file), *options])

    return run


def refusal(result):
    assert isinstance(result.exception, UsageError), result.output
    return str(result.exception)


def test_what_to_make_must_be_said(train):
    assert "--out, or a stage with --until" in refusal(train())


def test_a_version_that_exists_is_refused_before_any_work(train, tmp_path):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "manifest.json").touch()
    assert "never overwritten" in refusal(train("--out", str(tmp_path / "old")))
    assert not (tmp_path / "run").exists()


def test_options_go_before_the_file_and_a_run_folder_holds_one_configuration(train, tmp_path):
    done = train("--until", "prepare", "--seed", "5", "--denoiser-steps", "9")
    assert done.exit_code == 0, done.output
    assert "prepare is done" in done.output
    pinned = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (pinned["seed"], pinned["denoiser"]["steps"], pinned["contrastive"]["steps"]) == (5, 9, 7)
    assert not (tmp_path / "run" / "contrastive.safetensors").exists()
    said = refusal(train("--until", "prepare"))
    assert "denoiser.steps is 9, not 7; seed is 5, not 3" in said
