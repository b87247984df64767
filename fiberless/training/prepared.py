"""Turns a data set into what the networks train on, once, cached beside the run.

Images are scaled, their moments and photometry measured, spectra projected onto the basis. The latent is
[logit z, amplitude, whitened coefficients, physical quantities], standardised over the rows trained on.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Final, Self

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


@dataclass(frozen=True, eq=False)
class _MeasuredShard:
    """What is measured on n galaxies of a shard.

    Parameters
    ----------
    photometry, r_aperture_nmgy, r_total_nmgy, r_magnitude, pixels : as in `Conditions`
    moments : (n, 5, Q) float32, polar moments of the scaled images
    whitened : (n, M) coefficients of noiseless spectra; (n, 0) where there are none

    """

    photometry: FloatArray
    r_aperture_nmgy: FloatArray
    r_total_nmgy: FloatArray
    r_magnitude: FloatArray
    pixels: FloatArray
    moments: FloatArray
    whitened: FloatArray

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        return cls(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls)))


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
        done += len(measured.photometry)
        progress(done, len(data))
    tables = _tables(data, config, basis, _MeasuredShard.joined(parts), folder)
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
    measured: _MeasuredShard,
    folder: Path,
) -> Mapping[str, FloatArray]:
    """Tables of the file: latents of noiseless spectra or of posteriors, and scalers of the training rows."""
    redshift = data.truth("redshift")
    fit = None if data.has_noiseless else fit_data(data, basis, workers=os.cpu_count() or 1)
    ln_norm = data.truth("ln_norm") if fit is None else fit.ln_norm
    whitened = measured.whitened if fit is None else fit.whitened
    # the latent: its amplitude, its physical quantities, its scale
    level = amplitude(ln_norm, measured.r_aperture_nmgy)
    physical = reduced(true_physical(data), redshift, measured.r_total_nmgy)
    learned = slice(config.training_rows(len(data)))
    latent_scaler = LatentScaler.fit(
        redshift[learned],
        level[learned],
        physical=physical[learned],
        redshift_support=config.redshift_support,
    )
    # posteriors of noisy spectra, in units of the latent
    if fit is not None:
        np.save(folder / _CHOLESKY, latent_cholesky(fit, latent_scaler))
    condition_scaler = ConditionScaler.fit(
        measured.photometry[learned],
        measured.pixels[learned],
        measured.r_magnitude[learned],
        feature_size=config.encoder_width,
    )
    return {
        "photometry": condition_scaler.scale_photometry(measured.photometry),
        "moments": measured.moments,
        "latent": latent_scaler.to_latent(redshift, level, whitened, physical),
        **basis.to_arrays("basis."),
        **latent_scaler.to_arrays("latent_scaler."),
        **condition_scaler.to_arrays("condition_scaler."),
    }


def _cholesky(folder: Path, n: int) -> FloatArray:
    path = folder / _CHOLESKY
    return np.load(path, mmap_mode="c") if path.exists() else np.zeros((n, 0, 0), np.float32)


def _measured_shards(data: ShardSet, basis: SpectralBasis) -> Iterator[_MeasuredShard]:
    """What is measured, shard after shard; a process a core where that pays."""
    work = partial(_measure, data, basis)
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


def _measure(data: ShardSet, basis: SpectralBasis, index: int) -> _MeasuredShard:
    shard = data.shard(index)
    conditions = conditions_of(shard["image"].astype(np.float32), shard["ebv"])
    none = np.zeros((len(conditions), 0), np.float32)
    return _MeasuredShard(
        photometry=conditions.photometry,
        r_aperture_nmgy=conditions.r_aperture_nmgy,
        r_total_nmgy=conditions.r_total_nmgy,
        r_magnitude=conditions.r_magnitude,
        pixels=conditions.pixels,
        moments=project(conditions.image),
        whitened=basis.whiten(basis.encode(shard["ln_shape"])) if "ln_shape" in shard else none,
    )
