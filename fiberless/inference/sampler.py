"""DPM-Solver++(2M) on data prediction, and the noise that it starts from: one seed a galaxy."""

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
import torch
from torch import Tensor

__all__ = ["SIGMA_MAX", "SIGMA_MIN", "Denoise", "Seeds", "initial_noise", "noise_levels", "sample"]

SIGMA_MAX: Final = 40.0
SIGMA_MIN: Final = 0.01
"""A minimum of 0.03 would lose the variance of the sharpest latent dimensions."""

Denoise: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(x (B, K, D), sigma ()) to the expected clean x."""
Seeds: TypeAlias = Sequence[tuple[int, str]]
"""Of each of B galaxies: the seed that was asked for, and the sha256 of the cutout."""


def noise_levels(steps: int) -> list[float]:
    """Noise levels from `SIGMA_MAX` to `SIGMA_MIN`, equal in ln σ, one an evaluation.

    EDM's spacing with ρ = 7 over-disperses by several per cent at so few steps.
    """
    ratio = SIGMA_MIN / SIGMA_MAX
    return [SIGMA_MAX * ratio ** (i / (steps - 1)) for i in range(steps)]


def sample(denoise: Denoise, noise: Tensor, steps: int) -> Tensor:
    """Draw from the distribution that a denoiser has learned.

    Algorithm 2 of Lu et al. 2022 (arXiv 2211.01095) with α = 1 and λ = −ln σ; the last evaluation, at
    `SIGMA_MIN`, is the answer.

    Parameters
    ----------
    denoise : x_θ(x, σ)
    noise : (B, K, D) unit normal
    steps : int
        Evaluations of `denoise`, at least 2.

    Returns
    -------
    (B, K, D)

    """
    sigma = noise_levels(steps)
    x = sigma[0] * noise
    x_theta = denoise(x, noise.new_tensor(sigma[0]))
    D = x_theta  # the first step is of first order
    h_before = math.inf
    for i in range(1, steps):
        h = math.log(sigma[i - 1] / sigma[i])
        x = (sigma[i] / sigma[i - 1]) * x - math.expm1(-h) * D
        x_theta, x_theta_before = denoise(x, noise.new_tensor(sigma[i])), x_theta
        r = h_before / h
        D = (1 + 1 / (2 * r)) * x_theta - 1 / (2 * r) * x_theta_before
        h_before = h
    return x_theta


def initial_noise(seeds: Seeds, candidates: int, size: int) -> Tensor:
    """Draw unit normal noise from each galaxy's own seed and image, and from nothing else.

    Philox with all 128 bits of its key (Salmon et al. 2011): torch's CPU generator keeps 32 bits of a seed,
    so two of 10^5 galaxies would share their noise. Candidate k is the same for every K above k.

    Parameters
    ----------
    seeds : of B galaxies
    candidates, size : K and D

    Returns
    -------
    (B, K, D) float32 on the CPU

    """
    rows = [_generator(*pair).standard_normal((candidates, size), dtype=np.float32) for pair in seeds]
    return torch.from_numpy(np.stack(rows))


def _generator(seed: int, cutout_sha256: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}:{cutout_sha256}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
