"""The shard format that simulated and real training pairs share: safetensors files of equal columns.

A data set is a folder with `dataset.json` (what it is and how it was made) and `shard-00000.safetensors` …;
all shards hold the columns that `dataset.json` names (`COLUMNS` if simulated), first axis the galaxy. Reading
is by column, memory-mapped, without pickle.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict
from safetensors import safe_open
from safetensors.numpy import load_file, save

from fiberless.arrays import FloatArray, IntArray
from fiberless.errors import UsageError

__all__ = ["COLUMNS", "DatasetInfo", "ShardSet", "write_info", "write_shard"]

COLUMNS: Final = {
    "image": "(N, 5, 64, 64) float16, nanomaggies a pixel",
    "ln_shape": "(N, 3902) float32, ln of the noiseless F_λ on the rest grid over its 3900–7300 Å mean",
    "flux": "(N, 4500) float16, noisy F_λ on the observed grid, 1e-17 erg / (s cm2 Å)",
    "sigma": "(N, 4500) float16, standard deviation of `flux`",
    "truth": "(N, T) float32, columns named in dataset.json",
}


class DatasetInfo(BaseModel):
    """Contents of `dataset.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    description: str
    n: int
    seed: int
    shard_size: int
    version: str
    truth_names: tuple[str, ...]
    columns: dict[str, str] = COLUMNS
    options: dict[str, Any] = {}


def write_shard(folder: Path, index: int, columns: Mapping[str, FloatArray | IntArray]) -> Path:
    """Write one shard under a temporary name, then rename it: a shard that exists is complete.

    The bytes go through `save`, not `save_file`: that has a temporary file of its own, with a random name
    that a killed run would leave behind.
    """
    path = folder / f"shard-{index:05d}.safetensors"
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(save({name: np.ascontiguousarray(values) for name, values in columns.items()}))
    temporary.rename(path)
    return path


def write_info(folder: Path, info: DatasetInfo) -> None:
    """Write `dataset.json` under a temporary name, then rename it."""
    temporary = folder / "dataset.json.tmp"
    temporary.write_text(info.model_dump_json(indent=1) + "\n")
    temporary.rename(folder / "dataset.json")


class ShardSet:
    """A data set on disk.

    Raises
    ------
    UsageError
        `invalid-parameter` if the folder holds no complete data set.

    """

    def __init__(self, folder: Path) -> None:
        try:
            self.info = DatasetInfo.model_validate(json.loads((folder / "dataset.json").read_text()))
        except (OSError, ValueError) as error:
            raise UsageError("invalid-parameter", f"{folder} holds no data set: {error}") from error
        self.paths: Sequence[Path] = sorted(folder.glob("shard-*.safetensors"))
        expected = -(-self.info.n // self.info.shard_size)
        if len(self.paths) != expected:
            raise UsageError("invalid-parameter", f"{folder} has {len(self.paths)} of {expected} shards")

    def __len__(self) -> int:
        return self.info.n

    def column(self, name: str, *, limit: int | None = None) -> FloatArray:
        """Read one column of the first `limit` galaxies (all by default) into memory."""
        parts: list[FloatArray] = []
        left = self.info.n if limit is None else min(limit, self.info.n)
        for path in self.paths:
            if left <= 0:
                break
            with safe_open(str(path), framework="numpy") as shard:
                rows = shard.get_slice(name)
                parts.append(rows[: min(left, rows.get_shape()[0])])
            left -= len(parts[-1])
        return np.concatenate(parts)

    @property
    def has_noiseless(self) -> bool:
        """Whether the spectra are known without noise, as simulated ones are."""
        return "ln_shape" in self.info.columns

    def object_ids(self) -> IntArray:
        """Identifiers of observed galaxies, exact. (N,) int64

        Raises
        ------
        UsageError
            `invalid-parameter` if the data set has none, as simulated ones.

        """
        if "object_id" not in self.info.columns:
            raise UsageError("invalid-parameter", f"a data set of kind {self.info.kind!r} has no ids")
        return np.asarray(self.column("object_id"), dtype=np.int64)

    def shards(self) -> Iterator[dict[str, FloatArray]]:
        """Read shard after shard: all columns, and as `ebv` (N,) the Galactic E(B−V) of the images in mag."""
        for index in range(len(self.paths)):
            yield self.shard(index)

    def shard(self, index: int) -> dict[str, FloatArray]:
        """One shard, as `shards` gives it."""
        columns = load_file(str(self.paths[index]))
        return columns | {"ebv": self._ebv_of(columns["truth"])}

    def ebv(self, *, limit: int | None = None) -> FloatArray:
        """Galactic E(B−V) of the images in mag, 0 where the set has none. (N,) float64"""
        return self._ebv_of(self.column("truth", limit=limit))

    def _ebv_of(self, truth: FloatArray) -> FloatArray:
        if "ebv" not in self.info.truth_names:
            return np.zeros(len(truth))
        known: FloatArray = truth[:, self.info.truth_names.index("ebv")].astype(np.float64)
        return known

    def truth(self, name: str, *, limit: int | None = None) -> FloatArray:
        """Read one truth column. (N,) float64"""
        if name not in self.info.truth_names:
            raise UsageError("invalid-parameter", f"no truth {name!r}; there are {self.info.truth_names}")
        values: FloatArray = self.column("truth", limit=limit)[:, self.info.truth_names.index(name)]
        return values.astype(np.float64)
