"""Trains one version of the cascade from a data set, resumable at every stage."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn

from fiberless.inference.cascade import CascadeFamily, CascadeSampling
from fiberless.nn.cosine_schedule import training_schedule
from fiberless.nn.spectrum_contrast import SpectrumContrast
from fiberless.nn.spectrum_unet import SpectrumUNet
from fiberless.training.cascade.config import CascadeConfig, CascadeStage
from fiberless.training.cascade.losses import Batches, contrast_loss, denoise_loss
from fiberless.training.cascade.preflight import refuse_hopeless_cascade
from fiberless.training.cascade.prepared import CascadeData, prepare_cascade
from fiberless.training.run import Run
from fiberless.training.stage import Stage

__all__ = ["CascadeTraining", "DenoiserInTraining", "TrainedCascade"]

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


class CascadeTraining(Run[CascadeConfig]):
    """A run of all stages of the cascade, on noiseless spectra; parameters and errors are those of `Run`."""

    def run(self, until: CascadeStage) -> None:
        """Do a stage, and those before it that are not done."""
        _ = self.prepared
        for stage in _ORDER[1 : _ORDER.index(until) + 1]:
            self._train(stage)

    def finish(self) -> TrainedCascade:
        """Run all stages."""
        self.run(_ORDER[-1])
        record = self._record() | {"rows": len(self.prepared)}
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
        return TrainedCascade(family=family, record=record, config=self._config)

    @cached_property
    def prepared(self) -> CascadeData:
        """The data set as networks see it; made by the first process."""
        report = partial(self._report, CascadeStage.PREPARE)
        return self._made_by_the_first(
            lambda: prepare_cascade(self._data, self._config, self._folder, progress=report)
        )

    @cached_property
    def _networks(self) -> dict[CascadeStage, Any]:
        """Networks as the seed makes them, whichever stage a run goes on from; trained in place."""
        torch.manual_seed(self._config.seed)
        made = {stage: _network(stage, self._config.networks[stage]) for stage in _ORDER[1:]}
        return {stage: network.to(self._process.device) for stage, network in made.items()}

    def _train(self, stage: CascadeStage) -> None:
        network = self._networks[stage]
        if self._config.warm_start and stage is not CascadeStage.CONTRAST_LOW:
            _begin_as(network, self._networks[CascadeStage.CONTRAST_LOW])
        is_contrast = isinstance(network, SpectrumContrast)
        module = network if is_contrast else DenoiserInTraining(network)
        learned, held_out = self._batches(stage, held_out=False), self._batches(stage, held_out=True)
        spread = self._process.spread(module)
        loss = self._loss(stage, network)
        self._run_stage(
            Stage(
                name=stage,
                config=self._config.stages[stage],
                module=module,
                loss=lambda generator: loss(spread, learned, generator),
                validate=lambda: self._validation(lambda generator: loss(module, held_out, generator)),
                plot=lambda *_: None,
            )
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
            process=self._process.alone if held_out else self._process,
        )

    def _validation(self, loss: Callable[[torch.Generator], Tensor]) -> float:
        """Mean loss of a few batches, always the same."""
        seeds = range(self._config.seed, self._config.seed + _VALIDATION_BATCHES)
        return float(torch.stack([loss(torch.Generator().manual_seed(seed)) for seed in seeds]).mean())

    def _refuse_hopeless(self) -> None:
        refuse_hopeless_cascade(self._data, self._config, self._folder, processes=self._process.count)


def _network(stage: CascadeStage, arguments: dict[str, Any]) -> Any:
    if stage.startswith("contrast"):
        return SpectrumContrast(**arguments)
    return SpectrumUNet(in_channels=1 if stage.endswith("low") else 2, **arguments)


def _begin_as(network: Any, contrast: SpectrumContrast) -> None:
    """Copy the image tower of the first contrast; its checkpoint, if there is one, replaces the copy."""
    trunk = network.image if isinstance(network, SpectrumContrast) else network.image.trunk
    trunk.load_state_dict(contrast.image.state_dict())
