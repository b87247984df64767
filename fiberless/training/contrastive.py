"""Stage one: image tower against latent tower, symmetric InfoNCE with a learned temperature.

Radford et al. 2021 (CLIP, arXiv 2103.00020), section 2.3, with an image and the latent of its spectrum.
"""

import math
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fiberless.arrays import FloatArray, IntArray
from fiberless.inference.basis import without_amplitude
from fiberless.nn import ImageEncoder, LatentEncoder
from fiberless.training.config import TrainingConfig
from fiberless.training.observed import draw_latents
from fiberless.training.prepared import Prepared
from fiberless.training.process import TrainingProcess

__all__ = ["ContrastiveTowers", "contrastive_loss", "extract_features", "ln_error", "pairs"]

_LEAST_ERROR: Final = 1e-4
"""Variance that is told perfectly well: keeps the logarithm finite where nothing is known."""

Gather: TypeAlias = Callable[[Tensor], Tensor]


def _alone(part: Tensor) -> Tensor:
    return part


class ContrastiveTowers(nn.Module):
    """Both towers, the map from features to latents, and the logarithm of the inverse temperature."""

    def __init__(self, config: TrainingConfig, latent_size: int) -> None:
        super().__init__()
        self.image_encoder = ImageEncoder(
            width=config.encoder_width, depth=config.encoder_depth, embedding_size=config.embedding_size
        )
        self.latent_encoder = LatentEncoder(latent_size=latent_size - 1, embedding_size=config.embedding_size)
        self.regression = nn.Linear(config.encoder_width, latent_size)
        self.regression_share = config.regression_share
        self.ln_scale = nn.Parameter(torch.tensor(-math.log(config.temperature)))
        self.uses_bf16 = config.precision == "bf16"

    def encode(self, moments: Tensor, photometry: Tensor) -> Tensor:
        """Features (B, width) float32 of images, from their polar moments."""
        with self._precision(moments):
            return self.image_encoder.encode(moments, photometry)

    def embed(self, features: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (B, E) float32 of images, from their features, and of latents (B, D).

        Unknown entries of a latent (NaN) are read as zero, the mean of a standardised one.
        """
        with self._precision(features):
            latents: Tensor = self.latent_encoder(without_amplitude(latent.nan_to_num(nan=0.0)))
            return self.image_encoder.embed(features), latents

    def forward(
        self, moments: Tensor, photometry: Tensor, latent: Tensor, *, gather: Gather = _alone
    ) -> Tensor:
        """Weighted mean of the symmetric InfoNCE of a batch and of how badly features tell its latents.

        The contrast alone keeps what tells the galaxies of a batch apart. The linear map asks the features
        for the expected latent too, which is what the denoiser needs of them.

        Parameters
        ----------
        moments : (B, 5, Q) polar moments of the scaled images
        photometry : (B, 49) standardised
        latent : (B, D), NaN where unknown
        gather : joins the outputs of the processes that share a batch

        Returns
        -------
        () loss of the whole batch

        """
        features = self.encode(moments, photometry)
        told = gather(self.regression(features))
        images, latents = (gather(part) for part in self.embed(features, latent))
        scale = self.ln_scale.clamp(max=math.log(100.0)).exp()
        logits = scale * images @ latents.T
        target = torch.arange(len(logits), device=logits.device)
        contrast = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        share = self.regression_share
        return (1 - share) * contrast + share * ln_error(told, gather(latent))

    def _precision(self, like: Tensor) -> torch.autocast:
        return torch.autocast(like.device.type, dtype=torch.bfloat16, enabled=self.uses_bf16)


def ln_error(told: Tensor, latent: Tensor) -> Tensor:
    """Mean over dimensions of ln of the mean squared error of latents (B, D), where they are known.

    This is a Gaussian's likelihood whose width in each dimension is what the batch finds: a dimension weighs
    the inverse of what is left of its variance. Plain squared errors would spend the network on dimensions
    that no image tells, and hardly see 2 or 3 % of an age or a 4000 Å break.
    """
    known = ~latent.isnan()
    error = torch.where(known, told - latent, 0.0).square().sum(dim=0) / known.sum(dim=0).clamp(min=1)
    return (error + _LEAST_ERROR).log().mean()


def pairs(
    data: Prepared, rows: IntArray, device: torch.device, *, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Moments, photometry and latents of some rows, as `ContrastiveTowers` takes them.

    With a generator, latents are drawn from their posteriors; without one they are the means.
    """
    tables = (data.moments[rows], data.photometry[rows], _latents(data, rows, generator))
    moments, photometry, latent = (torch.from_numpy(table).to(device) for table in tables)
    return moments, photometry, latent


def _latents(data: Prepared, rows: IntArray, generator: torch.Generator | None) -> FloatArray:
    mean = data.latent[rows]
    if generator is None:
        return mean
    drawn: FloatArray = draw_latents(
        torch.from_numpy(mean), torch.from_numpy(data.cholesky[rows]), generator
    ).numpy()
    return drawn


def contrastive_loss(
    towers: nn.Module,
    data: Prepared,
    config: TrainingConfig,
    generator: torch.Generator,
    *,
    encoder: ImageEncoder,
    process: TrainingProcess,
) -> Tensor:
    """Loss of a random batch, each image in an orientation of its own; a process embeds its share.

    Parameters
    ----------
    towers : `ContrastiveTowers`, perhaps wrapped for several processes
    encoder : its image tower, which knows how moments turn

    """
    size = config.contrastive.batch_size
    own = process.share(size)
    rows = torch.randint(len(data.latent), (size,), generator=generator)[own]
    angle = 2 * math.pi * torch.rand(size, generator=generator)[own]
    mirrored = (torch.rand(size, generator=generator) < 0.5)[own]
    moments, photometry, latent = pairs(data, rows.numpy(), process.device, generator=generator)
    turned = encoder.turn(moments, angle.to(process.device), mirrored=mirrored.to(process.device))
    loss: Tensor = towers(turned, photometry, latent, gather=process.gather)
    return loss


@torch.inference_mode()
def extract_features(
    towers: ContrastiveTowers, data: Prepared, *, view: int, batch_size: int = 2000
) -> FloatArray:
    """Features of all images in one of eight orientations. (N, width) float16"""
    features = []
    device = towers.ln_scale.device
    for start in range(0, len(data.latent), batch_size):
        rows = np.arange(start, min(start + batch_size, len(data.latent)))
        moments, photometry, _ = pairs(data, rows, device)
        angle = torch.full((len(rows),), view % 4 * math.pi / 2, device=device)
        mirrored = torch.full((len(rows),), view >= 4, device=device)
        turned = towers.image_encoder.turn(moments, angle, mirrored=mirrored)
        features.append(towers.encode(turned, photometry).half().cpu().numpy())
    return np.concatenate(features)
