"""Stage one: image tower against latent tower, symmetric InfoNCE with a learned temperature.

Radford et al. 2021 (CLIP, arXiv 2103.00020), section 2.3, with an image and the latent of its spectrum.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fiberless.arrays import FloatArray
from fiberless.inference.basis import without_amplitude
from fiberless.nn import ImageEncoder, LatentEncoder
from fiberless.training.config import TrainingConfig
from fiberless.training.prepared import Prepared

__all__ = ["ContrastiveTowers", "contrastive_loss", "extract_features", "orient"]


class ContrastiveTowers(nn.Module):
    """Both towers and the logarithm of the inverse temperature."""

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.image_encoder = ImageEncoder(widths=config.widths, embedding_size=config.embedding_size)
        self.latent_encoder = LatentEncoder(
            latent_size=config.n_components + 1, embedding_size=config.embedding_size
        )
        self.ln_scale = nn.Parameter(torch.tensor(-math.log(config.temperature)))

    def forward(self, image: Tensor, photometry: Tensor, latent: Tensor) -> Tensor:
        """Symmetric InfoNCE of a batch: images (B, 5, 64, 64), photometry (B, 49), latents (B, 41)."""
        with torch.autocast(image.device.type, dtype=torch.bfloat16):
            images = self.image_encoder(image, photometry)
            latents = self.latent_encoder(latent)
        scale = self.ln_scale.clamp(max=math.log(100.0)).exp()
        logits = scale * images.float() @ latents.float().T
        target = torch.arange(len(logits), device=logits.device)
        return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def orient(image: Tensor, quarter_turns: int, *, mirrored: bool) -> Tensor:
    """One of the eight orientations of (B, 5, 64, 64) images."""
    turned = torch.rot90(image, quarter_turns, dims=(2, 3))
    return turned.flip(3) if mirrored else turned


def contrastive_loss(
    towers: ContrastiveTowers, data: Prepared, batch_size: int, generator: torch.Generator
) -> Tensor:
    """Loss of a random batch, each eighth of it in another orientation."""
    rows = torch.randint(len(data.latent), (batch_size,), generator=generator).sort().values.numpy()
    image = torch.from_numpy(data.images[rows].astype(np.float32))
    parts = image.chunk(8)
    image = torch.cat([orient(part, turn % 4, mirrored=turn >= 4) for turn, part in enumerate(parts)])
    latent = torch.from_numpy(without_amplitude(data.latent[rows]))
    loss: Tensor = towers(image, torch.from_numpy(data.photometry[rows]), latent)
    return loss


@torch.inference_mode()
def extract_features(
    encoder: ImageEncoder, data: Prepared, *, view: int, batch_size: int = 500
) -> FloatArray:
    """Embeddings of all images in one of eight orientations. (N, E) float32, unit length"""
    features = []
    for start in range(0, len(data.images), batch_size):
        rows = slice(start, start + batch_size)
        image = orient(torch.from_numpy(data.images[rows].astype(np.float32)), view % 4, mirrored=view >= 4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features.append(encoder(image, torch.from_numpy(data.photometry[rows])).float().numpy())
    return np.concatenate(features)
