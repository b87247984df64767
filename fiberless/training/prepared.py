"""Turns a data set into what the networks train on, once, cached beside the run.

Images are scaled, their moments and photometry measured, spectra projected onto the basis. The latent is
[logit z, amplitude, whitened coefficients, physical quantities], standardised over the rows trained on.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import load_file, save_file

from fiberless.arrays import FloatArray
from fiberless.datasets.process_pool import process_pool
from fiberless.datasets.shards import ShardSet
from fiberless.errors import UsageError
from fiberless.inference.basis import LatentScaler, SpectralBasis, amplitude
from fiberless.inference.conditioning import ConditionScaler, conditions_of
from fiberless.inference.physical import reduced, true_physical
from fiberless.nn.polar import project
from fiberless.training.config import TrainingConfig
from fiberless.training.observed import fit_data, latent_cholesky

__all__ = ["Prepared", "prepare", "read_prepared"]

_TABLES: Final = "prepared.safetensors"
_CHOLESKY: Final = "cholesky.npy"
_AHEAD: Final = 4  # shards measured before they are asked for: bounds the memory


@dataclass(frozen=True, eq=False)
class Prepared:
    """A training set in memory.

    Parameters
    ----------
    moments : (N, 5, Q) float32, polar moments of the scaled images
    photometry : (N, 49) float32, standardised
    latent : (N, D) float32, NaN where the data set does not know a quantity; posterior means if observed
    cholesky : (N, 1 + M, 1 + M) of amplitude and coefficients, see `training.observed`; (N, 0, 0) if exact
    """

    moments: FloatArray
    photometry: FloatArray
    latent: FloatArray
    cholesky: FloatArray
    basis: SpectralBasis
    latent_scaler: LatentScaler
    condition_scaler: ConditionScaler


def prepare(
    data: ShardSet, config: TrainingConfig, folder: Path, *, progress: Callable[[int, int], None]
) -> Prepared:
    """Prepare a data set, or read what an earlier call prepared in the same folder."""
    if not (folder / _TABLES).exists():
        _make(data, config, folder, progress)
    return read_prepared(folder)


def read_prepared(folder: Path) -> Prepared:
    """Read what `prepare` left in a run's folder."""
    tables = load_file(str(folder / _TABLES))
    return Prepared(
        moments=tables["moments"],
        photometry=tables["photometry"],
        latent=tables["latent"],
        cholesky=_cholesky(folder, len(tables["latent"])),
        basis=SpectralBasis.from_arrays(tables, "basis."),
        latent_scaler=LatentScaler.from_arrays(tables, "latent_scaler."),
        condition_scaler=ConditionScaler.from_arrays(tables, "condition_scaler."),
    )


def _make(data: ShardSet, config: TrainingConfig, folder: Path, progress: Callable[[int, int], None]) -> None:
    basis = _basis(data, config)
    parts = []
    done = 0
    for measured in _measured_shards(data, basis):
        parts.append(measured)
        done += len(measured["photometry"])
        progress(done, len(data))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    tables = _tables(data, config, basis, columns, folder)
    save_file({name: np.ascontiguousarray(values) for name, values in tables.items()}, str(folder / _TABLES))


def _basis(data: ShardSet, config: TrainingConfig) -> SpectralBasis:
    """Principal components of the set's noiseless spectra, or those of a version.

    Raises
    ------
    UsageError
        `invalid-parameter` if spectra are noisy and no version is named.

    """
    if config.basis is not None:
        return SpectralBasis.from_arrays(load_file(str(Path(config.basis) / "basis.safetensors")))
    if not data.has_noiseless:
        raise UsageError("invalid-parameter", "observed spectra need a basis: --basis model_store/<version>")
    learned = min(config.basis_rows, config.training_rows(len(data)))
    return SpectralBasis.fit(data.column("ln_shape", limit=learned), config.n_components)


def _tables(
    data: ShardSet,
    config: TrainingConfig,
    basis: SpectralBasis,
    columns: dict[str, FloatArray],
    folder: Path,
) -> dict[str, FloatArray]:
    redshift = data.truth("redshift")
    fit = None if data.has_noiseless else fit_data(data, basis, workers=os.cpu_count() or 1)
    ln_norm = data.truth("ln_norm") if fit is None else fit.ln_norm
    whitened = columns["whitened"] if fit is None else fit.whitened
    level = amplitude(ln_norm, columns["r_aperture_nmgy"])
    physical = reduced(true_physical(data), redshift, columns["r_total_nmgy"])
    learned = slice(config.training_rows(len(data)))
    latent_scaler = LatentScaler.fit(
        redshift[learned],
        level[learned],
        physical=physical[learned],
        redshift_support=config.redshift_support,
    )
    if fit is not None:
        np.save(folder / _CHOLESKY, latent_cholesky(fit, latent_scaler))
    condition_scaler = ConditionScaler.fit(
        *(columns[name][learned] for name in ("photometry", "pixels", "r_magnitude")),
        feature_size=config.encoder_width,
    )
    return {
        "photometry": condition_scaler.scale_photometry(columns["photometry"]),
        "moments": columns["moments"],
        "latent": latent_scaler.to_latent(redshift, level, whitened, physical),
        **basis.to_arrays("basis."),
        **latent_scaler.to_arrays("latent_scaler."),
        **condition_scaler.to_arrays("condition_scaler."),
    }


def _cholesky(folder: Path, n: int) -> FloatArray:
    path = folder / _CHOLESKY
    return np.load(path, mmap_mode="c") if path.exists() else np.zeros((n, 0, 0), np.float32)


def _measured_shards(data: ShardSet, basis: SpectralBasis) -> Iterator[dict[str, FloatArray]]:
    """Measured columns, shard after shard; a process a core where that pays."""
    work = partial(_measure, data, basis.to_arrays())
    indices = range(len(data.paths))
    if len(indices) == 1:
        yield from map(work, indices)
        return
    with process_pool() as pool:
        waiting = deque(pool.submit(work, index) for index in indices[:_AHEAD])
        for index in range(_AHEAD, len(indices) + _AHEAD):
            yield waiting.popleft().result()
            if index < len(indices):
                waiting.append(pool.submit(work, index))
            if not waiting:
                return


def _measure(data: ShardSet, basis_arrays: dict[str, FloatArray], index: int) -> dict[str, FloatArray]:
    basis = SpectralBasis.from_arrays(basis_arrays)
    shard = data.shard(index)
    conditions = conditions_of(shard["image"].astype(np.float32), shard["ebv"])
    columns = {name: array for name, array in vars(conditions).items() if name != "image"}
    if "ln_shape" in shard:
        columns["whitened"] = basis.whiten(basis.encode(shard["ln_shape"]))
    return columns | {"moments": project(conditions.image)}
