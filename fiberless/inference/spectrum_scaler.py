"""`SpectrumScaler`: observed spectra, relative to the light of their image, to zero mean and unit variance.

The paper divides by the flux at 6900–6950 Å, where Hα falls at z = 0.051–0.059, and so forgets the absolute
flux. Here a spectrum is divided by its image's r flux inside 1.5", which no line of its own moves.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.astro.bands import nmgy_to_flambda, pivot_aa
from fiberless.inference.frozen_arrays import FrozenArrays

__all__ = ["SpectrumScaler", "ln_aperture_flux"]


def ln_aperture_flux(r_aperture_nmgy: FloatArray) -> FloatArray:
    """Natural logarithm of the F_λ of r fluxes (N,) in nanomaggies, 1e-17 erg/(s cm2 Å) at the pivot."""
    ln_flux: FloatArray = np.log(nmgy_to_flambda(r_aperture_nmgy, pivot_aa("r")))
    return ln_flux


@dataclass(frozen=True, eq=False)
class SpectrumScaler(FrozenArrays):
    """Mean and standard deviation of ln F_λ over the image's own, pixel by pixel, of the training rows.

    Parameters
    ----------
    mean, std : (4500,) float32

    """

    mean: FloatArray
    std: FloatArray

    @classmethod
    def fit(cls, blocks: Iterable[FloatArray]) -> Self:
        """Learn from training rows (n, 4500) of ln F_λ − `ln_aperture_flux`, block after block."""
        count, total, squares = 0, np.zeros(1), np.zeros(1)
        for block in blocks:
            rows = np.asarray(block, dtype=np.float64)
            count += len(rows)
            total = total + rows.sum(axis=0)
            squares = squares + np.square(rows).sum(axis=0)
        mean = total / count
        std = np.sqrt(squares / count - mean**2)
        return cls(mean.astype(np.float32), std.astype(np.float32))

    def standardise(self, ln_ratio: FloatArray) -> FloatArray:
        """Spectra (..., 4500) of ln F_λ − `ln_aperture_flux`, standardised; float32."""
        scaled: FloatArray = ((ln_ratio - self.mean) / self.std).astype(np.float32)
        return scaled

    def ln_flux(self, spectra: FloatArray, r_aperture_nmgy: FloatArray) -> FloatArray:
        """Absolute spectra of standardised ones.

        Parameters
        ----------
        spectra : (B, K, 4500) standardised
        r_aperture_nmgy : (B,) positive r flux of each image inside 1.5"

        Returns
        -------
        (B, K, 4500) float32, natural logarithm of the observed F_λ in 1e-17 erg/(s cm2 Å)

        """
        level = ln_aperture_flux(r_aperture_nmgy)[:, None, None]
        ln_flux: FloatArray = (spectra * self.std + self.mean + level).astype(np.float32)
        return ln_flux
