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
    path.write_text('seed = 7\nprecision = "fp32"\nencoder_width = 768\n[denoiser]\nsteps = 9\n')
    expected = (
        TrainingConfig()
        .model_copy(update={"seed": 7, "precision": "fp32", "encoder_width": 768})
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


def test_the_page_on_training_tells_every_choice_and_its_default():
    page = (Path(__file__).parents[3] / "docs/training.md").read_text(encoding="utf-8")
    table = page[page.index("| name | default | is |") :].split("\n\n")[0]
    told = dict(re.findall(r"^\| (`.*?`) \| (.*?) \|", table, re.MULTILINE))
    config = TrainingConfig()
    named = {name for names in told for name in re.findall(r"`(\w+)`", names)}
    assert named == (set(TrainingConfig.model_fields) | set(StageConfig.model_fields)) - {"basis"}
    for names, default in told.items():
        for name in re.findall(r"`(\w+)`", names):
            value = getattr(config, name, None)
            if isinstance(value, int | float):
                assert str(value).replace("-", "−") in default, name
    stages = (config.contrastive, config.denoiser)
    assert told["`steps`, `batch_size`"] == "; ".join(
        f"{stage.steps} of {stage.batch_size}" for stage in stages
    )
