"""`ResNet`: residual convolutions over images or spectra, the towers and token encoders of the cascade."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["ResNet", "normalisation"]

_CHANNELS_PER_GROUP = 16
_EXPANSION = 4
_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d}
_POOLS = {1: nn.MaxPool1d, 2: nn.MaxPool2d}


def normalisation(channels: int) -> nn.GroupNorm:
    """Normalise groups of 16 channels of each galaxy; batch statistics would tie galaxies together."""
    return nn.GroupNorm(max(1, channels // _CHANNELS_PER_GROUP), channels)


class ResNet(nn.Module):
    """Residual network of He et al. 2016 (arXiv 1512.03385, table 1) in one or two dimensions.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    widths : sequence of int
        Inner channels of each stage; every stage but the first halves the length.
    depths : sequence of int
        Blocks of each stage: (2, 2, 2, 2) is ResNet-18, (3, 4, 6, 3) with a bottleneck ResNet-50.
    dimensions : int
        1 for spectra, 2 for images.
    bottleneck : bool
        Blocks of 1, 3, 1 pixels, the last of four times the width, in place of two of 3.
    pooled_stem : bool
        Whether a maximum over 3 pixels halves the length once more after the first convolution.

    """

    def __init__(
        self,
        in_channels: int,
        widths: Sequence[int],
        depths: Sequence[int],
        *,
        dimensions: int,
        bottleneck: bool = False,
        pooled_stem: bool = True,
    ) -> None:
        super().__init__()
        convolution = _CONVOLUTIONS[dimensions]
        channels = widths[0]
        layers: list[nn.Module] = [
            convolution(in_channels, channels, 7, stride=2, padding=3, bias=False),
            normalisation(channels),
            nn.ReLU(),
        ]
        if pooled_stem:
            layers.append(_POOLS[dimensions](3, stride=2, padding=1))
        block = _Bottleneck if bottleneck else _Basic
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            for number in range(depth):
                stride = 2 if stage and not number else 1
                layers.append(block(convolution, channels, width, stride))
                channels = width * (_EXPANSION if bottleneck else 1)
        self.layers = nn.Sequential(*layers)
        self.out_channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Features (N, out_channels, ...) of inputs (N, in_channels, ...)."""
        features: Tensor = self.layers(x)
        return features


class _Residual(nn.Module):
    """A branch beside the identity, or beside a 1-pixel convolution where shapes change."""

    def __init__(self, convolution: type[nn.Module], before: int, after: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential()
        self.shortcut = nn.Sequential()
        if stride > 1 or before != after:
            self.shortcut.append(convolution(before, after, 1, stride=stride, bias=False))
            self.shortcut.append(normalisation(after))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.shortcut(x))


class _Basic(_Residual):
    def __init__(self, convolution: type[nn.Module], before: int, width: int, stride: int) -> None:
        super().__init__(convolution, before, width, stride)
        self.branch.extend(
            (
                convolution(before, width, 3, stride=stride, padding=1, bias=False),
                normalisation(width),
                nn.ReLU(),
                convolution(width, width, 3, padding=1, bias=False),
                normalisation(width),
            )
        )


class _Bottleneck(_Residual):
    def __init__(self, convolution: type[nn.Module], before: int, width: int, stride: int) -> None:
        after = _EXPANSION * width
        super().__init__(convolution, before, after, stride)
        self.branch.extend(
            (
                convolution(before, width, 1, bias=False),
                normalisation(width),
                nn.ReLU(),
                convolution(width, width, 3, stride=stride, padding=1, bias=False),
                normalisation(width),
                nn.ReLU(),
                convolution(width, after, 1, bias=False),
                normalisation(after),
            )
        )
