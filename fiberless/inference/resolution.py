"""Both resolutions of the cascade: 4500 pixels of 1 Å, and 563 that are the means of 8 of them.

Imports torch only.
"""

from typing import Final

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

__all__ = ["FACTOR", "HIGH_PIXELS", "LOW_PIXELS", "raised", "to_low"]

HIGH_PIXELS: Final = 4500
FACTOR: Final = 8
LOW_PIXELS: Final = -(-HIGH_PIXELS // FACTOR)


def to_low(spectra: Tensor) -> Tensor:
    """Mean of each 8 pixels of spectra (N, 4500), of 4 in the last: (N, 563).

    The paper takes every eighth pixel, which a narrow line can slip through.
    """
    missing = -spectra.shape[-1] % FACTOR
    padded = F.pad(spectra, (0, missing))
    sums = padded.reshape(*padded.shape[:-1], -1, FACTOR).sum(dim=-1)
    counts = sums.new_full((sums.shape[-1],), FACTOR)
    counts[-1] -= missing
    return sums / counts


def raised(low: Tensor) -> Tensor:
    """Spectra (N, 563) on the pixels of the full resolution, linear between centres: (N, 4500)."""
    fine = F.interpolate(low[:, None], scale_factor=float(FACTOR), mode="linear", align_corners=False)
    return fine[:, 0, :HIGH_PIXELS]
