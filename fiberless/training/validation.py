"""How far a training is, on a few galaxies of the validation set."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from fiberless.arrays import FloatArray, IntArray
from fiberless.inference.basis import LatentScaler, without_amplitude
from fiberless.inference.family import contrastive_score
from fiberless.inference.sampler import sample
from fiberless.nn import LatentDenoiser
from fiberless.training.contrastive import ContrastiveTowers, pairs
from fiberless.training.diffusion import DenoiserData
from fiberless.training.prepared import Prepared

__all__ = ["ContrastValidation", "DenoiserValidation", "validate_contrast", "validate_denoiser"]

RETRIEVAL_ROWS: Final = 500
_GALAXIES: Final = 256
_CANDIDATES: Final = 16
_STEPS: Final = 12
_TINY: Final = 1e-9
"""Instead of the variance of a single galaxy, which is none."""


@dataclass(frozen=True, eq=False)
class ContrastValidation:
    """Where each image's own spectrum ranks among all validated ones, by contrastive score.

    Parameters
    ----------
    ranks : (N,) from 1, the best
    """

    ranks: IntArray

    def summary(self) -> dict[str, float]:
        """Numbers for a title and for `<stage>-<step>.json`."""
        return {
            "n": len(self.ranks),
            "top_1": round(float((self.ranks == 1).mean()), 4),
            "median_rank": float(np.median(self.ranks)),
        }


@dataclass(frozen=True, eq=False)
class DenoiserValidation:
    """K latents drawn for each of B galaxies, beside the true ones.

    Parameters
    ----------
    true : (B, D) latents, NaN where unknown
    drawn : (B, K, D)
    true_redshift, redshift : (B,) and (B, K)
    score_rank : (B,) share of a galaxy's candidates with a lower contrastive score than the truth's
    """

    true: FloatArray
    drawn: FloatArray
    true_redshift: FloatArray
    redshift: FloatArray
    score_rank: FloatArray

    def ranks(self) -> FloatArray:
        """Share of the candidates below the truth, (B, D); NaN where the truth is unknown."""
        below = (self.drawn < self.true[:, None]).mean(axis=1)
        return np.where(np.isnan(self.true), np.nan, below)

    def spread(self) -> FloatArray:
        """Standard deviation of all candidates over that of the true latents, (D,): 1 when trained."""
        size = self.drawn.shape[-1]
        known = ~np.isnan(self.true)
        true = [self.true[known[:, i], i].std() if known[:, i].any() else 1.0 for i in range(size)]
        spread: FloatArray = self.drawn.reshape(-1, size).std(axis=0) / np.maximum(true, _TINY)
        return spread

    def summary(self) -> dict[str, float]:
        """Numbers for a title and for `<stage>-<step>.json`."""
        error = np.median(self.redshift, axis=1) - self.true_redshift
        nmad = 1.4826 * np.median(np.abs(error - np.median(error)) / (1 + self.true_redshift))
        spread = self.spread()
        return {
            "n": len(self.true),
            "redshift_nmad": round(float(nmad), 5),
            "redshift_r2": round(1 - float((error**2).mean() / max(self.true_redshift.var(), _TINY)), 4),
            "score_rank": round(float(self.score_rank.mean()), 4),
            "spread_lowest": round(float(spread.min()), 4),
            "spread_highest": round(float(spread.max()), 4),
        }


def validate_contrast(towers: ContrastiveTowers, data: Prepared, device: torch.device) -> ContrastValidation:
    """Retrieve the first `RETRIEVAL_ROWS` galaxies' spectra among each other."""
    image, photometry, latent = pairs(data, np.arange(min(RETRIEVAL_ROWS, len(data.latent))), device)
    images, latents = towers.embed(towers.encode(image, photometry), latent)
    score = images @ latents.T
    ranks = (score > score.diagonal()[:, None]).sum(dim=1) + 1
    return ContrastValidation(ranks.cpu().numpy())


def validate_denoiser(
    denoiser: LatentDenoiser,
    data: DenoiserData,
    *,
    towers: ContrastiveTowers,
    features: Tensor,
    latent_scaler: LatentScaler,
    seed: int,
) -> DenoiserValidation:
    """Draw candidates for the first galaxies, always from the same noise.

    Parameters
    ----------
    data : of galaxies not trained on, as the denoiser sees them
    towers : to score latents with
    features : (N, W) of the same images as the tower gives them, on the device

    """
    few = data.rows(slice(_GALAXIES))
    size = few.latent.shape[1]
    condition = denoiser.encode_condition(few.features[0].float(), few.photometry)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((len(few.latent), _CANDIDATES, size), generator=generator).to(few.latent.device)

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        clean: Tensor = denoiser.denoise(x, sigma.expand(len(x), 1), condition[:, None])
        return clean

    drawn = sample(denoise, noise, _STEPS)
    known = torch.where(few.latent.isnan(), 0.0, few.latent)
    image = towers.image_encoder.embed(features[:_GALAXIES].float())
    spectra = towers.latent_encoder(without_amplitude(torch.cat([known[:, None], drawn], dim=1)))
    score = contrastive_score(image, spectra)
    true, candidates = few.latent.cpu().numpy(), drawn.cpu().numpy()
    return DenoiserValidation(
        true=true,
        drawn=candidates,
        true_redshift=latent_scaler.from_latent(true).redshift,
        redshift=latent_scaler.from_latent(candidates).redshift,
        score_rank=(score[:, 1:] < score[:, :1]).float().mean(dim=1).cpu().numpy(),
    )
