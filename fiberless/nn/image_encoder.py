"""`ImageEncoder`: five-band image and aperture photometry to features, and those to a unit vector."""

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, cat, nn
from torch.nn import functional as F  # noqa: N812

from fiberless.nn.polar import ORDERS, RADII_PX, polar_basis
from fiberless.nn.residual_mlp import ResidualMLP

__all__ = ["ImageEncoder"]

_LARGEST = 8.0
"""Standardised moments beyond are cut: a companion may be a hundred times brighter than is usual."""


class ImageEncoder(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers has no types
    """Polar moments of the pixels and aperture photometry, then residual MLPs.

    Moments (`nn.polar`) are linear in the scaled image and turn with it, so that training sees every
    orientation of a galaxy for the price of a few multiplications, and learns from cached moments.

    Parameters
    ----------
    in_channels : int
        Bands C.
    image_size : int
        Pixels S of a side.
    radii_px, orders
        Of the moments.
    photometry_size : int
        Numbers P of standardised aperture photometry.
    width, depth : int
        Channels, which is the number of features, and residual blocks.
    embedding_size : int
        Length E of the embedding.

    """

    @register_to_config  # type: ignore[untyped-decorator]  # diffusers has no types
    def __init__(
        self,
        in_channels: int = 5,
        image_size: int = 64,
        radii_px: tuple[float, ...] = RADII_PX,
        orders: int = ORDERS,
        photometry_size: int = 49,
        width: int = 512,
        depth: int = 4,
        embedding_size: int = 256,
    ) -> None:
        super().__init__()
        basis = polar_basis(image_size, tuple(radii_px), orders)
        moments = len(basis.order)
        # no buffers: they are no weights, and in half precision sums over 4096 pixels would be noisy
        self._vectors, self._sign = torch.from_numpy(basis.vectors), torch.from_numpy(basis.sign)
        self._order, self._partner = torch.from_numpy(basis.order), torch.from_numpy(basis.partner)
        self.register_buffer("moment_mean", torch.zeros(in_channels, moments))
        self.register_buffer("moment_scale", torch.ones(in_channels, moments))
        self.project_in = nn.Linear(in_channels * moments + photometry_size, width)
        self.blocks = nn.Sequential(*(ResidualMLP(width, 2 * width) for _ in range(depth)))
        self.norm_out = nn.LayerNorm(width)
        self.head = nn.Sequential(nn.SiLU(), nn.Linear(width, embedding_size))

    @torch.no_grad()
    def fit_moments(self, moments: Tensor) -> None:
        """Learn mean and scale of moments (N, C, Q) over a training set, the same in every orientation."""
        rms = moments.square().mean(dim=0).sqrt()
        paired = ((rms**2 + rms[:, self._partner] ** 2) / 2).sqrt()
        is_round = self._order == 0
        mean = torch.where(is_round, moments.mean(dim=0), 0.0)
        scale = torch.where(is_round, moments.std(dim=0), paired)
        self.moment_mean.copy_(mean)
        self.moment_scale.copy_(scale.clamp(min=1e-6))

    def project(self, image: Tensor) -> Tensor:
        """Moments (B, C, Q) float32 of images (B, C, S, S), as `fiberless.nn.polar.project` gives them."""
        return image.float().flatten(2) @ self._vectors.to(image.device)

    def turn(self, moments: Tensor, angle: Tensor, *, mirrored: Tensor) -> Tensor:
        """Moments (B, C, Q) of images turned by angles (B,) in rad; `mirrored` (B,) ones reflected before."""
        order, partner, sign = (part.to(moments.device) for part in (self._order, self._partner, self._sign))
        flip = torch.where(mirrored[:, None] & (sign > 0), -1.0, 1.0)[:, None]
        phase = (angle[:, None] * order)[:, None]
        reflected = moments * flip
        return phase.cos() * reflected + phase.sin() * sign * reflected[..., partner]

    def encode(self, moments: Tensor, photometry: Tensor) -> Tensor:
        """Features of images with moments (B, C, Q), see `forward`."""
        scaled = (moments - self.moment_mean.float()) / self.moment_scale.float()
        seen = cat([scaled.clamp(-_LARGEST, _LARGEST).flatten(1), photometry], dim=-1)
        features: Tensor = self.norm_out(self.blocks(self.project_in(seen.to(self.project_in.weight.dtype))))
        return features.float()

    def embed(self, features: Tensor) -> Tensor:
        """Embeddings (..., E) float32 of features (..., width), each of unit length, for the contrast."""
        embedding: Tensor = self.head(features.to(self.project_in.weight.dtype))
        return F.normalize(embedding.float(), dim=-1)

    def forward(self, image: Tensor, photometry: Tensor) -> Tensor:
        """Encode images.

        Parameters
        ----------
        image : (B, C, S, S) asinh-scaled
        photometry : (B, P) standardised

        Returns
        -------
        (B, width) float32 features

        """
        return self.encode(self.project(image), photometry)
