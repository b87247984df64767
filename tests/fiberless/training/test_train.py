import itertools
import json

import pytest
import torch

from fiberless.datasets.mock.generate import generate
from fiberless.datasets.shards import ShardSet
from fiberless.errors import UsageError
from fiberless.inference.store import load_version
from fiberless.manifest import read_manifest
from fiberless.training.config import StageConfig, TrainingConfig
from fiberless.training.stage import Stage, run_stage, step_generator
from fiberless.training.train import train_latent
from fiberless.training.version import write_version

TINY = TrainingConfig(
    seed=3,
    n_components=6,
    basis_rows=40,
    widths=(4, 8, 8, 8),
    embedding_size=16,
    denoiser_width=32,
    denoiser_depth=2,
    contrastive=StageConfig(
        steps=4, batch_size=16, learning_rate=1e-3, ema_decay=0.9, warmup_steps=1, checkpoint_steps=2
    ),
    denoiser=StageConfig(
        steps=4, batch_size=32, learning_rate=1e-3, ema_decay=0.9, warmup_steps=1, checkpoint_steps=2
    ),
)


def silent(*_):
    pass


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mock")
    list(generate(folder, n=40, seed=8, workers=1))
    return ShardSet(folder)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    return train_latent(data, TINY, tmp_path_factory.mktemp("run"), progress=silent)


def weights(trained):
    family = trained.family
    modules = (family.image_encoder, family.latent_encoder, family.denoiser)
    return {f"{i}.{k}": v for i, m in enumerate(modules) for k, v in m.state_dict().items()}


class _StopError(Exception):
    pass


@pytest.mark.parametrize("stopped_at", [("contrastive", 3), ("denoiser", 2)])
def test_a_stopped_run_goes_on_bit_identically(data, trained, tmp_path, monkeypatch, stopped_at):
    stage, limit = stopped_at
    calls = itertools.count()

    def failing(seed, name, step):
        if name == stage and next(calls) == limit:
            raise _StopError
        return step_generator(seed, name, step)

    with monkeypatch.context() as patch:
        patch.setattr("fiberless.training.stage.step_generator", failing)
        with pytest.raises(_StopError):
            train_latent(data, TINY, tmp_path, progress=silent)
    resumed = train_latent(data, TINY, tmp_path, progress=silent)
    for name, value in weights(trained).items():
        assert torch.equal(value, weights(resumed)[name]), name


def test_a_run_folder_holds_one_configuration(data, tmp_path):
    (tmp_path / "config.json").write_text("another")
    with pytest.raises(UsageError, match="another configuration"):
        train_latent(data, TINY, tmp_path, progress=silent)


def test_a_written_version_loads_and_says_what_it_is(trained, tmp_path):
    manifest = write_version(tmp_path / "latent-test", trained, command="fiberless train …")
    assert (tmp_path / "DEFAULT").read_text().strip() == "latent-test"
    family, loaded = load_version(tmp_path, "latent-test")
    assert loaded == manifest == read_manifest(tmp_path, "latent-test")
    assert family.latent_size == 8
    assert family.denoiser.project_in.weight.dtype == torch.float32
    rounded = trained.family.denoiser.project_in.weight.half().float()
    assert torch.equal(family.denoiser.project_in.weight, rounded)
    assert trained.family.denoiser.project_in.weight.dtype == torch.float32
    card = (tmp_path / "latent-test" / "card.md").read_text()
    assert "simulated galaxies only" in card
    assert "| seed | 3 |" in card
    assert manifest.training["data"]["seed"] == 8


def test_a_stage_minimises_its_loss(tmp_path):
    """The mean of a Gaussian, found by squared error: known beforehand."""
    module = torch.nn.Linear(1, 1, bias=False)
    config = StageConfig(steps=400, batch_size=1, learning_rate=0.05, ema_decay=0.9, weight_decay=0.0)

    def loss(generator):
        return (module.weight - 3.0 - 0.01 * torch.randn(1, generator=generator)).square().mean()

    run_stage(Stage("mean", config, module, loss), tmp_path, seed=0, progress=silent)
    assert module.weight.item() == pytest.approx(3.0, abs=0.02)
    rows = (tmp_path / "mean.csv").read_text().splitlines()
    assert [int(row.split(",")[0]) for row in rows] == list(range(50, 401, 50))


def test_a_configuration_survives_json():
    again = TrainingConfig.model_validate(json.loads(TINY.model_dump_json()))
    assert again == TINY
    assert TINY.with_steps(denoiser=9).denoiser.steps == 9
    assert TINY.with_steps(denoiser=9).contrastive == TINY.contrastive
