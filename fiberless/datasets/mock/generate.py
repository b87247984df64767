"""Writes a simulated survey to disk: shards in parallel, each from its own seed, resumable."""

from collections.abc import Iterator
from concurrent.futures import as_completed
from pathlib import Path
from typing import Final

from fiberless import __version__
from fiberless.datasets.mock.hyperparameters import shipped_population
from fiberless.datasets.mock.survey import TRUTH_NAMES, simulate
from fiberless.datasets.process_pool import process_pool
from fiberless.datasets.shards import DatasetInfo, write_info, write_shard
from fiberless.errors import UsageError

__all__ = ["SHARD_SIZE", "generate"]

SHARD_SIZE: Final = 1000


def generate(out: Path, *, n: int, seed: int, workers: int | None = None) -> Iterator[int]:
    """Simulate n galaxies into a folder.

    Shard i depends on (seed, i) alone: neither on the number of workers nor on an interruption. Shards that
    exist are kept, so a command that was stopped goes on where it was.

    Parameters
    ----------
    out : folder, made if missing
    n : galaxies; seed : non-negative; workers : processes, default the number of cores

    Yields
    ------
    int
        Galaxies written so far.

    Raises
    ------
    UsageError
        `invalid-parameter` if the folder holds another data set.

    """
    out.mkdir(parents=True, exist_ok=True)
    info = _describe(n, seed)
    _refuse_other(out, info)
    write_info(out, info)
    sizes = {i: min(SHARD_SIZE, n - i * SHARD_SIZE) for i in range(-(-n // SHARD_SIZE))}
    missing = [i for i in sizes if not (out / f"shard-{i:05d}.safetensors").exists()]
    done = n - sum(sizes[i] for i in missing)
    yield done
    with process_pool(workers) as pool:
        jobs = {pool.submit(_write, out, seed=seed, index=i, n=sizes[i]): i for i in missing}
        for job in as_completed(jobs):
            job.result()
            done += sizes[jobs[job]]
            yield done


def _write(out: Path, *, seed: int, index: int, n: int) -> None:
    write_shard(out, index, simulate([seed, index], n))


def _describe(n: int, seed: int) -> DatasetInfo:
    return DatasetInfo(
        kind="mock",
        description="Simulated galaxies (three sheets, BC03-MILES); no observation in it; "
        f"population {shipped_population().name}",
        n=n,
        seed=seed,
        shard_size=SHARD_SIZE,
        version=__version__,
        truth_names=TRUTH_NAMES,
    )


def _refuse_other(out: Path, info: DatasetInfo) -> None:
    existing = out / "dataset.json"
    if not existing.exists():
        return
    found = DatasetInfo.model_validate_json(existing.read_text())
    if found != info:
        raise UsageError(
            "invalid-parameter", f"{out} holds another data set (n={found.n}, seed={found.seed})"
        )
