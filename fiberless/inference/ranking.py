"""Which candidate is shown: the best by contrastive score, or the medoid."""

from torch import Tensor

__all__ = ["contrastive_score", "medoid"]


def contrastive_score(image_embedding: Tensor, latent_embedding: Tensor) -> Tensor:
    """Cosine between an image and each of its candidates.

    Parameters
    ----------
    image_embedding : (B, E) unit length
    latent_embedding : (B, K, E) unit length

    Returns
    -------
    (B, K) in −1 … 1

    """
    return (latent_embedding * image_embedding[:, None]).sum(dim=-1)


def medoid(latents: Tensor) -> Tensor:
    """Index (B,) of the candidate closest to the mean of its galaxy's (B, K, D) standardised latents."""
    away = latents - latents.mean(dim=1, keepdim=True)
    return away.square().sum(dim=-1).argmin(dim=1)
