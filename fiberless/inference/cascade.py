"""`CascadeFamily`: the paper's model; spectra are drawn in pixels, first of low resolution, then of full.

Doorenbos et al. 2024 (arXiv 2406.18175): draw N spectra of low resolution, keep the n that go best with the
image, draw spectra of full resolution from those, keep the best. Here a caller asks for K candidates: N = K,
n is a share of them (`CascadeSampling.kept_share`), and K spectra of full resolution are drawn, K / n from
each that was kept. All K give the intervals; the best by the second contrast is what `select=contrastive`
shows. A share below one ranks, as the paper does, and makes intervals too narrow; one keeps them honest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from fiberless.analysis.redshift.candidates import measure_redshifts
from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.inference.conditioning import Conditions
from fiberless.inference.family import Candidates, Family, OnStep, SpectralGrid, contrastive_score, medoid
from fiberless.inference.noise_schedule import make_chain, step_generators
from fiberless.inference.sampler import Seeds, initial_noise
from fiberless.inference.spectrum_scaler import SpectrumScaler
from fiberless.nn.cosine_schedule import TIMESTEPS
from fiberless.nn.spectrum_contrast import SpectrumContrast
from fiberless.nn.spectrum_unet import SpectrumUNet

__all__ = [
    "HIGH_PIXELS",
    "LOW_PIXELS",
    "CascadeFamily",
    "CascadeSampling",
    "EncodedImages",
    "raised",
    "to_low",
]

HIGH_PIXELS: Final = 4500
"""Pixels of 1 Å."""
_FACTOR: Final = 8
LOW_PIXELS: Final = -(-HIGH_PIXELS // _FACTOR)
"""563 pixels that are the means of 8."""

_ROWS: Final = 64
"""Spectra that a network sees at once: bounds the memory; no result depends on it."""
_REACH: Final = 12.0
"""Standard deviations of the training set that a pixel may lie away: keeps every flux finite."""


class CascadeSampling(BaseModel):
    """How a version draws, stored beside its networks.

    The number of steps is the manifest's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheduler: str = Field(default="UniPCMultistepScheduler", description="Name of a diffusers scheduler")
    kept_share: float = Field(default=1.0, gt=0, le=1, description="Low-resolution candidates that go on")
    timesteps: int = Field(default=TIMESTEPS, gt=1, description="That the networks were trained at")


@dataclass(frozen=True, eq=False)
class EncodedImages:
    """What each of the four networks makes of B images: the only passes over the pixels.

    Parameters
    ----------
    tokens_low, tokens_high : (B, T, E)
    embedding_low, embedding_high : (B, E) of unit length

    """

    tokens_low: Tensor
    tokens_high: Tensor
    embedding_low: Tensor
    embedding_high: Tensor


@dataclass(frozen=True, eq=False)
class CascadeFamily(Family):
    """Networks and scalers of one version of the cascade, on one device."""

    low: SpectrumUNet
    high: SpectrumUNet
    contrast_low: SpectrumContrast
    contrast_high: SpectrumContrast
    scaler: SpectrumScaler
    sampling: CascadeSampling

    @property
    def _weight(self) -> Tensor:
        weight: Tensor = self.low.head.weight
        return weight

    @torch.inference_mode()
    def encode(self, conditions: Conditions) -> EncodedImages:
        """Show images to the networks, each once."""
        photometry = self.condition_scaler.scale_photometry(conditions.photometry)
        seen = self._to_device(conditions.image), self._to_device(photometry)
        return EncodedImages(
            self.low.encode_image(*seen),
            self.high.encode_image(*seen),
            self.contrast_low.embed_image(*seen),
            self.contrast_high.embed_image(*seen),
        )

    @torch.inference_mode()
    def draw_low(
        self,
        images: EncodedImages,
        seeds: Seeds,
        n: int,
        steps: int,
        *,
        tick: Callable[[], None] | None = None,
    ) -> Tensor:
        """Draw standardised spectra of low resolution. (B, n, 563) float32 on the device"""
        noise = initial_noise(seeds, n, LOW_PIXELS)
        return self._draw("low", images.tokens_low, seeds, noise, steps=steps, tick=tick)

    @torch.inference_mode()
    def keep_low(self, images: EncodedImages, low: Tensor, kept: int) -> Tensor:
        """Keep the spectra that go best with their image: (B, N, 563) to (B, kept, 563), best first."""
        score = contrastive_score(images.embedding_low, self._embed(self.contrast_low, low))
        best = score.argsort(dim=1, descending=True, stable=True)[:, :kept]
        return low.take_along_dim(best[..., None], dim=1)

    @torch.inference_mode()
    def draw_high(
        self,
        images: EncodedImages,
        seeds: Seeds,
        low: Tensor,
        steps: int,
        *,
        tick: Callable[[], None] | None = None,
    ) -> Tensor:
        """Draw a standardised spectrum of full resolution for each of low resolution.

        Parameters
        ----------
        images : of B galaxies
        seeds : of the same galaxies
        low : (B, K, 563) standardised
        steps : evaluations of the network
        tick : called after each evaluation of some of the rows

        Returns
        -------
        (B, K, 4500) float32 on the device

        """
        own = [(seed, f"{sha256}:high") for seed, sha256 in seeds]
        noise = initial_noise(own, low.shape[1], HIGH_PIXELS)
        return self._draw("high", images.tokens_high, seeds, noise, steps=steps, low=low, tick=tick)

    @torch.inference_mode()
    def score(self, images: EncodedImages, high: Tensor) -> Tensor:
        """Contrastive scores (B, K) of spectra (B, K, 4500)."""
        return contrastive_score(images.embedding_high, self._embed(self.contrast_high, high))

    def candidates(
        self, conditions: Conditions, seeds: Seeds, *, n: int, steps: int, on_step: OnStep | None = None
    ) -> Candidates:
        """Draw, rank and measure candidates in the observed frame; see `Family`.

        They have neither latents nor physical quantities, since pixels hold none; the medoid is that of
        standardised spectra of full resolution, and so are the scores.
        """
        images = self.encode(conditions)
        tick = _ticker(on_step, pieces=2 * -(-len(seeds) * n // _ROWS), steps=steps)
        low = self.draw_low(images, seeds, n, steps, tick=tick)
        if self.sampling.kept_share < 1:
            kept = max(1, round(self.sampling.kept_share * n))
            low = self.keep_low(images, low, kept)[:, torch.arange(n) % kept]
        high = self.draw_high(images, seeds, low, steps, tick=tick)
        spectra = high.cpu().numpy()
        none = np.zeros((*spectra.shape[:2], 0), np.float32)
        return Candidates(
            frame=SpectralGrid.OBSERVED,
            ln_flux=self.scaler.ln_flux(spectra, conditions.r_aperture_nmgy),
            redshift=self.redshift(spectra),
            physical=none,
            score=self.score(images, high).cpu().numpy(),
            medoid=medoid(high).cpu().numpy(),
            latent=none,
        )

    def redshift(self, spectra: FloatArray) -> FloatArray:
        """Redshifts (B, K) measured on standardised spectra (B, K, 4500): pixels carry none."""
        shape = spectra * self.scaler.std + self.scaler.mean
        flux = np.exp(shape - shape.mean(axis=-1, keepdims=True)).reshape(-1, HIGH_PIXELS)
        return measure_redshifts(OBSERVED_WAVE_AA, flux).reshape(spectra.shape[:2])

    def _draw(
        self,
        stage: Literal["low", "high"],
        tokens: Tensor,
        seeds: Seeds,
        noise: Tensor,
        *,
        steps: int,
        low: Tensor | None = None,
        tick: Callable[[], None] | None = None,
    ) -> Tensor:
        """Run a stage's network from noise (B, K, L) to spectra (B, K, L), some rows at a time."""
        candidates = noise.shape[1]
        generators = step_generators(seeds, candidates, stage)
        rows = noise.flatten(0, 1).to(self.device)
        beside = None if low is None else raised(low.flatten(0, 1))
        galaxy = torch.arange(len(rows), device=self.device) // candidates
        parts = []
        for start in range(0, len(rows), _ROWS):
            chosen = slice(start, start + _ROWS)
            predict = _NoiseEstimate(
                self.low if stage == "low" else self.high,
                tokens[galaxy[chosen]],
                None if beside is None else beside[chosen],
                tick,
            )
            chain = make_chain(self.sampling.scheduler, steps, timesteps=self.sampling.timesteps)
            parts.append(chain.draw(predict, rows[chosen], generators[chosen]).clamp(-_REACH, _REACH))
        return torch.cat(parts).reshape(noise.shape)

    def _embed(self, contrast: SpectrumContrast, spectra: Tensor) -> Tensor:
        rows = spectra.flatten(0, 1)
        parts = [contrast.embed_spectrum(rows[i : i + _ROWS]) for i in range(0, len(rows), _ROWS)]
        return torch.cat(parts).reshape(*spectra.shape[:2], -1)


def to_low(spectra: Tensor) -> Tensor:
    """Mean of each 8 pixels of spectra (N, 4500), of 4 in the last: (N, 563).

    The paper takes every eighth pixel, which a narrow line can slip through.
    """
    missing = -spectra.shape[-1] % _FACTOR
    padded = F.pad(spectra, (0, missing))
    sums = padded.reshape(*padded.shape[:-1], -1, _FACTOR).sum(dim=-1)
    counts = sums.new_full((sums.shape[-1],), _FACTOR)
    counts[-1] -= missing
    return sums / counts


def raised(low: Tensor) -> Tensor:
    """Spectra (N, 563) on the pixels of the full resolution, linear between centres: (N, 4500)."""
    fine = F.interpolate(low[:, None], scale_factor=float(_FACTOR), mode="linear", align_corners=False)
    return fine[:, 0, :HIGH_PIXELS]


@dataclass(frozen=True, eq=False)
class _NoiseEstimate:
    """A network with all that it is told besides the noisy spectrum."""

    network: Any
    tokens: Tensor
    beside: Tensor | None
    tick: Callable[[], None] | None

    def __call__(self, x: Tensor, timestep: float) -> Tensor:
        channels = [x] if self.beside is None else [x, self.beside]
        times = x.new_full((len(x),), timestep, dtype=torch.float32)
        noise: Tensor = self.network(torch.stack(channels, dim=1), times, self.tokens)
        if self.tick is not None:
            self.tick()
        return noise


def _ticker(on_step: OnStep | None, *, pieces: int, steps: int) -> Callable[[], None] | None:
    """Count the evaluations of all pieces; tell whenever another of `steps` equal shares is done."""
    if on_step is None:
        return None
    done = count(1)

    def tick() -> None:
        share, rest = divmod(next(done), pieces)
        if not rest:
            on_step(min(share, steps))

    return tick
