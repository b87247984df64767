"""`SpectrumUNet`: predicts the noise in a noisy spectrum; one each for low and for full resolution."""

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import Timesteps
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from fiberless.nn.cosine_schedule import TIMESTEPS, training_schedule
from fiberless.nn.image_tokens import ImageTokens
from fiberless.nn.resnet import normalisation

__all__ = ["SpectrumUNet"]

_CHANNELS_PER_HEAD = 32
_TIME_SCALE = 4.0
"""Timesteps run to 250; the sinusoids of Vaswani et al. 2017 (arXiv 1706.03762) are made for about 1,000."""


class SpectrumUNet(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers has no types
    """One-dimensional U-Net with cross-attention to image tokens (Doorenbos et al. 2024, arXiv 2406.18175).

    Defaults are the paper's sizes: 35.9 million parameters, ResNet-18 included.

    Parameters
    ----------
    in_channels : int
        1; or 2 where the second channel is the spectrum of low resolution, raised to this one.
    widths : tuple of int
        Channels that each level ends with; every level but the last halves the length.
    blocks : int
        Residual blocks of a level, on the way down and on the way up.
    time_size : int
        Length of the embedding of the timestep.
    patch : int
        Pixels that the first convolution joins and the last one parts; 1, or an even number.
    image_widths, image_depths, image_pooled_stem
        Of the ResNet that makes tokens.
    photometry_size : int
        Numbers of aperture photometry among the conditions; 0: pixels alone.
    preconditioned : bool
        Whether the layers add to the best guess for a unit normal, ε = √(1 − ᾱ) x (as in v-prediction,
        Salimans & Ho 2022, arXiv 2202.00512, appendix D), which keeps spectra finite where ᾱ vanishes; the
        paper's do not.
    timesteps : int
        Of the cosine schedule.

    """

    @register_to_config  # type: ignore[untyped-decorator]  # diffusers has no types
    def __init__(  # noqa: PLR0913, PLR0917 - each is an entry of config.json
        self,
        in_channels: int = 1,
        widths: tuple[int, ...] = (64, 128, 256, 512),
        blocks: int = 2,
        time_size: int = 864,
        patch: int = 1,
        image_widths: tuple[int, ...] = (64, 128, 256, 512),
        image_depths: tuple[int, ...] = (2, 2, 2, 2),
        image_pooled_stem: bool = True,  # noqa: FBT001, FBT002 - diffusers passes the configuration by name
        photometry_size: int = 0,
        preconditioned: bool = False,  # noqa: FBT001, FBT002 - the same
        timesteps: int = TIMESTEPS,
    ) -> None:
        super().__init__()
        self.image = ImageTokens(
            widths=image_widths,
            depths=image_depths,
            pooled_stem=image_pooled_stem,
            photometry_size=photometry_size,
        )
        self.waves = Timesteps(time_size, flip_sin_to_cos=True, downscale_freq_shift=0, scale=_TIME_SCALE)
        self.time = nn.Sequential(nn.Linear(time_size, time_size), nn.SiLU(), nn.Linear(time_size, time_size))
        self.context = nn.Linear(self.image.size, time_size) if photometry_size else None
        self.stem = _stem(in_channels, widths[0], patch)
        tokens = self.image.size
        inner = (widths[0], *widths[:-1])
        size = {"blocks": blocks, "time_size": time_size, "tokens": tokens}
        self.down = nn.ModuleList(_Level(width, width, **size) for width in inner)
        last = len(widths) - 1
        self.shorten = nn.ModuleList(
            nn.Conv1d(before, after, 4, stride=2, padding=1)
            if depth < last
            else nn.Conv1d(before, after, 3, padding=1)
            for depth, (before, after) in enumerate(zip(inner, widths, strict=True))
        )
        self.middle = _Middle(widths[-1], time_size=time_size, tokens=tokens)
        self.up = nn.ModuleList(
            _Level(after, after, skip=before, **size)
            for before, after in zip(reversed(inner), reversed(widths), strict=True)
        )
        self.lengthen = nn.ModuleList(
            nn.ConvTranspose1d(after, before, 4, stride=2, padding=1)
            if depth < last
            else nn.Conv1d(after, before, 3, padding=1)
            for depth, (before, after) in enumerate(zip(reversed(inner), reversed(widths), strict=True))
        )
        self.norm_out = normalisation(widths[0])
        self.head = _head(widths[0], patch)
        nn.init.zeros_(self.head.weight)
        signal = training_schedule(timesteps).alphas_cumprod.double()
        # no buffer: in half precision the smallest would vanish
        self._levels = torch.stack([(1 - signal).sqrt(), signal.sqrt()]).float() if preconditioned else None
        self._multiple = patch * 2 ** (len(widths) - 1)

    def encode_image(self, image: Tensor, photometry: Tensor) -> Tensor:
        """Tokens (B, T, E) of images (B, 5, 64, 64) and photometry (B, P): once a galaxy, for all steps."""
        tokens: Tensor = self.image(image, photometry)
        return tokens

    def forward(self, x: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
        """Predict the unit normal noise in spectra.

        Parameters
        ----------
        x : (N, in_channels, L) standardised; noisy spectra first
        timestep : (N,) 0 … 249
        tokens : (N, T, E) of `encode_image`, each galaxy's for each of its candidates

        Returns
        -------
        (N, L) float32

        """
        dtype = self.head.weight.dtype
        length = x.shape[-1]
        h = self.stem(F.pad(x.to(dtype), (0, -length % self._multiple), mode="replicate"))
        tokens = tokens.to(dtype)
        time = self._time(timestep, tokens)
        skips: list[Tensor] = []
        for level, shorten in zip(self.down, self.shorten, strict=True):
            h = shorten(level(h, time, tokens, kept=skips))
        h = self.middle(h, time, tokens)
        for level, lengthen in zip(self.up, self.lengthen, strict=True):
            h = lengthen(level(h, time, tokens, given=skips))
        found: Tensor = self.head(F.silu(self.norm_out(h)))[:, 0, :length].float()
        if self._levels is None:
            return found
        guess, rest = _between(self._levels.to(x.device), timestep.float())
        return guess[:, None] * x[:, 0].float() + rest[:, None] * found

    def _time(self, timestep: Tensor, tokens: Tensor) -> Tensor:
        """Embedding (N, time_size) of the timestep, and of the photometry's token where there is one."""
        time: Tensor = self.time(self.waves(timestep).to(self.head.weight.dtype))
        if self.context is not None:
            time = time + self.context(tokens[:, -1])
        return F.silu(time)


def _between(table: Tensor, place: Tensor) -> Tensor:
    """Columns of (2, T) at places (N,) that may lie between two: (2, N)."""
    below = place.floor().long().clamp(0, table.shape[1] - 1)
    above = (below + 1).clamp(max=table.shape[1] - 1)
    return torch.lerp(table[:, below], table[:, above], place - below)


def _stem(in_channels: int, width: int, patch: int) -> nn.Conv1d:
    if patch == 1:
        return nn.Conv1d(in_channels, width, 7, padding=3)
    return nn.Conv1d(in_channels, width, 2 * patch, stride=patch, padding=patch // 2)


def _head(width: int, patch: int) -> nn.Conv1d | nn.ConvTranspose1d:
    if patch == 1:
        return nn.Conv1d(width, 1, 3, padding=1)
    return nn.ConvTranspose1d(width, 1, 2 * patch, stride=patch, padding=patch // 2)


class _ConvBlock(nn.Module):
    """Two convolutions, the second normalised, scaled and shifted by the timestep, beside a shortcut."""

    def __init__(self, before: int, after: int, time_size: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = normalisation(before), normalisation(after)
        self.conv_1 = nn.Conv1d(before, after, 3, padding=1)
        self.conv_2 = nn.Conv1d(after, after, 3, padding=1)
        self.time = nn.Linear(time_size, 2 * after)
        self.shortcut = nn.Conv1d(before, after, 1) if before != after else nn.Identity()
        nn.init.zeros_(self.conv_2.weight)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.time(time)[..., None].chunk(2, dim=1)
        h = self.conv_1(F.silu(self.norm_1(x)))
        change: Tensor = self.conv_2(F.silu(self.norm_2(h) * (1 + scale) + shift))
        out: Tensor = self.shortcut(x) + change
        return out


class _Looking(nn.Module):
    """Attention of each pixel to the tokens, or to all pixels where there are none."""

    def __init__(self, width: int, tokens: int | None) -> None:
        super().__init__()
        self.norm = normalisation(width)
        head = min(width, _CHANNELS_PER_HEAD)
        self.attention = Attention(width, cross_attention_dim=tokens, heads=width // head, dim_head=head)

    def forward(self, x: Tensor, tokens: Tensor | None = None) -> Tensor:
        seen: Tensor = self.attention(self.norm(x).transpose(1, 2), encoder_hidden_states=tokens)
        return x + seen.transpose(1, 2)


class _Level(nn.Module):
    """Residual blocks of one length, then one look at the tokens."""

    def __init__(
        self, before: int, after: int, blocks: int, *, time_size: int, tokens: int, skip: int = 0
    ) -> None:
        super().__init__()
        inputs = [before] + [after] * (blocks - 1)
        self.blocks = nn.ModuleList(_ConvBlock(width + skip, after, time_size) for width in inputs)
        self.looking = _Looking(after, tokens)

    def forward(
        self,
        x: Tensor,
        time: Tensor,
        tokens: Tensor,
        *,
        kept: list[Tensor] | None = None,
        given: list[Tensor] | None = None,
    ) -> Tensor:
        for block in self.blocks:
            x = block(x if given is None else torch.cat([x, given.pop()], dim=1), time)
            if kept is not None:
                kept.append(x)
        out: Tensor = self.looking(x, tokens)
        return out


class _Middle(nn.Module):
    """The shortest length: a block, a look at all pixels, one at the tokens, a block."""

    def __init__(self, width: int, *, time_size: int, tokens: int) -> None:
        super().__init__()
        self.first, self.last = (
            _ConvBlock(width, width, time_size),
            _ConvBlock(width, width, time_size),
        )
        self.around, self.looking = _Looking(width, None), _Looking(width, tokens)

    def forward(self, x: Tensor, time: Tensor, tokens: Tensor) -> Tensor:
        h = self.looking(self.around(self.first(x, time)), tokens)
        out: Tensor = self.last(h, time)
        return out
