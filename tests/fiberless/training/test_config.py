import json
import re
from pathlib import Path

import pytest

from fiberless.errors import UsageError
from fiberless.training.config import StageConfig, TrainingConfig, read_config


def test_a_configuration_survives_json(tiny, config_file):
    assert TrainingConfig.model_validate(json.loads(tiny.model_dump_json())) == tiny
    assert read_config(config_file) == tiny
    assert tiny.with_steps(denoiser=9).denoiser.steps == 9
    assert tiny.with_steps(denoiser=9).contrastive == tiny.contrastive


def test_toml_says_what_differs_from_the_default(tmp_path):
    path = tmp_path / "wide.toml"
    path.write_text('seed = 7\nprecision = "fp32"\nwidths = [64, 128, 256, 256]\n[denoiser]\nsteps = 9\n')
    expected = (
        TrainingConfig()
        .model_copy(update={"seed": 7, "precision": "fp32", "widths": (64, 128, 256, 256)})
        .with_steps(denoiser=9)
    )
    assert read_config(path) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("sed = 7", "sed: Extra inputs"),
        ("seed = -1", "seed: "),
        ("seed =", "is no configuration"),
        ("denoiser = 3", "denoiser: Input should be"),
    ],
)
def test_a_mistake_is_named(tmp_path, text, fault):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=re.escape(fault)):
        read_config(path)


def test_the_last_rows_are_held_out():
    config = TrainingConfig()
    assert config.training_rows(200_000) == 198_000
    assert config.training_rows(3_000) == 2_700


def test_the_manual_names_every_choice():
    manual = (Path(__file__).parents[3] / "docs" / "training.md").read_text()
    for name in (*TrainingConfig.model_fields, *StageConfig.model_fields):
        assert f"`{name}`" in manual, name
