"""Draws candidates of any family block after block, and keeps what was measured on them.

Drawing a cascade takes seconds a galaxy; stopped and started again, it goes on with the first block that is
not in its cache. A block's file is named for all that its values follow from: weights, K, steps, arithmetic,
galaxies, and the truth as measured by the code of the day, so that a change of that code draws anew.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, Protocol, Self, TypeVar

import numpy as np
from safetensors.numpy import load_file, save

from fiberless.arrays import FloatArray
from fiberless.contract.manifest import Manifest
from fiberless.evaluation.pairs import measure_many
from fiberless.evaluation.sampling import in_half_precision, seeds_of
from fiberless.evaluation.target_table import TargetTable, measure_observed_targets, measure_targets
from fiberless.inference.conditioning import Conditions
from fiberless.inference.family import Candidates, Family, SpectralGrid

__all__ = ["BlockCache", "Contestant", "Measured", "MeasuredBlock", "candidate_targets", "draw_blocks"]

BLOCK: Final = 40
_DIGITS: Final = 5
_HASH: Final = 12
_CORE_SECONDS: Final = "core_seconds"


class Measured(Protocol):
    """What is kept of candidates: arrays whose first axis is the galaxy."""

    def to_arrays(self) -> Mapping[str, FloatArray]:
        """By the names that a file has them under."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> Self:
        """Invert `to_arrays`."""

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Galaxies of several blocks one after another."""


T = TypeVar("T", bound=Measured)


@dataclass(frozen=True, eq=False)
class MeasuredBlock(Generic[T]):
    """What was measured on the candidates of n galaxies, and what drawing them took.

    Parameters
    ----------
    values : of n galaxies
    core_seconds : (n,) each galaxy with the mean of its block

    """

    values: T
    core_seconds: FloatArray


@dataclass(frozen=True, eq=False)
class Contestant:
    """A version whose candidates are drawn, and how.

    Parameters
    ----------
    family, manifest : of the version
    n_candidates, steps : K, and evaluations of a network a candidate and stage
    half_precision : whether the networks that draw compute in bfloat16

    """

    family: Family
    manifest: Manifest
    n_candidates: int
    steps: int
    half_precision: bool = True

    @property
    def key(self) -> str:
        """Name of a folder for what is drawn in this way."""
        precision = "bf16" if self.half_precision else "fp32"
        weights = self.manifest.weights_sha256[:_HASH]
        return f"{self.manifest.version}-{weights}-K{self.n_candidates}-S{self.steps}-{precision}"


@dataclass(frozen=True)
class BlockCache(Generic[T]):
    """A folder of measured blocks; None keeps nothing.

    Parameters
    ----------
    folder : parent of a folder for each `Contestant.key`
    name : of what is measured, in the files' names
    kind : class of what is measured

    """

    folder: Path | None
    name: str
    kind: type[T]

    def get(self, key: str, block: str, make: Callable[[], MeasuredBlock[T]]) -> MeasuredBlock[T]:
        """Values of a block, read if they are there, else made and written under a temporary name."""
        if self.folder is None:
            return make()
        path = self.folder / key / f"{self.name}-{block}.safetensors"
        if path.exists():
            arrays = load_file(path)
            core_seconds = arrays.pop(_CORE_SECONDS)
            return MeasuredBlock(self.kind.from_arrays(arrays), core_seconds)
        made = make()
        arrays = {**made.values.to_arrays(), _CORE_SECONDS: made.core_seconds}
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))
        temporary.rename(path)
        return made


def draw_blocks(
    contestant: Contestant,
    conditions: Conditions,
    truth: TargetTable,
    *,
    measure: Callable[[Candidates], T],
    cache: BlockCache[T],
    progress: Callable[[int, int], None],
) -> MeasuredBlock[T]:
    """Draw candidates of n galaxies and measure them.

    Noise depends on a galaxy's place alone, so it is the same for every number of steps.

    Parameters
    ----------
    truth : of n galaxies, measured by the same code; part of the blocks' names
    measure : from the candidates of B galaxies to what is kept of them

    Returns
    -------
    MeasuredBlock of all n galaxies

    """
    drawer = in_half_precision(contestant.family) if contestant.half_precision else contestant.family
    parts, total = [], len(conditions)
    for start in range(0, total, BLOCK):
        rows = slice(start, min(start + BLOCK, total))
        block = conditions[rows]

        def make(block: Conditions = block, start: int = start) -> MeasuredBlock[T]:
            return _measured(drawer, contestant, block, start, measure=measure)

        name = f"{start:05d}-{_digest(block, truth.rows(rows))}"
        parts.append(cache.get(contestant.key, name, make))
        progress(rows.stop, total)
    values = cache.kind.joined([part.values for part in parts])
    return MeasuredBlock(values, np.concatenate([part.core_seconds for part in parts]))


def candidate_targets(drawn: Candidates) -> TargetTable:
    """Targets (B, K) and classes of candidates, measured by the same code in either frame."""
    measure = measure_targets if drawn.frame is SpectralGrid.REST else measure_observed_targets
    flat = drawn.ln_flux.reshape(-1, drawn.ln_flux.shape[-1])
    table = measure_many(flat, drawn.redshift.reshape(-1), measure=measure)
    return table.reshape(*drawn.redshift.shape)


def _measured(
    drawer: Family,
    contestant: Contestant,
    block: Conditions,
    start: int,
    *,
    measure: Callable[[Candidates], T],
) -> MeasuredBlock[T]:
    seeds = seeds_of(start, len(block))
    started = time.process_time()
    drawn = drawer.candidates(block, seeds, n=contestant.n_candidates, steps=contestant.steps)
    seconds = (time.process_time() - started) / len(block)
    return MeasuredBlock(measure(drawn), np.full(len(block), seconds))


def _digest(block: Conditions, truth: TargetTable) -> str:
    """Hash of the galaxies; rounded, so that the last bits of another machine's arithmetic do not matter."""
    digest = hashlib.sha256(np.round(block.photometry, _DIGITS).tobytes())
    for name in sorted(truth.names):
        digest.update(name.encode())
        digest.update((np.round(truth[name], _DIGITS) + 0.0).tobytes())  # + 0.0: no negative zero
    return digest.hexdigest()[:_HASH]
