"""`SpectrumContrast`: how well a spectrum and an image go together; one network for each resolution."""

import math

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, cat, nn
from torch.nn import functional as F  # noqa: N812

from fiberless.nn.resnet import ResNet

__all__ = ["SpectrumContrast"]


class SpectrumContrast(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers has no types
    """An image tower and a spectrum tower that embed in one space (NT-Xent; Doorenbos et al. 2024).

    Defaults are the paper's sizes: ResNet-50 for both, 43.5 million parameters.

    Parameters
    ----------
    embedding_size : int
        Length E of the embeddings.
    hidden : int
        Units between a tower's mean and its embedding.
    image_widths, image_depths, image_bottleneck, image_pooled_stem
        Of the image tower's `ResNet`.
    spectrum_widths, spectrum_depths, spectrum_bottleneck
        Of the spectrum tower's.
    photometry_size : int
        Numbers of aperture photometry that the image tower's head sees as well; 0: pixels alone.
    temperature : float
        Of the contrast, before it is learned.

    """

    @register_to_config  # type: ignore[untyped-decorator]  # diffusers has no types
    def __init__(  # noqa: PLR0913, PLR0917 - each is an entry of config.json
        self,
        embedding_size: int = 256,
        hidden: int = 864,
        image_widths: tuple[int, ...] = (64, 128, 256, 512),
        image_depths: tuple[int, ...] = (3, 4, 6, 3),
        image_bottleneck: bool = True,  # noqa: FBT001, FBT002 - diffusers passes the configuration by name
        image_pooled_stem: bool = True,  # noqa: FBT001, FBT002 - the same
        spectrum_widths: tuple[int, ...] = (64, 128, 256, 512),
        spectrum_depths: tuple[int, ...] = (3, 4, 6, 3),
        spectrum_bottleneck: bool = True,  # noqa: FBT001, FBT002 - the same
        photometry_size: int = 0,
        temperature: float = 0.05,
    ) -> None:
        super().__init__()
        self.image = ResNet(
            5,
            image_widths,
            image_depths,
            dimensions=2,
            bottleneck=image_bottleneck,
            pooled_stem=image_pooled_stem,
        )
        self.spectrum = ResNet(
            1, spectrum_widths, spectrum_depths, dimensions=1, bottleneck=spectrum_bottleneck
        )
        self.image_head = _head(self.image.out_channels + photometry_size, hidden, embedding_size)
        self.spectrum_head = _head(self.spectrum.out_channels, hidden, embedding_size)
        self.ln_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def embed_image(self, image: Tensor, photometry: Tensor) -> Tensor:
        """Embed images.

        Parameters
        ----------
        image : (B, 5, 64, 64) asinh-scaled
        photometry : (B, P) standardised; not looked at where the configuration has no photometry

        Returns
        -------
        (B, E) float32, each row of unit length

        """
        dtype = next(self.image_head.parameters()).dtype
        pooled = self.image(image.to(dtype)).mean(dim=(2, 3))
        if self.config.photometry_size:
            pooled = cat([pooled, photometry.to(pooled.dtype)], dim=-1)
        return F.normalize(self.image_head(pooled).float(), dim=-1)

    def embed_spectrum(self, spectrum: Tensor) -> Tensor:
        """Embed standardised spectra (N, L) of any brightness: (N, E) float32, each row of unit length.

        A spectrum's mean is taken off: with it, the contrast would match little but brightness.
        """
        shape = spectrum.float() - spectrum.float().mean(dim=-1, keepdim=True)
        dtype = next(self.spectrum_head.parameters()).dtype
        features = self.spectrum(shape[:, None].to(dtype))
        return F.normalize(self.spectrum_head(features.mean(dim=-1)).float(), dim=-1)

    def forward(self, image: Tensor, photometry: Tensor, spectrum: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (B, E) of images and of their spectra, and nothing else."""
        return self.embed_image(image, photometry), self.embed_spectrum(spectrum)


def _head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.SiLU(), nn.Linear(hidden, outputs))
