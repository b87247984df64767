"""`ImageTokens`: five-band image, and photometry if a configuration says so, to tokens to attend to."""

from collections.abc import Sequence

from torch import Tensor, cat, nn

from fiberless.nn.resnet import ResNet

__all__ = ["ImageTokens"]


class ImageTokens(nn.Module):
    """A token for each place of a residual network's last map; one more for the photometry.

    Parameters
    ----------
    widths, depths, bottleneck, pooled_stem
        Of the `ResNet`.
    photometry_size : int
        Numbers P of standardised aperture photometry; 0 for a network that sees the pixels alone, as the
        paper's does.
    in_channels : int
        Bands C.

    """

    def __init__(
        self,
        *,
        widths: Sequence[int],
        depths: Sequence[int],
        bottleneck: bool = False,
        pooled_stem: bool = True,
        photometry_size: int = 0,
        in_channels: int = 5,
    ) -> None:
        super().__init__()
        self.trunk = ResNet(
            in_channels, widths, depths, dimensions=2, bottleneck=bottleneck, pooled_stem=pooled_stem
        )
        self.size = self.trunk.out_channels
        self.photometry = (
            nn.Sequential(nn.Linear(photometry_size, self.size), nn.SiLU(), nn.Linear(self.size, self.size))
            if photometry_size
            else None
        )

    def forward(self, image: Tensor, photometry: Tensor) -> Tensor:
        """Encode images.

        Parameters
        ----------
        image : (B, C, 64, 64) asinh-scaled
        photometry : (B, P) standardised; not looked at where the configuration has no photometry

        Returns
        -------
        (B, T, size) in the dtype of the weights (or of autocast)

        """
        dtype = next(self.parameters()).dtype
        tokens = self.trunk(image.to(dtype)).flatten(2).transpose(1, 2)
        if self.photometry is None:
            return tokens
        told: Tensor = self.photometry(photometry.to(dtype))
        return cat([tokens, told[:, None].to(tokens.dtype)], dim=1)
