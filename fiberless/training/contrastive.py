"""Stage one: image tower against latent tower, symmetric InfoNCE with a learned temperature.

Radford et al. 2021 (CLIP, arXiv 2103.00020), section 2.3, with an image and the latent of its spectrum.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fiberless.arrays import FloatArray, IntArray
from fiberless.inference.basis import without_amplitude
from fiberless.nn import ImageEncoder, LatentEncoder
from fiberless.training.config import TrainingConfig
from fiberless.training.observed import draw_latents
from fiberless.training.place import Place
from fiberless.training.prepared import Prepared

__all__ = ["ContrastiveTowers", "contrastive_loss", "extract_features", "pairs"]

Gather: TypeAlias = Callable[[Tensor], Tensor]


def _alone(part: Tensor) -> Tensor:
    return part


class ContrastiveTowers(nn.Module):
    """Both towers and the logarithm of the inverse temperature."""

    def __init__(self, config: TrainingConfig, latent_size: int) -> None:
        super().__init__()
        self.image_encoder = ImageEncoder(
            width=config.encoder_width, depth=config.encoder_depth, embedding_size=config.embedding_size
        )
        self.latent_encoder = LatentEncoder(latent_size=latent_size - 1, embedding_size=config.embedding_size)
        self.regression = nn.Linear(config.embedding_size, latent_size - 1)
        self.regression_weight = config.regression_weight
        self.ln_scale = nn.Parameter(torch.tensor(-math.log(config.temperature)))
        self.uses_bf16 = config.precision == "bf16"

    def embed_images(self, moments: Tensor, photometry: Tensor) -> Tensor:
        """Embeddings (B, E) float32 of images, from their polar moments."""
        with torch.autocast(moments.device.type, dtype=torch.bfloat16, enabled=self.uses_bf16):
            return self.image_encoder.embed(moments, photometry)

    def embed(self, moments: Tensor, photometry: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of images and of latents, (B, E) float32 each."""
        with torch.autocast(moments.device.type, dtype=torch.bfloat16, enabled=self.uses_bf16):
            latents: Tensor = self.latent_encoder(latent)
        return self.embed_images(moments, photometry), latents

    def forward(
        self, moments: Tensor, photometry: Tensor, latent: Tensor, *, gather: Gather = _alone
    ) -> Tensor:
        """Symmetric InfoNCE of a batch, and the squared error of its latents as a linear map tells them.

        The contrast alone keeps what tells the galaxies of a batch apart. The linear map asks the embedding
        for the expected latent too, which is what the denoiser needs of it.

        Parameters
        ----------
        moments : (B, 5, Q) polar moments of the scaled images
        photometry : (B, 49) standardised
        latent : (B, D − 1) without the amplitude
        gather : joins the embeddings of the processes that share a batch

        Returns
        -------
        () loss of the whole batch

        """
        images, latents = (gather(part) for part in self.embed(moments, photometry, latent))
        scale = self.ln_scale.clamp(max=math.log(100.0)).exp()
        logits = scale * images @ latents.T
        target = torch.arange(len(logits), device=logits.device)
        contrast = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        return contrast + self.regression_weight * self._regression_error(images, gather(latent))

    def _regression_error(self, images: Tensor, latent: Tensor) -> Tensor:
        """Mean squared error of standardised latents; embeddings are scaled to unit variance."""
        told = self.regression(images * math.sqrt(images.shape[1]))
        return F.mse_loss(told, latent)


def pairs(
    data: Prepared, rows: IntArray, device: torch.device, *, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Moments, photometry and latents of some rows, as `ContrastiveTowers` takes them; unknown labels are 0.

    With a generator, latents are drawn from their posteriors; without one they are the means.
    Zero is the mean of a standardised label: what is not known draws a latent nowhere.
    """
    latent = without_amplitude(_latents(data, rows, generator))
    moments = torch.from_numpy(data.moments[rows]).to(device)
    photometry = torch.from_numpy(data.photometry[rows]).to(device)
    known = np.where(np.isnan(latent), np.float32(0.0), latent)
    return moments, photometry, torch.from_numpy(known).to(device)


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
    place: Place,
) -> Tensor:
    """Loss of a random batch, each image in an orientation of its own; a process embeds its share.

    Parameters
    ----------
    towers : `ContrastiveTowers`, perhaps wrapped for several processes
    encoder : its image tower, which knows how moments turn

    """
    size = config.contrastive.batch_size
    own = place.share(size)
    rows = torch.randint(len(data.latent), (size,), generator=generator)[own]
    angle = 2 * math.pi * torch.rand(size, generator=generator)[own]
    mirrored = (torch.rand(size, generator=generator) < 0.5)[own]
    moments, photometry, latent = pairs(data, rows.numpy(), place.device, generator=generator)
    turned = encoder.turn(moments, angle.to(place.device), mirrored=mirrored.to(place.device))
    loss: Tensor = towers(turned, photometry, latent, gather=place.gather)
    return loss


@torch.inference_mode()
def extract_features(
    towers: ContrastiveTowers, data: Prepared, *, view: int, batch_size: int = 2000
) -> FloatArray:
    """Embeddings of all images in one of eight orientations. (N, E) float32, unit length"""
    features = []
    device = towers.ln_scale.device
    for start in range(0, len(data.latent), batch_size):
        rows = np.arange(start, min(start + batch_size, len(data.latent)))
        moments, photometry, _ = pairs(data, rows, device)
        angle = torch.full((len(rows),), view % 4 * math.pi / 2, device=device)
        mirrored = torch.full((len(rows),), view >= 4, device=device)
        turned = towers.image_encoder.turn(moments, angle, mirrored=mirrored)
        features.append(towers.embed_images(turned, photometry).cpu().numpy())
    return np.concatenate(features)
