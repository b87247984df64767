"""Stage two: the denoiser on frozen features, EDM loss (Karras et al. 2022, arXiv 2206.00364, table 1)."""

from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor, nn

from fiberless.training.config import TrainingConfig
from fiberless.training.observed import draw_latents
from fiberless.training.process import TrainingProcess

__all__ = ["DenoiserData", "denoiser_loss"]


@dataclass(frozen=True, eq=False)
class DenoiserData:
    """What the denoiser sees: latents and frozen, standardised conditions.

    Parameters
    ----------
    latent : (N, D), NaN where unknown
    features : (V, N, W), one for each cached orientation
    photometry : (N, 49)
    cholesky : (N, q, q) of the latents' posteriors, see `observed.draw_latents`; q = 0 if they are exact
    """

    latent: Tensor
    features: Tensor
    photometry: Tensor
    cholesky: Tensor

    def to(self, device: torch.device) -> Self:
        """Return the same on a device."""
        return type(self)(*(getattr(self, field.name).to(device) for field in fields(self)))

    def rows(self, chosen: slice | Tensor) -> Self:
        """Return the same of some galaxies."""
        return type(self)(
            self.latent[chosen], self.features[:, chosen], self.photometry[chosen], self.cholesky[chosen]
        )


def denoiser_loss(
    denoiser: nn.Module,
    data: DenoiserData,
    config: TrainingConfig,
    generator: torch.Generator,
    *,
    process: TrainingProcess,
) -> Tensor:
    """Weighted squared error at noise levels ln σ ~ N(−0.4, 1.6), weight (σ² + 1) / σ² (σ_data = 1).

    A latent's unknown entries (NaN) are drawn from the unit normal, their distribution when nothing is known,
    and are no part of the error; each known entry weighs the same wherever it stands.
    """
    n = config.denoiser.batch_size
    rows = torch.randint(len(data.latent), (n,), generator=generator)
    views = torch.randint(len(data.features), (n,), generator=generator)
    sigma = (config.ln_sigma_mean + config.ln_sigma_std * torch.randn(n, generator=generator)).exp()
    shape = (n, data.latent.shape[1])
    noise, fill = (torch.randn(shape, generator=generator) for _ in range(2))
    own = process.share(n)
    rows, views, sigma, noise, fill = (x[own].to(process.device) for x in (rows, views, sigma, noise, fill))
    latent = draw_latents(data.latent[rows], data.cholesky[rows], generator)
    known = ~latent.isnan()
    clean = torch.where(known, latent, fill)
    with torch.autocast(process.device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16"):
        features = data.features[views, rows].float()
        denoised = denoiser(clean + sigma[:, None] * noise, sigma, features, data.photometry[rows])
    error = torch.where(known, (denoised.float() - clean).square(), 0.0).mean(dim=1)
    return (error * (sigma**2 + 1) / sigma**2).mean()
