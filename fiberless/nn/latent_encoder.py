"""`LatentEncoder`: latent vector of a spectrum to a unit vector, the spectrum tower of the contrast."""

from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

__all__ = ["LatentEncoder"]


class LatentEncoder(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers has no types
    """MLP on the latent without its amplitude: with it, the contrast would match little but brightness.

    Parameters
    ----------
    latent_size : int
        Length of the latent without the amplitude, D − 1.
    embedding_size : int
        Length E of the embedding.
    width : int
        Hidden units of a layer.
    depth : int
        Hidden layers.

    """

    @register_to_config  # type: ignore[untyped-decorator]  # diffusers has no types
    def __init__(
        self, latent_size: int = 64, embedding_size: int = 256, width: int = 512, depth: int = 3
    ) -> None:
        super().__init__()
        self.project_in = nn.Linear(latent_size, width)
        layers: list[nn.Module] = []
        for _ in range(depth - 1):
            layers += [nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, width)]
        layers += [nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, embedding_size)]
        self.layers = nn.Sequential(*layers)

    def forward(self, latent: Tensor) -> Tensor:
        """Embed latents.

        Parameters
        ----------
        latent : (..., D − 1) standardised, without the amplitude

        Returns
        -------
        (..., E) float32, each row of unit length

        """
        embedding: Tensor = self.layers(self.project_in(latent.to(self.project_in.weight.dtype)))
        return F.normalize(embedding.float(), dim=-1)
