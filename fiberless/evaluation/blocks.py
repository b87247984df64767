"""Draws candidates of any family block after block, and keeps what was measured on them.

Drawing a cascade takes seconds a galaxy; stopped and started again, it goes on with the first block that is
not in its cache. A block's file is named for all that its values follow from: weights, K, steps, arithmetic,
galaxies, and the truth as measured by the code of the day, so that a change of that code draws anew.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import load_file, save

from fiberless.arrays import FloatArray
from fiberless.contract.manifest import Manifest
from fiberless.evaluation.pairs import measure_many
from fiberless.evaluation.sampling import in_half_precision, seeds_of
from fiberless.evaluation.targets import measure_observed_targets, measure_targets
from fiberless.inference.conditioning import Conditions
from fiberless.inference.family import Candidates, Family, Frame

__all__ = ["CORE_SECONDS", "BlockCache", "Contestant", "candidate_targets", "draw_blocks"]

CORE_SECONDS: Final = "core_seconds"
"""Key of the core time that drawing took, (n,), each galaxy with the mean of its block."""
BLOCK: Final = 40
_DIGITS: Final = 5
_HASH: Final = 12
Measure = Callable[[Candidates], dict[str, FloatArray]]


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
class BlockCache:
    """A folder of measured blocks; None keeps nothing.

    Parameters
    ----------
    folder : parent of a folder for each `Contestant.key`
    kind : name of what is measured

    """

    folder: Path | None
    kind: str

    def get(self, key: str, block: str, make: Callable[[], dict[str, FloatArray]]) -> dict[str, FloatArray]:
        """Values of a block, read if they are there, else made and written under a temporary name."""
        if self.folder is None:
            return make()
        path = self.folder / key / f"{self.kind}-{block}.safetensors"
        if path.exists():
            return load_file(path)
        values = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(save({name: np.ascontiguousarray(array) for name, array in values.items()}))
        temporary.rename(path)
        return values


def draw_blocks(
    contestant: Contestant,
    conditions: Conditions,
    truth: Mapping[str, FloatArray],
    *,
    measure: Measure,
    cache: BlockCache,
    progress: Callable[[int, int], None],
) -> dict[str, FloatArray]:
    """Draw candidates of n galaxies and measure them.

    Noise depends on a galaxy's place alone, so it is the same for every number of steps.

    Parameters
    ----------
    truth : {name: (n,)} measured by the same code, part of the blocks' names
    measure : {name: (B, ...)} of the candidates of B galaxies

    Returns
    -------
    {name: (n, ...)} of `measure`, and `CORE_SECONDS`

    """
    drawer = in_half_precision(contestant.family) if contestant.half_precision else contestant.family
    parts, total = [], len(conditions)
    for start in range(0, total, BLOCK):
        rows = slice(start, min(start + BLOCK, total))
        block = conditions[rows]

        def make(block: Conditions = block, start: int = start) -> dict[str, FloatArray]:
            return _measured(drawer, contestant, block, start, measure=measure)

        name = f"{start:05d}-{_digest(block, {key: values[rows] for key, values in truth.items()})}"
        parts.append(cache.get(contestant.key, name, make))
        progress(rows.stop, total)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def candidate_targets(drawn: Candidates) -> dict[str, FloatArray]:
    """Targets (B, K) and classes of candidates, measured by the same code in either frame."""
    measure = measure_targets if drawn.frame is Frame.REST else measure_observed_targets
    flat = drawn.ln_flux.reshape(-1, drawn.ln_flux.shape[-1])
    values = measure_many(flat, drawn.redshift.reshape(-1), measure=measure)
    return {name: array.reshape(drawn.redshift.shape) for name, array in values.items()}


def _measured(
    drawer: Family, contestant: Contestant, block: Conditions, start: int, *, measure: Measure
) -> dict[str, FloatArray]:
    seeds = seeds_of(start, len(block))
    started = time.process_time()
    drawn = drawer.candidates(block, seeds, n=contestant.n_candidates, steps=contestant.steps)
    seconds = (time.process_time() - started) / len(block)
    return measure(drawn) | {CORE_SECONDS: np.full(len(block), seconds)}


def _digest(block: Conditions, truth: Mapping[str, FloatArray]) -> str:
    """Hash of the galaxies; rounded, so that the last bits of another machine's arithmetic do not matter."""
    digest = hashlib.sha256(np.round(block.photometry, _DIGITS).tobytes())
    for name in sorted(truth):
        digest.update(name.encode())
        digest.update((np.round(truth[name], _DIGITS) + 0.0).tobytes())  # + 0.0: no negative zero
    return digest.hexdigest()[:_HASH]
