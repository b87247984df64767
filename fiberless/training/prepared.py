"""Turns a data set into what the networks train on, once, cached beside the run.

Images are scaled, photometry measured, spectra projected onto the basis. The latent is
[logit z, amplitude, whitened coefficients], standardised over this set alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import load_file, save_file

from fiberless.arrays import FloatArray
from fiberless.datasets.shards import ShardSet
from fiberless.inference.basis import LatentScaler, SpectralBasis, amplitude
from fiberless.inference.conditioning import ConditionScaler, conditions_of
from fiberless.training.config import TrainingConfig

__all__ = ["Prepared", "prepare"]

_IMAGES: Final = "images.npy"
_TABLES: Final = "prepared.safetensors"


@dataclass(frozen=True, eq=False)
class Prepared:
    """A training set in memory, images mapped from disk.

    Parameters
    ----------
    images : (N, 5, 64, 64) float16, asinh-scaled
    photometry : (N, 49) float32, standardised
    latent : (N, 42) float32
    """

    images: FloatArray
    photometry: FloatArray
    latent: FloatArray
    basis: SpectralBasis
    latent_scaler: LatentScaler
    condition_scaler: ConditionScaler


def prepare(
    data: ShardSet, config: TrainingConfig, folder: Path, *, progress: Callable[[int, int], None]
) -> Prepared:
    """Prepare a data set, or read what an earlier call prepared in the same folder."""
    if not (folder / _TABLES).exists():
        _make(data, config, folder, progress)
    tables = load_file(str(folder / _TABLES))
    return Prepared(
        images=np.load(folder / _IMAGES, mmap_mode="r"),
        photometry=tables["photometry"],
        latent=tables["latent"],
        basis=SpectralBasis.from_arrays(tables, "basis."),
        latent_scaler=LatentScaler.from_arrays(tables, "latent_scaler."),
        condition_scaler=ConditionScaler.from_arrays(tables, "condition_scaler."),
    )


def _make(data: ShardSet, config: TrainingConfig, folder: Path, progress: Callable[[int, int], None]) -> None:
    basis = SpectralBasis.fit(data.column("ln_shape", limit=config.basis_rows), config.n_components)
    images = np.lib.format.open_memmap(
        folder / _IMAGES, mode="w+", dtype=np.float16, shape=(len(data), 5, 64, 64)
    )
    photometry, whitened, aperture = [], [], []
    done = 0
    for shard in data.shards():
        conditions = conditions_of(shard["image"].astype(np.float32))
        images[done : done + len(conditions)] = conditions.image
        photometry.append(conditions.photometry)
        aperture.append(conditions.r_aperture_nmgy)
        whitened.append(basis.whiten(basis.encode(shard["ln_shape"])))
        done += len(conditions)
        progress(done, len(data))
    images.flush()
    raw = np.concatenate(photometry)
    level = amplitude(data.truth("ln_norm"), np.concatenate(aperture))
    redshift = data.truth("redshift")
    latent_scaler = LatentScaler.fit(redshift, level, redshift_support=config.redshift_support)
    condition_scaler = ConditionScaler.fit(raw, embedding_size=config.embedding_size)
    tables = {
        "photometry": condition_scaler.scale_photometry(raw),
        "latent": latent_scaler.to_latent(redshift, level, np.concatenate(whitened)),
        **basis.to_arrays("basis."),
        **latent_scaler.to_arrays("latent_scaler."),
        **condition_scaler.to_arrays("condition_scaler."),
    }
    save_file({name: np.ascontiguousarray(values) for name, values in tables.items()}, str(folder / _TABLES))
