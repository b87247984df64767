"""Simple stellar populations: the BC03-MILES cut that simulator and fitter share.

The file `tables/bc03_miles_cut.safetensors` is made by `fiberless data ssp-cut` (see `datasets/ssp_cut.py`
and NOTICE for its origin).
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from safetensors.numpy import load_file

from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import LOG10_STEP, TEMPLATE_WAVE_AA

__all__ = ["AGE_EDGES_GYR", "BIRTH_CLOUD_GYR", "WIDE_WAVE_AA", "YOUNG_GYR", "SspGrid", "load_ssp"]

BIRTH_CLOUD_GYR: Final = 0.009
YOUNG_GYR: Final = 0.09
AGE_EDGES_GYR: Final = np.concatenate(
    [[0.0, 0.003, 0.006, BIRTH_CLOUD_GYR, 0.016, 0.028, 0.050], np.geomspace(YOUNG_GYR, 13.8, 23)]
)
"""Edges of the 29 age bins; a bin's spectrum is that of constant star formation inside it. (30,)"""

WIDE_WAVE_AA: Final = 10 ** (np.log10(2450.0) + 10 * LOG10_STEP * np.arange(665))
"""Rest-frame grid for broad-band photometry, 2450–11303 Å in steps of 1e-3 dex. (665,)"""


@dataclass(frozen=True, eq=False)
class SspGrid:
    """Spectra of simple stellar populations, per solar mass formed (Z metallicities, A age bins).

    Parameters
    ----------
    log_z_solar : (Z,) lg of metallicity over solar (0.02)
    age_edges_gyr : (A + 1,)
    flux : (Z, A, 4022) float32, L☉ / (Å M☉ formed) on `wave_aa`, vacuum
    flux_wide : (Z, A, 665) float32, the same on `WIDE_WAVE_AA`
    ionising_photons : (Z, A) hydrogen-ionising photons / (s M☉ formed)
    living_fraction : (Z, A) mass in living stars and remnants over mass formed

    """

    log_z_solar: FloatArray
    age_edges_gyr: FloatArray
    flux: FloatArray
    flux_wide: FloatArray
    ionising_photons: FloatArray
    living_fraction: FloatArray

    @property
    def wave_aa(self) -> FloatArray:
        """Rest-frame vacuum wavelengths of `flux`. (4022,)"""
        return TEMPLATE_WAVE_AA

    @property
    def age_gyr(self) -> FloatArray:
        """Mean age of each bin. (A,)"""
        middle: FloatArray = (self.age_edges_gyr[1:] + self.age_edges_gyr[:-1]) / 2
        return middle

    def metallicity_weights(self, log_z_solar: FloatArray) -> FloatArray:
        """Linear interpolation weights in lg Z between grid points, clipped to its ends.

        Parameters
        ----------
        log_z_solar : (...)

        Returns
        -------
        (..., Z) non-negative, summing to 1

        """
        grid = self.log_z_solar
        value = np.clip(np.asarray(log_z_solar, dtype=np.float64), grid[0], grid[-1])
        left = np.clip(np.searchsorted(grid, value, side="right") - 1, 0, len(grid) - 2)
        share = (value - grid[left]) / (grid[left + 1] - grid[left])
        weights = np.zeros((*value.shape, len(grid)))
        np.put_along_axis(weights, left[..., None], (1 - share)[..., None], axis=-1)
        np.put_along_axis(weights, left[..., None] + 1, share[..., None], axis=-1)
        return weights


@cache
def load_ssp() -> SspGrid:
    """Read the packaged grid once."""
    path = files("fiberless.astro") / "tables" / "bc03_miles_cut.safetensors"
    parts = load_file(str(path))
    return SspGrid(
        log_z_solar=parts["lg_z_solar"],
        age_edges_gyr=AGE_EDGES_GYR,
        flux=parts["shape"].astype(np.float32) * parts["norm"][..., None].astype(np.float32),
        flux_wide=parts["shape_wide"].astype(np.float32) * parts["norm"][..., None].astype(np.float32),
        ionising_photons=parts["ionising_photons"],
        living_fraction=parts["living_fraction"],
    )
