"""Turns a data set into what the cascade trains on, once, cached beside the run.

Images are scaled, photometry measured, noiseless spectra shifted to the observed frame. Statistics are those
of the training rows alone: the paper's code takes those of its test set in.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import OBSERVED_WAVE_AA, resample_log_flux
from fiberless.datasets.shards import ShardSet
from fiberless.errors import UsageError
from fiberless.inference.conditioning import ConditionScaler, conditions_of
from fiberless.inference.spectrum_scaler import SpectrumScaler, ln_aperture_flux
from fiberless.training.cascade.config import CascadeConfig

__all__ = ["CascadeData", "prepare_cascade"]

_IMAGES: Final = "images.npy"
_SPECTRA: Final = "spectra.npy"
_TABLES: Final = "prepared.safetensors"
_DONE: Final = "prepared.json"
_BLOCK: Final = 2000
_FEATURES: Final = 1  # features of the latent family, which the cascade has none of


@dataclass(frozen=True, eq=False)
class CascadeData:
    """A training set, images and spectra mapped from disk.

    Parameters
    ----------
    images : (N, 5, 64, 64) float16, asinh-scaled
    spectra : (N, 4500) float16, ln F_λ over the image's own F_λ in r
    photometry : (N, 49) float32, standardised
    """

    images: FloatArray
    spectra: FloatArray
    photometry: FloatArray
    scaler: SpectrumScaler
    condition_scaler: ConditionScaler

    def __len__(self) -> int:
        return len(self.photometry)

    def rows(self, chosen: slice) -> Self:
        """Return the same of some galaxies."""
        return replace(
            self,
            images=self.images[chosen],
            spectra=self.spectra[chosen],
            photometry=self.photometry[chosen],
        )

    def take(self, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Images (n, 5, 64, 64), photometry (n, 49) and standardised spectra (n, 4500) of some rows."""
        index = rows.numpy()
        spectra = self.scaler.standardise(self.spectra[index].astype(np.float32))
        arrays = (self.images[index].astype(np.float32), self.photometry[index], spectra)
        image, photometry, spectrum = (torch.from_numpy(array).to(device) for array in arrays)
        return image, photometry, spectrum


@dataclass(frozen=True, eq=False)
class _MeasuredPixels:
    """What is measured on n galaxies of a shard.

    Parameters
    ----------
    image, spectrum : (n, 5, 64, 64) and (n, 4500) float16, as in `CascadeData`
    photometry, pixels, r_magnitude : as in `Conditions`

    """

    image: FloatArray
    spectrum: FloatArray
    photometry: FloatArray
    pixels: FloatArray
    r_magnitude: FloatArray


def prepare_cascade(
    data: ShardSet, config: CascadeConfig, folder: Path, *, progress: Callable[[int, int], None]
) -> CascadeData:
    """Prepare a data set, or read what an earlier call prepared in the same folder.

    Noiseless spectra are learned from: their logarithm exists at every pixel, as that of a noisy one does not
    (the paper drops such spectra), and an interval then holds what the image leaves open and not the noise
    of a spectrograph.

    Raises
    ------
    UsageError
        `invalid-parameter` if the data set has noisy spectra alone.

    """
    if not data.has_noiseless:
        raise UsageError("invalid-parameter", "the cascade learns from noiseless spectra; this set has none")
    if not (folder / _DONE).exists():
        _make(data, config, folder, progress)
        (folder / _DONE).write_text(json.dumps({"rows": _rows(data, config)}) + "\n")
    tables = load_file(str(folder / _TABLES))
    return CascadeData(
        images=np.load(folder / _IMAGES, mmap_mode="r"),
        spectra=np.load(folder / _SPECTRA, mmap_mode="r"),
        photometry=tables["photometry"],
        scaler=SpectrumScaler.from_arrays(tables, "spectrum."),
        condition_scaler=ConditionScaler.from_arrays(tables, "condition."),
    )


def _rows(data: ShardSet, config: CascadeConfig) -> int:
    return len(data) if config.max_rows is None else min(config.max_rows, len(data))


def _make(data: ShardSet, config: CascadeConfig, folder: Path, progress: Callable[[int, int], None]) -> None:
    n = _rows(data, config)
    images = _new(folder / _IMAGES, (n, 5, 64, 64))
    spectra = _new(folder / _SPECTRA, (n, OBSERVED_WAVE_AA.size))
    photometry, pixels, r_magnitude = [], [], []
    done = 0
    for shard in _measured(data):
        kept = min(len(shard.image), n - done)
        images[done : done + kept] = shard.image[:kept]
        spectra[done : done + kept] = shard.spectrum[:kept]
        photometry.append(shard.photometry[:kept])
        pixels.append(shard.pixels[:kept])
        r_magnitude.append(shard.r_magnitude[:kept])
        done += kept
        progress(done, n)
        if done == n:
            break
    small = (np.concatenate(parts) for parts in (photometry, pixels, r_magnitude))
    tables = _tables(*small, spectra=spectra, learned=config.training_rows(n))
    images.flush()
    spectra.flush()
    save_file({name: np.ascontiguousarray(values) for name, values in tables.items()}, str(folder / _TABLES))


def _new(path: Path, shape: tuple[int, ...]) -> "np.memmap[tuple[int, ...], np.dtype[np.float16]]":
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)


def _measured(data: ShardSet) -> Iterator[_MeasuredPixels]:
    """Scaled images, spectra and photometry, shard after shard."""
    redshift_column, level_column = (data.info.truth_names.index(name) for name in ("redshift", "ln_norm"))
    for shard in data.shards():
        conditions = conditions_of(shard["image"].astype(np.float32), shard["ebv"])
        redshift = shard["truth"][:, redshift_column].astype(np.float64)
        ln_flux = resample_log_flux(shard["ln_shape"], redshift, OBSERVED_WAVE_AA)
        level = shard["truth"][:, level_column] - ln_aperture_flux(conditions.r_aperture_nmgy)
        spectrum = ln_flux + level[:, None]
        if not np.isfinite(spectrum).all():
            raise UsageError("invalid-parameter", "a spectrum does not cover 4000–8499 Å")
        yield _MeasuredPixels(
            image=conditions.image.astype(np.float16),
            spectrum=spectrum.astype(np.float16),
            photometry=conditions.photometry,
            pixels=conditions.pixels,
            r_magnitude=conditions.r_magnitude,
        )


def _tables(
    photometry: FloatArray, pixels: FloatArray, r_magnitude: FloatArray, *, spectra: FloatArray, learned: int
) -> Mapping[str, FloatArray]:
    """Standardised photometry and both scalers, fitted to the first `learned` rows."""
    condition_scaler = ConditionScaler.fit(
        photometry[:learned],
        pixels[:learned],
        r_magnitude[:learned],
        feature_size=_FEATURES,
    )
    blocks = (spectra[start : min(start + _BLOCK, learned)] for start in range(0, learned, _BLOCK))
    return {
        "photometry": condition_scaler.scale_photometry(photometry),
        **SpectrumScaler.fit(blocks).to_arrays("spectrum."),
        **condition_scaler.to_arrays("condition."),
    }
