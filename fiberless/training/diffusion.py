"""Stage two: the denoiser on frozen features, EDM loss (Karras et al. 2022, arXiv 2206.00364, table 1)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fiberless.nn import LatentDenoiser
from fiberless.training.config import TrainingConfig

__all__ = ["DenoiserData", "denoiser_loss"]


@dataclass(frozen=True, eq=False)
class DenoiserData:
    """What the denoiser sees: latents and frozen, standardised conditions.

    Parameters
    ----------
    latent : (N, 42)
    features : (V, N, E), one for each cached orientation
    photometry : (N, 49)
    """

    latent: Tensor
    features: Tensor
    photometry: Tensor


def denoiser_loss(
    denoiser: LatentDenoiser, data: DenoiserData, config: TrainingConfig, generator: torch.Generator
) -> Tensor:
    """Weighted squared error at noise levels ln σ ~ N(−0.4, 1.6), weight (σ² + 1) / σ² (σ_data = 1)."""
    n = config.denoiser.batch_size
    rows = torch.randint(len(data.latent), (n,), generator=generator)
    views = torch.randint(len(data.features), (n,), generator=generator)
    clean = data.latent[rows]
    sigma = (config.ln_sigma_mean + config.ln_sigma_std * torch.randn(n, generator=generator)).exp()
    noisy = clean + sigma[:, None] * torch.randn(clean.shape, generator=generator)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        denoised = denoiser(noisy, sigma, data.features[views, rows].float(), data.photometry[rows])
    error = (denoised.float() - clean).square().mean(dim=1)
    return (error * (sigma**2 + 1) / sigma**2).mean()
