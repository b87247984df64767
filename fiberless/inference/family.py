"""`Family`: what a model is to those who ask it for spectra, whichever way it draws them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from fiberless.arrays import FloatArray, IntArray
from fiberless.inference.conditioning import Conditions, ConditionScaler
from fiberless.inference.sampler import Seeds

__all__ = ["Candidates", "Family", "OnStep"]

OnStep: TypeAlias = Callable[[int], None]
"""Told now and then how many of the steps are done; may raise to end the work."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Candidates:
    """K spectra drawn for each of B galaxies, in the frame in which their family draws them.

    Parameters
    ----------
    redshift : (B, K) float64
    physical : {name: (B, K) float64} for each name of `physical.PHYSICAL_NAMES`; empty if the model has none
    score : (B, K) float32, cosine of the embeddings of image and spectrum
    medoid : (B,) candidate closest to the mean of its galaxy's
    ln_flux_rest : (B, K, 3902) float32, natural logarithm of the observed F_λ in 1e-17 erg/(s cm2 Å) on
        `fiberless.astro.wavelength.REST_WAVE_AA`: shifted to the rest frame, not scaled by 1 + z; or None
    ln_flux_observed : (B, K, 4500) float32, the same on `astro.wavelength.OBSERVED_WAVE_AA`; or None

    """

    redshift: FloatArray
    physical: dict[str, FloatArray]
    score: FloatArray
    medoid: IntArray
    ln_flux_rest: FloatArray | None = None
    ln_flux_observed: FloatArray | None = None


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
