"""The whole training in seconds, at toy size; stopped, resumed; the paper's defects that must not return."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from fiberless.astro.wavelength import OBSERVED_WAVE_AA, REST_WAVE_AA
from fiberless.cli import app
from fiberless.cli.cascade import _chosen
from fiberless.contract import PredictionOptions, PredictionRequest
from fiberless.errors import UsageError
from fiberless.inference.predictor import load_predictor
from fiberless.nn.cosine_schedule import TIMESTEPS, training_schedule
from fiberless.testing import synthetic_cutout
from fiberless.training.cascade.config import CascadeConfig, CascadeStage, paper_config, slim_config
from fiberless.training.cascade.losses import Batches, denoise_loss, noisy_batch
from fiberless.training.cascade.prepared import prepare_cascade
from fiberless.training.cascade.train import CascadeTraining, _network
from fiberless.training.config import StageConfig
from fiberless.training.process import TrainingProcess

STAGES = tuple(CascadeStage)[1:]
_IMAGE = {"image_widths": (16, 16), "image_depths": (1, 1), "photometry_size": 49}
_CONTRAST = _IMAGE | {
    "embedding_size": 8,
    "hidden": 8,
    "image_bottleneck": False,
    "spectrum_widths": (16,),
    "spectrum_depths": (1,),
    "spectrum_bottleneck": False,
}
_UNET = _IMAGE | {"widths": (16, 16), "blocks": 1, "time_size": 16, "preconditioned": True}


@pytest.fixture(scope="module")
def toy():
    stage = StageConfig(
        steps=4,
        batch_size=8,
        learning_rate=1e-3,
        ema_decay=0.9,
        warmup_steps=1,
        checkpoint_steps=2,
        log_steps=1,
    )
    return CascadeConfig(
        seed=2,
        networks={
            CascadeStage.CONTRAST_LOW: _CONTRAST,
            CascadeStage.CONTRAST_HIGH: _CONTRAST,
            CascadeStage.DENOISE_LOW: _UNET,
            CascadeStage.DENOISE_HIGH: _UNET | {"patch": 20},
        },
        stages=dict.fromkeys(STAGES, stage),
        draws=2,
        warm_start=True,
        sampler_steps=3,
    )


@pytest.fixture(scope="module")
def whole(data, toy, tmp_path_factory):
    """Folder and result of a run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, CascadeTraining(data, toy, folder, progress=lambda *_: None).finish()


def test_a_stopped_run_goes_on_bit_identically(data, toy, whole, tmp_path):
    class Stopped(Exception):  # noqa: N818 - no error: what a kill is made of
        pass

    def stop_in(stopped):
        def stop(stage, done, _total, _loss):
            if (stage, done) == (stopped, 3):  # a step after a checkpoint
                raise Stopped

        return stop

    for stopped in (CascadeStage.CONTRAST_LOW, CascadeStage.DENOISE_HIGH):
        with pytest.raises(Stopped):
            CascadeTraining(data, toy, tmp_path, progress=stop_in(stopped)).finish()
    assert int(load_file(tmp_path / "denoise_high.safetensors")["step"]) == 2
    CascadeTraining(data, toy, tmp_path, progress=lambda *_: None).finish()
    for stage in STAGES:
        ours, theirs = (load_file(folder / f"{stage}.safetensors") for folder in (tmp_path, whole[0]))
        assert ours.keys() == theirs.keys()
        assert {key.split(".")[0] for key in ours} == {"step", "model", "ema", "optimizer"}
        assert all(torch.equal(value, theirs[key]) for key, value in ours.items()), stage


def test_every_stage_moves_its_weights_and_averages_them(toy, whole):
    family = whole[1].family
    torch.manual_seed(toy.seed)
    for stage, network in zip(
        STAGES, (family.contrast_low, family.contrast_high, family.low, family.high), strict=True
    ):
        untrained = _network(stage, toy.networks[stage]).state_dict()
        moved = [not torch.equal(value, untrained[key]) for key, value in network.state_dict().items()]
        assert np.mean(moved) > 0.9, stage
        kept = load_file(whole[0] / f"{stage}.safetensors")
        names = list(dict(network.named_parameters()))
        averaged = kept["ema.0"]
        assert torch.equal(network.state_dict()[names[0]], averaged)
        last = kept[next(key for key in kept if key.startswith("model.") and key.endswith(names[0]))]
        assert not torch.equal(averaged, last)


def test_encoders_begin_where_the_first_contrast_ended(data, toy, whole, monkeypatch):
    begun = {}

    def record(stage, *_, **__):
        begun[stage.name] = {key: value.clone() for key, value in stage.module.state_dict().items()}

    training = CascadeTraining(data, toy, whole[0], progress=lambda *_: None)
    training.run(CascadeStage.CONTRAST_LOW)
    learned = training._networks[CascadeStage.CONTRAST_LOW].image.state_dict()
    monkeypatch.setattr("fiberless.training.run.run_stage", record)
    training._train(CascadeStage.CONTRAST_HIGH)
    training._train(CascadeStage.DENOISE_LOW)
    for key, value in learned.items():
        assert torch.equal(begun["contrast_high"][f"image.{key}"], value)
        assert torch.equal(begun["denoise_low"][f"network.image.trunk.{key}"], value)


def test_statistics_leave_the_held_out_rows_out(data, toy, tmp_path):
    prepared = prepare_cascade(data, toy, tmp_path, progress=lambda *_: None)
    n = toy.training_rows(len(data))
    assert n == 36
    learned = np.asarray(prepared.spectra[:n], dtype=np.float64)
    assert prepared.scaler.mean == pytest.approx(learned.mean(axis=0), abs=1e-4)
    assert prepared.scaler.std == pytest.approx(learned.std(axis=0), abs=1e-4)
    assert prepared.photometry[:n].mean(axis=0) == pytest.approx(np.zeros(49), abs=1e-4)
    assert abs(prepared.photometry.mean(axis=0)).max() > 1e-3


def test_prepared_spectra_are_the_galaxies_own_over_the_light_of_their_images(data, toy, tmp_path):
    prepared = prepare_cascade(data, toy, tmp_path, progress=lambda *_: None)
    flux = data.column("flux").astype(np.float64)  # noisy, from another way through the simulator
    ratio = np.exp(prepared.spectra.astype(np.float64))
    smooth = np.median((flux / ratio).reshape(len(flux), 45, 100), axis=2)
    scatter = smooth.std(axis=1) / smooth.mean(axis=1)
    assert np.median(scatter) < 0.1


def test_timesteps_are_drawn_from_all_and_noised_by_the_cumulative_product():
    # the paper's trainer overwrites the timestep with 0, its schedule is off by one
    schedule = training_schedule()
    generator = torch.Generator().manual_seed(0)
    batch = noisy_batch(torch.full((2000, 3), 2.0), schedule, generator, draws=2, process=TrainingProcess())
    assert batch.timestep.min() == 0
    assert batch.timestep.max() == TIMESTEPS - 1
    assert float(batch.timestep.float().mean()) == pytest.approx((TIMESTEPS - 1) / 2, rel=0.03)
    signal = np.cumprod(1 - schedule.betas.double().numpy())[batch.timestep.numpy()][:, None]
    expected = np.sqrt(signal) * 2 + np.sqrt(1 - signal) * batch.noise.numpy()
    assert batch.noisy.numpy() == pytest.approx(expected, abs=1e-5)
    cosine = np.cos((np.arange(TIMESTEPS + 1) / TIMESTEPS + 0.008) / 1.008 * np.pi / 2) ** 2
    assert schedule.alphas_cumprod[:-1].numpy() == pytest.approx(cosine[1:-1] / cosine[0], abs=1e-5)


class _Zeros:
    """Galaxies whose standardised spectra are zero: what noises them is all that is seen of them."""

    def __len__(self):
        return 64

    def take(self, rows, _device):
        return torch.zeros(len(rows), 5, 64, 64), torch.zeros(len(rows), 49), torch.zeros(len(rows), 4500)


@pytest.mark.parametrize("uses_low", [True, False])
def test_the_network_is_told_the_timestep_that_noised_its_spectrum(uses_low):
    """Of a spectrum that is zero the noise is x / √(1 − ᾱ_t): one who is told t makes no error at all."""
    schedule = training_schedule()
    signal = schedule.alphas_cumprod
    batches = Batches(_Zeros(), 32, draws=2, uses_low=uses_low, uses_bf16=False, process=TrainingProcess())
    told = []

    def oracle(image, _photometry, channels, timestep):
        told.append((len(image), channels.shape, timestep))
        return channels[:, 0] / (1 - signal[timestep]).sqrt()[:, None]

    def loss(network, seed):
        return float(denoise_loss(network, schedule, batches, torch.Generator().manual_seed(seed)))

    def deaf(image, photometry, channels, timestep):
        return oracle(image, photometry, channels, torch.zeros_like(timestep))

    assert loss(oracle, 0) < 1e-6
    assert loss(deaf, 0) > 1
    assert loss(oracle, 1) < 1e-6
    images, shape, first = told[0]
    assert (images, tuple(shape)) == (32, (64, 1, 563) if uses_low else (64, 2, 4500))
    assert len(first.unique()) > 20  # each noisy spectrum has its own
    assert not torch.equal(first, told[-1][2])


def test_prepared_spectra_are_not_smoothed(data, toy, tmp_path):
    """The paper's Gaussian of 2 Å widens every line by 109 km/s at 5500 Å and lowers Halpha by a quarter."""
    prepared = prepare_cascade(data, toy, tmp_path, progress=lambda *_: None)
    redshift = data.truth("redshift")
    bright = np.flatnonzero(data.truth("ew_Halpha") > 15)
    heights = []
    for row in bright:
        near = np.abs(OBSERVED_WAVE_AA / (1 + redshift[row]) - 6564.6) < 12
        sampled = np.interp(
            OBSERVED_WAVE_AA / (1 + redshift[row]), REST_WAVE_AA, data.column("ln_shape")[row]
        )
        contrast = [
            np.ptp(np.exp(x[near] - x[near].min())) for x in (sampled, np.float64(prepared.spectra[row]))
        ]
        heights.append(contrast[1] / contrast[0])
    assert len(bright) > 3
    assert np.median(heights) == pytest.approx(1.0, abs=0.05)


def test_several_processes_share_the_noise_of_one():
    schedule, clean = training_schedule(), torch.randn(4, 5)
    one = noisy_batch(clean, schedule, torch.Generator().manual_seed(3), draws=2, process=TrainingProcess())
    for rank in (0, 1):
        process = TrainingProcess(rank=rank, count=2)
        part = noisy_batch(
            clean[process.share(4)], schedule, torch.Generator().manual_seed(3), draws=2, process=process
        )
        assert torch.equal(part.noisy, one.noisy[process.share(8)])


def test_the_command_writes_a_version_that_predicts(data, toy, tmp_path):
    config = tmp_path / "toy.json"
    config.write_text(toy.model_dump_json())
    store = tmp_path / "store"
    arguments = ["train-cascade", str(data.paths[0].parent), "--config", str(config), "--device", "cpu"]
    paths = ["--run", str(tmp_path / "run"), "--out", str(store / "cascade-t")]
    done = CliRunner().invoke(app, [*arguments, *paths, "--denoise-low-steps", "2"])
    assert done.exit_code == 0, done.output
    predictor = load_predictor(store, "cascade-t", device="cpu")
    assert predictor.manifest.family == "cascade"
    assert predictor.manifest.training["config"]["stages"]["denoise_low"]["steps"] == 2
    request = PredictionRequest(synthetic_cutout(1), PredictionOptions(n_candidates=3))
    assert len(predictor.predict([request])[0].prediction.candidates) == 3
    card = (store / "cascade-t" / "card.md").read_text()
    assert "40 of 40 galaxies" in card
    assert "UniPCMultistepScheduler, 3 evaluations" in card


def test_a_run_folder_holds_one_configuration(data, toy, whole):
    other = toy.model_copy(update={"seed": 9})
    with pytest.raises(UsageError, match="another configuration: seed is 2, not 9"):
        CascadeTraining(data, other, whole[0], progress=lambda *_: None)


def test_a_batch_larger_than_the_data_is_refused(data, toy, tmp_path):
    large = toy.stages[CascadeStage.CONTRAST_LOW].model_copy(update={"batch_size": 64})
    many = toy.model_copy(update={"stages": toy.stages | {CascadeStage.CONTRAST_LOW: large}})
    with pytest.raises(UsageError, match="fewer than a batch of contrast_low, 64"):
        CascadeTraining(data, many, tmp_path, progress=lambda *_: None)


def test_both_configurations_survive_json():
    for config in (paper_config(), slim_config()):
        again = CascadeConfig.model_validate(json.loads(config.model_dump_json()))
        assert again.model_dump(mode="json") == config.model_dump(mode="json")


def test_the_papers_configuration_has_the_papers_sizes():
    config = paper_config()
    million = {
        stage: sum(p.numel() for p in _network(stage, config.networks[stage]).parameters()) / 1e6
        for stage in STAGES
    }
    assert million[CascadeStage.DENOISE_LOW] == pytest.approx(35.9, rel=0.01)
    assert million[CascadeStage.DENOISE_HIGH] == pytest.approx(35.9, rel=0.01)
    assert million[CascadeStage.CONTRAST_LOW] == pytest.approx(43.5, rel=0.01)
    assert million[CascadeStage.CONTRAST_HIGH] == pytest.approx(43.5, rel=0.01)
    assert (config.scheduler, config.sampler_steps, config.timesteps) == ("DDPMScheduler", 250, 250)
    assert 0 < config.kept_share < 1  # ranked between the stages
    assert {stage.ema_decay for stage in config.stages.values()} == {0.9999}


def test_the_command_takes_the_papers_configuration_by_one_word():
    assert _chosen(None, paper=True) == paper_config()
    assert _chosen(None, paper=False) == slim_config()


def test_the_slim_version_is_small_enough_to_ship():
    config = slim_config()
    count = sum(p.numel() for stage in STAGES for p in _network(stage, config.networks[stage]).parameters())
    assert 2 * count < 18e6  # bytes in half precision
