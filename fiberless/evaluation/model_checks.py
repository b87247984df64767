"""Checks of a latent model's parts: retrieval by its towers, few sampling steps against many, its basis."""

from typing import Final

import numpy as np
import torch

from fiberless.arrays import FloatArray
from fiberless.contract import DEFAULT_CANDIDATES
from fiberless.inference.basis import SpectralBasis, ln_mean_flux, without_amplitude
from fiberless.inference.conditioning import Conditions
from fiberless.inference.latent import LatentFamily
from fiberless.inference.sampler import initial_noise

__all__ = ["basis_rms", "retrieval_of", "width_ratio"]

_MANY_STEPS: Final = 100
_BLOCK: Final = 500


@torch.inference_mode()
def retrieval_of(
    family: LatentFamily, conditions: Conditions, true_latent: FloatArray
) -> tuple[dict[str, float], FloatArray]:
    """Rank of each image's own spectrum among up to 2,000 by contrastive score; own scores of all (n,)."""
    total = len(conditions)
    features = torch.cat([family.encode(conditions[i : i + 200]) for i in range(0, total, 200)])
    image = family.image_encoder.embed(features)
    # an unknown quantity is read as the mean, as in training
    latents = torch.from_numpy(np.nan_to_num(without_amplitude(true_latent))).to(image.device)
    latent = family.latent_encoder(latents)
    own = (image * latent).sum(dim=1)
    n = min(2000, total)
    rank = (image[:n] @ latent[:n].T > own[:n, None]).sum(dim=1) + 1
    summary = {
        "n": n,
        "top_1": round(float((rank == 1).float().mean()), 4),
        "median_rank": float(rank.float().median()),
    }
    return summary, own.cpu().numpy()


def width_ratio(
    family: LatentFamily, conditions: Conditions, *, steps: int, n_candidates: int = DEFAULT_CANDIDATES
) -> FloatArray:
    """Standard deviation of samples after `steps` evaluations over that after 100, by latent dimension. (D,)

    Pooled over the galaxies, from the same noise, so that few galaxies tell.
    """
    features = family.encode(conditions)
    seeds = [(1, f"width-{i}") for i in range(len(conditions))]
    noise = initial_noise(seeds, n_candidates, family.latent_size)
    few, many = (
        family.draw(conditions, features, noise, count).cpu().numpy().var(axis=1, ddof=1).mean(axis=0)
        for count in (steps, _MANY_STEPS)
    )
    ratio: FloatArray = np.sqrt(few / many)
    return ratio


def basis_rms(basis: SpectralBasis, ln_flux_rest: FloatArray) -> float:
    """Root mean square of decoded − true ln F_λ of (N, 3902) noiseless spectra, normalised alike."""
    total, count = 0.0, 0
    for start in range(0, len(ln_flux_rest), _BLOCK):
        rows = ln_flux_rest[start : start + _BLOCK]
        again = basis.decode(basis.whiten(basis.encode(rows)))
        away = again - rows + ln_mean_flux(rows)[:, None]
        total, count = total + float(np.sum(away**2, dtype=np.float64)), count + away.size
    return float(np.sqrt(total / count))
