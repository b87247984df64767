"""`Family` and `Candidates`: what a model is to those who ask it for spectra, and what it hands over."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Self, TypeAlias

import numpy as np
import torch
from torch import Tensor

from fiberless.arrays import FloatArray, IntArray
from fiberless.astro.wavelength import OBSERVED_WAVE_AA, resample_log_flux
from fiberless.inference.conditioning import Conditions, ConditionScaler
from fiberless.inference.sampler import Seeds

__all__ = ["Candidates", "Family", "OnStep", "SpectralGrid", "contrastive_score", "medoid"]

OnStep: TypeAlias = Callable[[int], None]
"""Told now and then how many of the steps are done; may raise to end the work."""


class SpectralGrid(StrEnum):
    """Grid on which a family draws spectra, one of `fiberless.astro.wavelength`."""

    REST = "rest"
    """`REST_WAVE_AA`, 3902 pixels: shifted to the rest frame, not scaled by 1 + z"""
    OBSERVED = "observed"
    """`OBSERVED_WAVE_AA`, 4500 pixels"""


@dataclass(frozen=True, eq=False, kw_only=True)
class Candidates:
    """K spectra drawn for each of B galaxies, the same whichever family drew them.

    Those of a single galaxy (`galaxy`) have no axis B.

    Parameters
    ----------
    frame : that their family draws in
    ln_flux : (B, K, L) float32, natural logarithm of the observed F_λ in 1e-17 erg/(s cm2 Å) on the frame's
        L pixels
    redshift : (B, K) float64
    physical : (B, K, P) float64, columns `fiberless.inference.physical.PHYSICAL_NAMES`; P = 0 if the model
        has none
    score : (B, K) float32, cosine of the embeddings of image and spectrum
    medoid : (B,) candidate closest to the mean of its galaxy's
    latent : (B, K, D) float32 that the spectra are decoded from; D = 0 where they are drawn in pixels

    """

    frame: SpectralGrid
    ln_flux: FloatArray
    redshift: FloatArray
    physical: FloatArray
    score: FloatArray
    medoid: IntArray
    latent: FloatArray

    def ln_flux_observed(self) -> FloatArray:
        """Spectra on `OBSERVED_WAVE_AA`, (B, K, 4500); NaN where the model does not reach."""
        if self.frame is SpectralGrid.OBSERVED:
            return self.ln_flux
        return resample_log_flux(self.ln_flux, self.redshift, OBSERVED_WAVE_AA)

    def galaxy(self, b: int) -> Self:
        """Candidates of the galaxy in row b."""
        arrays = {name: value[b] for name, value in vars(self).items() if name != "frame"}
        return replace(self, **arrays)

    def without_spectra(self) -> Self:
        """All but the spectra, which take most of the memory: L = 0."""
        return replace(self, ln_flux=np.zeros((*self.redshift.shape, 0), np.float32))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Candidates of several groups of galaxies, drawn by one family."""
        names = [item.name for item in fields(cls) if item.name != "frame"]
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
        return cls(frame=parts[0].frame, **arrays)


@dataclass(frozen=True, eq=False)
class Family(ABC):
    """Networks and scalers of one model version, on one device."""

    condition_scaler: ConditionScaler = field(kw_only=True)

    @abstractmethod
    def candidates(
        self, conditions: Conditions, seeds: Seeds, *, n: int, steps: int, on_step: OnStep | None = None
    ) -> Candidates:
        """Draw, score and measure or decode K = n candidates for each galaxy.

        Parameters
        ----------
        conditions : of B galaxies
        seeds : of the same galaxies
        n, steps : candidates a galaxy, network evaluations a candidate in each stage of drawing
        on_step : told up to `steps`, in order

        """

    @property
    @abstractmethod
    def _weight(self) -> Tensor:
        """One of the weights, which all are alike in device and number type."""

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self._weight.device

    @property
    def dtype(self) -> str:
        """Name of the weights' number type, e.g. `float32`."""
        return str(self._weight.dtype).removeprefix("torch.")

    def _to_device(self, array: FloatArray) -> Tensor:
        return torch.from_numpy(np.array(array, dtype=np.float32, order="C")).to(self.device)


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
