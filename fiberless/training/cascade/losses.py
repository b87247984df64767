"""What the cascade's stages minimise: contrast of images and spectra, error of predicted noise."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DDPMScheduler
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fiberless.inference.cascade import raised, to_low
from fiberless.training.cascade.prepared import CascadeData
from fiberless.training.process import TrainingProcess

__all__ = ["Batches", "contrast_loss", "denoise_loss", "noisy_batch"]

_VIEWS = 8


@dataclass(frozen=True, eq=False)
class Batches:
    """Where a stage's batches come from.

    Parameters
    ----------
    data : rows that may be drawn
    size : spectra of a step, of all processes together
    draws : noisy spectra of each galaxy
    uses_low : whether spectra are of low resolution
    uses_bf16 : whether networks compute in bfloat16
    process : device, and share of a batch
    """

    data: CascadeData
    size: int
    draws: int
    uses_low: bool
    uses_bf16: bool
    process: TrainingProcess

    def take(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Random images, each eighth of them in another orientation, their photometry and their spectra."""
        own = self.process.share(self.size)
        rows = torch.randint(len(self.data), (self.size,), generator=generator).sort().values[own]
        image, photometry, spectrum = self.data.take(rows, self.process.device)
        turns = (torch.arange(self.size) // math.ceil(self.size / _VIEWS))[own]
        image = torch.cat([orient(image[turns == t], t % 4, mirrored=t >= 4) for t in range(_VIEWS)])
        return image, photometry, spectrum

    def autocast(self) -> torch.autocast:
        """Arithmetic of the networks."""
        return torch.autocast(self.process.device.type, dtype=torch.bfloat16, enabled=self.uses_bf16)


def orient(image: Tensor, quarter_turns: int, *, mirrored: bool) -> Tensor:
    """One of the eight orientations of (B, 5, 64, 64) images."""
    turned = torch.rot90(image, quarter_turns, dims=(2, 3))
    return turned.flip(3) if mirrored else turned


def contrast_loss(
    network: nn.Module, batches: Batches, generator: torch.Generator, *, ln_scale: Callable[[], Tensor]
) -> Tensor:
    """Symmetric InfoNCE with a learned temperature (NT-Xent of image and spectrum).

    Parameters
    ----------
    network : `SpectrumContrast`, perhaps wrapped for several processes
    ln_scale : its logarithm of the inverse temperature

    """
    image, photometry, spectrum = batches.take(generator)
    seen = to_low(spectrum) if batches.uses_low else spectrum
    with batches.autocast():
        embeddings = network(image, photometry, seen)
    images, spectra = (batches.process.gather(part.float()) for part in embeddings)
    logits = ln_scale().clamp(max=math.log(100.0)).exp() * images @ spectra.T
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def denoise_loss(
    network: nn.Module, schedule: DDPMScheduler, batches: Batches, generator: torch.Generator
) -> Tensor:
    """Mean squared error of the predicted noise, all timesteps alike (Ho et al. 2020, eq. 14)."""
    image, photometry, spectrum = batches.take(generator)
    clean = to_low(spectrum) if batches.uses_low else spectrum
    batch = noisy_batch(clean, schedule, generator, draws=batches.draws, process=batches.process)
    channels = [batch.noisy] if batches.uses_low else [batch.noisy, _beside(clean, batches.draws)]
    with batches.autocast():
        predicted = network(image, photometry, torch.stack(channels, dim=1), batch.timestep)
    return F.mse_loss(predicted.float(), batch.noise)


@dataclass(frozen=True, eq=False)
class _Noisy:
    """(n draws, L) noisy spectra, their noise, and (n draws,) timesteps."""

    noisy: Tensor
    noise: Tensor
    timestep: Tensor


def noisy_batch(
    clean: Tensor, schedule: Any, generator: torch.Generator, *, draws: int, process: TrainingProcess
) -> _Noisy:
    """Noise spectra (n, L), each `draws` times, at timesteps that are drawn uniformly from all of them."""
    spectra = clean.repeat_interleave(draws, dim=0)
    total = process.count * len(spectra)
    own = process.share(total)
    timestep = torch.randint(schedule.config.num_train_timesteps, (total,), generator=generator)[own]
    noise = torch.randn((total, clean.shape[1]), generator=generator)[own].to(clean.device)
    timestep = timestep.to(clean.device)
    return _Noisy(schedule.add_noise(spectra, noise, timestep), noise, timestep)


def _beside(clean: Tensor, draws: int) -> Tensor:
    """The spectrum of low resolution, raised, that the second stage sees beside the noisy one."""
    return raised(to_low(clean)).repeat_interleave(draws, dim=0)
