"""`LatentDenoiser`: the network that draws latents, an adaLN residual MLP with EDM preconditioning."""

import math

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fiberless.nn.residual_mlp import ResidualMLP

__all__ = ["LatentDenoiser"]

_SLOWEST_PERIOD, _FASTEST_PERIOD = 32.0, 0.5
"""Periods of the noise embedding in units of ln σ; ln 0.01 … ln 40 spans 8.3, one sampler step 0.6."""


class _NoiseEmbedding(nn.Module):
    """Sines and cosines of ln σ, then an MLP. All phases are float32: nothing can overflow or vanish."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.size = size
        self.layers = nn.Sequential(nn.Linear(size, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, sigma: Tensor, dtype: torch.dtype) -> Tensor:
        ends = (math.log(2 * math.pi / _SLOWEST_PERIOD), math.log(2 * math.pi / _FASTEST_PERIOD))
        steps = torch.linspace(*ends, self.size // 2, dtype=torch.float32, device=sigma.device)
        phase = sigma.float().log()[..., None] * steps.exp()
        waves = torch.cat([phase.sin(), phase.cos()], dim=-1)
        out: Tensor = self.layers(waves.to(dtype))
        return out


class _MlpBlock(nn.Module):
    """Residual MLP, shifted, scaled and gated by the condition (adaLN-Zero: Peebles & Xie 2022, 3.2)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 3 * width)
        self.expand = nn.Linear(width, hidden)
        self.contract = nn.Linear(hidden, width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        shift, scale, gate = self.modulation(condition).chunk(3, dim=-1)
        h = self.norm(x) * (1 + scale) + shift
        change: Tensor = gate * self.contract(F.silu(self.expand(h)))
        return x + change


class LatentDenoiser(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers has no types
    """Expected clean latent, given a noisy one, its noise level and the galaxy (σ_data = 1).

    Parameters
    ----------
    latent_size : int
        Length D of the latent.
    feature_size : int
        Length of the frozen image features, standardised.
    photometry_size : int
        Numbers P of standardised aperture photometry.
    width, depth : int
        Channels and residual blocks.
    expansion : int
        Hidden units of a block in units of `width`.
    condition_depth : int
        Residual blocks that join features and photometry before σ is known; 0 adds the two as they are.
    noise_size : int
        Sines and cosines of ln σ.

    """

    @register_to_config  # type: ignore[untyped-decorator]  # diffusers has no types
    def __init__(
        self,
        latent_size: int = 65,
        feature_size: int = 512,
        photometry_size: int = 49,
        width: int = 512,
        depth: int = 6,
        expansion: int = 2,
        condition_depth: int = 2,
        noise_size: int = 128,
    ) -> None:
        super().__init__()
        self.features = nn.Linear(feature_size, width)
        self.photometry = nn.Sequential(nn.Linear(photometry_size, width), nn.SiLU(), nn.Linear(width, width))
        self.condition = nn.Sequential(
            *(ResidualMLP(width, expansion * width) for _ in range(condition_depth))
        )
        self.noise = _NoiseEmbedding(noise_size, width)
        self.project_in = nn.Linear(latent_size, width)
        self.blocks = nn.ModuleList(_MlpBlock(width, expansion * width) for _ in range(depth))
        self.norm_out = nn.LayerNorm(width)
        self.project_out = nn.Linear(width, latent_size)
        nn.init.zeros_(self.project_out.weight)
        nn.init.zeros_(self.project_out.bias)

    def encode_condition(self, features: Tensor, photometry: Tensor) -> Tensor:
        """Compute the part of the condition that does not depend on σ, once a galaxy.

        Parameters
        ----------
        features : (B, F) standardised image features
        photometry : (B, P) standardised

        Returns
        -------
        (B, width) in the dtype of the weights

        """
        dtype = self.project_in.weight.dtype
        joined = self.features(features.to(dtype)) + self.photometry(photometry.to(dtype))
        condition: Tensor = self.condition(joined)
        return condition

    def trunk(self, x: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
        """Run the bare network F(c_in x; σ, condition), in the dtype of the weights.

        Parameters
        ----------
        x : (..., D) scaled to unit variance
        sigma : (...) noise level; may have length 1 where x has candidates
        condition : (..., width) from `encode_condition`; (B, 1, width) beside x of (B, K, D) computes the
            modulation once for all K candidates of a galaxy

        Returns
        -------
        (..., D)

        """
        dtype = self.project_in.weight.dtype
        condition = F.silu(condition + self.noise(sigma, dtype))
        h = self.project_in(x.to(dtype))
        for block in self.blocks:
            h = block(h, condition)
        out: Tensor = self.project_out(self.norm_out(h))
        return out

    def denoise(self, x_noisy: Tensor, sigma: Tensor, condition: Tensor) -> Tensor:
        """Precondition the trunk in float32 (Karras et al. 2022, arXiv 2206.00364, table 1, σ_data = 1).

        Parameters
        ----------
        x_noisy : (..., D)
        sigma : (...) broadcasts against x_noisy[..., 0]
        condition : (..., width) broadcasts against x_noisy

        Returns
        -------
        (..., D) float32, the denoised latent

        """
        x, s = x_noisy.float(), sigma.float()[..., None]
        norm = torch.rsqrt(s**2 + 1)
        correction = self.trunk(x * norm, sigma, condition).float()
        return x * norm**2 + s * norm * correction

    def forward(self, x_noisy: Tensor, sigma: Tensor, features: Tensor, photometry: Tensor) -> Tensor:
        """Denoise N latents, each of its own galaxy: the form that training uses.

        Parameters
        ----------
        x_noisy : (N, D)
        sigma : (N,)
        features : (N, F) standardised image features
        photometry : (N, P) standardised

        Returns
        -------
        (N, D) float32

        """
        return self.denoise(x_noisy, sigma, self.encode_condition(features, photometry))
