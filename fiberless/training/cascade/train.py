"""Trains one version of the cascade from a data set, resumable at every stage."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from fiberless.datasets.shards import ShardSet
from fiberless.inference.cascade import CascadeFamily, CascadeSampling
from fiberless.nn.cosine_schedule import training_schedule
from fiberless.nn.spectrum_contrast import SpectrumContrast
from fiberless.nn.spectrum_unet import SpectrumUNet
from fiberless.training.cascade.config import CascadeConfig, CascadeStage
from fiberless.training.cascade.losses import Batches, contrast_loss, denoise_loss
from fiberless.training.cascade.preflight import pin_cascade_run, refuse_hopeless_cascade
from fiberless.training.cascade.prepared import CascadeData, prepare_cascade
from fiberless.training.clock import Clock
from fiberless.training.place import Place
from fiberless.training.stage import Stage, run_stage

__all__ = ["CascadeTraining", "DenoiserInTraining", "TrainedCascade"]

Progress: TypeAlias = Callable[[str, int, int, float], None]
_ORDER = tuple(CascadeStage)
_VALIDATION_BATCHES = 4


@dataclass(frozen=True, eq=False)
class TrainedCascade:
    """A trained family and the record of its making, for the manifest."""

    family: CascadeFamily
    record: dict[str, Any]
    config: CascadeConfig


class DenoiserInTraining(nn.Module):
    """A U-Net as training runs it: each image is encoded once for all noisy spectra of its galaxy."""

    def __init__(self, network: SpectrumUNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, photometry: Tensor, channels: Tensor, timestep: Tensor) -> Tensor:
        """Noise (n m, L) in channels (n m, C, L), m spectra for each of n images."""
        tokens = self.network.encode_image(image, photometry)
        repeated = tokens.repeat_interleave(len(channels) // len(image), dim=0)
        noise: Tensor = self.network(channels, timestep, repeated)
        return noise


class CascadeTraining:
    """A run of all stages; each asks for the one before it, and reads what was already done.

    Parameters
    ----------
    data : training pairs with noiseless spectra
    folder : of the run: caches, checkpoints, logs
    progress : called with (stage, done, total, loss)
    place : where to compute, and with how many processes; alone on the CPU by default

    Raises
    ------
    UsageError
        `invalid-parameter` if data, disk or processes do not suffice, or if the folder holds a run with
        another configuration or data set.

    """

    def __init__(
        self,
        data: ShardSet,
        config: CascadeConfig,
        folder: Path,
        *,
        progress: Progress,
        place: Place | None = None,
    ) -> None:
        self._data, self._config, self._folder = data, config, folder
        self._progress, self._place = progress, place or Place()
        if self._place.first:
            refuse_hopeless_cascade(data, config, folder, processes=self._place.count)
            pin_cascade_run(folder, config, data)
        self._place.wait()
        self._clock = Clock(folder)

    def run(self, until: CascadeStage) -> None:
        """Do a stage, and those before it that are not done."""
        _ = self.prepared
        for stage in _ORDER[1 : _ORDER.index(until) + 1]:
            self._train(stage)

    def finish(self) -> TrainedCascade:
        """Run all stages."""
        self.run(_ORDER[-1])
        networks = {stage: network.cpu().eval() for stage, network in self._networks.items()}
        family = CascadeFamily(
            low=networks[CascadeStage.DENOISE_LOW],
            high=networks[CascadeStage.DENOISE_HIGH],
            contrast_low=networks[CascadeStage.CONTRAST_LOW],
            contrast_high=networks[CascadeStage.CONTRAST_HIGH],
            scaler=self.prepared.scaler,
            condition_scaler=self.prepared.condition_scaler,
            sampling=CascadeSampling(
                scheduler=self._config.scheduler,
                kept_share=self._config.kept_share,
                timesteps=self._config.timesteps,
            ),
        )
        return TrainedCascade(family=family, record=self._record(), config=self._config)

    @cached_property
    def prepared(self) -> CascadeData:
        """The data set as networks see it; made by the first process."""
        if self._place.first:
            self._prepare()
        self._place.wait()
        return self._prepare()

    @cached_property
    def _networks(self) -> dict[CascadeStage, Any]:
        """Networks as the seed makes them, whichever stage a run goes on from; trained in place."""
        torch.manual_seed(self._config.seed)
        made = {stage: _network(stage, self._config.networks[stage]) for stage in _ORDER[1:]}
        return {stage: network.to(self._place.device) for stage, network in made.items()}

    def _train(self, stage: CascadeStage) -> None:
        network = self._networks[stage]
        if self._config.warm_start and stage is not CascadeStage.CONTRAST_LOW:
            _begin_as(network, self._networks[CascadeStage.CONTRAST_LOW])
        is_contrast = isinstance(network, SpectrumContrast)
        module = network if is_contrast else DenoiserInTraining(network)
        learned, held_out = self._batches(stage, held_out=False), self._batches(stage, held_out=True)
        spread = self._place.spread(module)
        loss = self._loss(stage, network)
        run_stage(
            Stage(
                name=stage,
                config=self._config.stages[stage],
                module=module,
                loss=lambda generator: loss(spread, learned, generator),
                validate=lambda: self._validation(lambda generator: loss(module, held_out, generator)),
                look=lambda *_: None,
            ),
            self._folder,
            seed=self._config.seed,
            place=self._place,
            progress=lambda *figures: self._report(stage, *figures),
        )

    def _loss(
        self, stage: CascadeStage, network: Any
    ) -> Callable[[nn.Module, Batches, torch.Generator], Tensor]:
        if stage in {CascadeStage.CONTRAST_LOW, CascadeStage.CONTRAST_HIGH}:
            return lambda module, batches, generator: contrast_loss(
                module, batches, generator, ln_scale=lambda: network.ln_scale
            )
        schedule = training_schedule(self._config.timesteps)
        return lambda module, batches, generator: denoise_loss(module, schedule, batches, generator)

    def _batches(self, stage: CascadeStage, *, held_out: bool) -> Batches:
        n = self._config.training_rows(len(self.prepared))
        draws = 1 if stage.startswith("contrast") else self._config.draws
        size = self._config.stages[stage].batch_size // draws
        rows = self.prepared.rows(slice(n, None) if held_out else slice(n))
        return Batches(
            data=rows,
            size=min(size, len(rows)) if held_out else size,
            draws=draws,
            uses_low=stage.endswith("low"),
            uses_bf16=self._config.precision == "bf16",
            place=self._place.alone if held_out else self._place,
        )

    def _validation(self, loss: Callable[[torch.Generator], Tensor]) -> float:
        """Mean loss of a few batches, always the same."""
        seeds = range(self._config.seed, self._config.seed + _VALIDATION_BATCHES)
        return float(torch.stack([loss(torch.Generator().manual_seed(seed)) for seed in seeds]).mean())

    def _prepare(self) -> CascadeData:
        def report(done: int, total: int) -> None:
            self._report(CascadeStage.PREPARE, done, total, 0.0)

        return prepare_cascade(self._data, self._config, self._folder, progress=report)

    def _report(self, stage: str, done: int, total: int, loss: float) -> None:
        if self._place.first:
            self._clock.tick()
            self._progress(stage, done, total, loss)

    def _record(self) -> dict[str, Any]:
        described = {"kind", "description", "n", "seed", "version"}
        return {
            "config": self._config.model_dump(mode="json"),
            "data": self._data.info.model_dump(mode="json", include=described),
            "rows": len(self.prepared),
            "wall_seconds": round(self._clock.seconds),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "device": self._place.device.type,
            "processes": self._place.count,
        }


def _network(stage: CascadeStage, arguments: dict[str, Any]) -> Any:
    if stage.startswith("contrast"):
        return SpectrumContrast(**arguments)
    return SpectrumUNet(in_channels=1 if stage.endswith("low") else 2, **arguments)


def _begin_as(network: Any, contrast: SpectrumContrast) -> None:
    """Copy the image tower of the first contrast; its checkpoint, if there is one, replaces the copy."""
    trunk = network.image if isinstance(network, SpectrumContrast) else network.image.trunk
    trunk.load_state_dict(contrast.image.state_dict())
