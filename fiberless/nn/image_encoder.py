"""`ImageEncoder`: five-band image and aperture photometry to a unit vector."""

from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, cat, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["ImageEncoder"]

_CHANNELS_PER_GROUP = 8


def _normalisation(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(max(1, channels // _CHANNELS_PER_GROUP), channels)


class _ResidualBlock(nn.Module):
    """Two 3×3 convolutions, pre-activated, beside the identity (He et al. 2016, arXiv 1603.05027)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm_1 = _normalisation(channels)
        self.conv_1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm_2 = _normalisation(channels)
        self.conv_2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_1(F.silu(self.norm_1(x)))
        change: Tensor = self.conv_2(F.silu(self.norm_2(h)))
        return x + change


class _Pooling(nn.Module):
    """Mean over the pixels beside their average under one learned attention map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attention = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.attention(x).flatten(2).float().softmax(dim=-1).to(x.dtype)
        pixels = x.flatten(2)
        return cat([pixels.mean(dim=-1), (pixels * weight).sum(dim=-1)], dim=-1)


class ImageEncoder(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers has no types
    """Convolutions down to 4×4 pixels, mean and attention pooling, and a head that also sees the photometry.

    Parameters
    ----------
    in_channels : int
        Bands C.
    widths : tuple of int
        Channels after each stage; every stage halves the image.
    photometry_size : int
        Numbers P of standardised aperture photometry.
    embedding_size : int
        Length E of the embedding.

    """

    @register_to_config  # type: ignore[untyped-decorator]  # diffusers has no types
    def __init__(
        self,
        in_channels: int = 5,
        widths: tuple[int, ...] = (32, 64, 128, 128),
        photometry_size: int = 49,
        embedding_size: int = 256,
    ) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for before, after in zip((in_channels, *widths[:-1]), widths, strict=True):
            stages += [nn.Conv2d(before, after, 3, stride=2, padding=1), _ResidualBlock(after)]
        self.stages = nn.Sequential(*stages, _normalisation(widths[-1]), nn.SiLU())
        self.pooling = _Pooling(widths[-1])
        self.head = nn.Sequential(
            nn.Linear(2 * widths[-1] + photometry_size, embedding_size),
            nn.SiLU(),
            nn.Linear(embedding_size, embedding_size),
        )

    def forward(self, image: Tensor, photometry: Tensor) -> Tensor:
        """Embed images.

        Parameters
        ----------
        image : (B, C, 64, 64) asinh-scaled
        photometry : (B, P) standardised

        Returns
        -------
        (B, E) float32, each row of unit length

        """
        dtype = self.pooling.attention.weight.dtype
        pooled = self.pooling(self.stages(image.to(dtype)))
        embedding: Tensor = self.head(cat([pooled, photometry.to(dtype)], dim=-1))
        return F.normalize(embedding.float(), dim=-1)
