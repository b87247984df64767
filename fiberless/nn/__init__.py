"""The networks, one a file; each constructor is the network's configuration.

Constructor arguments are an on-disk format (`config.json`): add, never rename.
"""

from fiberless.nn.denoiser import LatentDenoiser
from fiberless.nn.image_encoder import ImageEncoder
from fiberless.nn.latent_encoder import LatentEncoder

__all__ = ["ImageEncoder", "LatentDenoiser", "LatentEncoder"]
