"""Latents of observed galaxies, whose spectra are noisy: posteriors of the basis, drawn afresh at each step.

For data sets without noiseless spectra. Training on posterior means would make candidates too much alike,
training on least squares would fill the weak coefficients with noise; draws have the population's own spread.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor

from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import LIGHT_SPEED_KMS, OBSERVED_WAVE_AA, PIXEL_KMS
from fiberless.datasets.process_pool import process_pool
from fiberless.datasets.shards import DatasetInfo, ShardSet
from fiberless.inference.basis import AMPLITUDE_INDEX, LatentScaler, SpectralBasis
from fiberless.inference.basis_posterior import BasisFit, GaussianPrior, Nuisance, joined
from fiberless.inference.projection import fit_spectra

__all__ = ["OBSERVED_NUISANCE", "draw_latents", "fit_data", "independent_ivar", "latent_cholesky"]

OBSERVED_NUISANCE: Final = Nuisance(degree=8, calibration_rms=0.02, velocity_kms=30.0)
"""What is wrong with a survey spectrum beside its noise: 2 % calibration, 30 km/s redshift."""


def independent_ivar(sigma: FloatArray, *, survey_pixels: bool) -> FloatArray:
    """Inverse variance of pixels that are fitted as if they were independent.

    A survey's pixel of w Å, averaged onto 1-Å pixels, shares its noise among neighbours: the variance that
    error propagation gives, v² (1 − 1/3w) of the pixel's own v² for w ≥ 1 and v² w (1 − w/3) below, holds per
    pixel, yet a mean over many pixels has the variance of w v² per Å. The latter is what a fit needs.

    Parameters
    ----------
    sigma : (..., 4500) on `OBSERVED_WAVE_AA`; NaN or infinite where a pixel is not to be used
    survey_pixels : whether they were averaged from the survey's own pixels (69 km/s); simulated ones were not

    Returns
    -------
    (..., 4500) float64, 0 where a pixel is not to be used

    """
    values = np.asarray(sigma, dtype=np.float64)
    good = np.isfinite(values) & (values > 0)
    ivar: FloatArray = np.divide(1.0, values**2, out=np.zeros_like(values), where=good)
    if not survey_pixels:
        return ivar
    width = OBSERVED_WAVE_AA * PIXEL_KMS / LIGHT_SPEED_KMS
    propagated = np.where(width >= 1, 1 - 1 / (3 * np.maximum(width, 1)), width * (1 - width / 3))
    effective: FloatArray = ivar * propagated / width
    return effective


def fit_data(
    data: ShardSet,
    basis: SpectralBasis,
    *,
    prior: GaussianPrior | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> BasisFit:
    """Fit all spectra of a data set, some 50 ms a galaxy and core.

    Parameters
    ----------
    data : with the columns `flux`, `sigma` and the truth `redshift`
    prior : of the population; a second pass may take `GaussianPrior.of_posteriors` of the first
    workers : processes

    Returns
    -------
    BasisFit of N galaxies in the order of the data set

    """
    work = partial(_fit_shard, data.info, basis, prior)
    if workers == 1:
        return joined(list(_counted(map(work, data.paths), len(data), progress)))
    with process_pool(workers) as pool:
        return joined(list(_counted(pool.map(work, data.paths), len(data), progress)))


def _counted(
    fits: Iterator[BasisFit], total: int, progress: Callable[[int, int], None]
) -> Iterator[BasisFit]:
    done = 0
    for fit in fits:
        done += len(fit.mean)
        progress(done, total)
        yield fit


def _fit_shard(info: DatasetInfo, basis: SpectralBasis, prior: GaussianPrior | None, path: Path) -> BasisFit:
    columns = load_file(str(path))
    simulated = info.kind == "mock"
    return fit_spectra(
        basis,
        OBSERVED_WAVE_AA,
        columns["flux"].astype(np.float64),
        independent_ivar(columns["sigma"], survey_pixels=not simulated),
        columns["truth"][:, info.truth_names.index("redshift")].astype(np.float64),
        prior=prior,
        nuisance=Nuisance() if simulated else OBSERVED_NUISANCE,
    )


def latent_cholesky(fit: BasisFit, scaler: LatentScaler) -> FloatArray:
    """Lower triangles (N, 1 + M, 1 + M), float32, of [amplitude, coefficients] in units of the latent.

    Parameters
    ----------
    fit : of N galaxies, normalised in 1e-17 erg/(s cm2 Å)
    scaler : fitted to `amplitude(fit.ln_norm, …)` or that of another training

    """
    cholesky: FloatArray = fit.cholesky.astype(np.float32)
    cholesky[:, 0] /= np.float32(scaler.std[AMPLITUDE_INDEX])
    return cholesky


def draw_latents(mean: Tensor, cholesky: Tensor, generator: torch.Generator) -> Tensor:
    """Latents (n, D) drawn from posteriors: mean + Cholesky × ε in amplitude and coefficients.

    Parameters
    ----------
    mean : (n, D)
    cholesky : (n, 1 + M, 1 + M) lower triangles; (n, 0, 0) where spectra are noiseless

    """
    latent = mean.clone()
    noise = torch.randn(cholesky.shape[:2], generator=generator).to(mean.device)
    span = slice(AMPLITUDE_INDEX, AMPLITUDE_INDEX + cholesky.shape[1])
    latent[:, span] += torch.einsum("nij,nj->ni", cholesky.float(), noise)
    return latent
