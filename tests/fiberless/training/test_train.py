import itertools

import pytest
import torch
from safetensors.numpy import load_file, save_file

from fiberless.contract.manifest import read_manifest
from fiberless.inference.store import load_version
from fiberless.training.config import StageConfig, StageName
from fiberless.training.process import TrainingProcess
from fiberless.training.stage import Stage, run_stage
from fiberless.training.train import Training
from fiberless.training.version import write_version


def silent(*_):
    pass


def test_a_written_version_loads_and_says_what_it_is(trained, tmp_path):
    manifest = write_version(tmp_path / "latent-test", trained, command="fiberless train …")
    assert (tmp_path / "DEFAULT").read_text().strip() == "latent-test"
    family, loaded = load_version(tmp_path, "latent-test")
    assert loaded == manifest == read_manifest(tmp_path, "latent-test")
    assert family.latent_size == trained.family.latent_size
    assert family.denoiser.project_in.weight.dtype == torch.float32
    rounded = trained.family.denoiser.project_in.weight.half().float()
    assert torch.equal(family.denoiser.project_in.weight, rounded)
    assert trained.family.denoiser.project_in.weight.dtype == torch.float32
    card = (tmp_path / "latent-test" / "card.md").read_text()
    assert "simulated galaxies only" in card
    assert "| seed | 3 |" in card
    assert manifest.training["data"]["seed"] == 8
    assert (manifest.training["device"], manifest.training["processes"]) == ("cpu", 1)


def test_stage_after_stage_is_the_whole(data, tiny, trained, tmp_path):
    seen = []
    for until in StageName:
        Training(data, tiny, tmp_path, progress=lambda name, *_: seen.append(name)).run(until)
        assert seen[-1] == until
    again = Training(data, tiny, tmp_path, progress=lambda name, *_: seen.append(f"again {name}")).finish()
    assert [name for name, _ in itertools.groupby(seen)] == list(StageName)
    for name, value in trained.family.denoiser.state_dict().items():
        assert torch.equal(value, again.family.denoiser.state_dict()[name]), name


def test_held_out_rows_are_never_trained_on(data, tiny, trained, run_folder, tmp_path):
    """Other images in the last tenth, same weights."""
    tables = load_file(run_folder / "prepared.safetensors")
    tables["moments"][36:] = 0.5
    save_file(tables, tmp_path / "prepared.safetensors")
    towers = Training(data, tiny, tmp_path, progress=silent).towers
    for name, value in trained.family.image_encoder.state_dict().items():
        assert torch.equal(value, towers.image_encoder.state_dict()[name]), name
    ours, theirs = (
        [line.split(",") for line in (folder / "contrastive.csv").read_text().splitlines()[1:]]
        for folder in (tmp_path, run_folder)
    )
    assert [row[:2] for row in ours] == [row[:2] for row in theirs]
    assert all(own[2] != other[2] for own, other in zip(ours, theirs, strict=True))


def test_a_stage_minimises_its_loss(tmp_path):
    """The mean of a Gaussian, found by squared error: known beforehand."""
    module = torch.nn.Linear(1, 1, bias=False)
    config = StageConfig(steps=400, batch_size=1, learning_rate=0.05, ema_decay=0.9, weight_decay=0.0)
    plots = []

    def loss(generator):
        return (module.weight - 3.0 - 0.01 * torch.randn(1, generator=generator)).square().mean()

    stage = Stage(
        name="mean",
        config=config.model_copy(update={"checkpoint_steps": 200}),
        module=module,
        loss=loss,
        validate=lambda: float((module.weight - 3.0).abs()),
        plot=lambda step, rows: plots.append((step, rows[-1].step, module.weight.requires_grad)),
    )
    run_stage(stage, tmp_path, seed=0, process=TrainingProcess(), progress=silent)
    assert module.weight.item() == pytest.approx(3.0, abs=0.02)
    rows = [row.split(",") for row in (tmp_path / "mean.csv").read_text().splitlines()[1:]]
    assert [int(row[0]) for row in rows] == list(range(50, 401, 50))
    assert float(rows[-1][2]) < 0.02
    assert [plot[:2] for plot in plots] == [(200, 200), (400, 400)]
