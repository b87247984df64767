"""Refuses a training of the cascade that could not end well, before any work is done."""

from pathlib import Path
from typing import Final

from fiberless.astro.wavelength import OBSERVED_WAVE_AA
from fiberless.datasets.shards import ShardSet
from fiberless.images.cutout import CUTOUT_PIXELS
from fiberless.training.cascade.config import CascadeConfig, CascadeStage
from fiberless.training.preflight import refusal, refuse_full_disk

__all__ = ["refuse_hopeless_cascade"]

_FLOAT16: Final = 2
_CHECKPOINTS: Final = 3_000_000_000
"""Bytes of four checkpoints at the paper's sizes and of the version, generously."""


def refuse_hopeless_cascade(
    data: ShardSet, config: CascadeConfig, folder: Path, *, processes: int = 1
) -> None:
    """Raise `UsageError` (`invalid-parameter`) where data, disk or processes do not suffice."""
    n = len(data) if config.max_rows is None else min(config.max_rows, len(data))
    rows = config.training_rows(n)
    for stage, optimisation in config.stages.items():
        draws = 1 if stage.startswith("contrast") else config.draws
        galaxies, left = divmod(optimisation.batch_size, draws)
        if left or galaxies % processes:
            raise refusal(f"{stage}: batches of {optimisation.batch_size} cannot be shared equally")
        if rows < galaxies:
            raise refusal(f"{rows} galaxies to train on are fewer than a batch of {stage}, {galaxies}")
    needed = n * _FLOAT16 * (5 * CUTOUT_PIXELS**2 + OBSERVED_WAVE_AA.size) + _CHECKPOINTS
    if not (folder / "prepared.json").exists():
        refuse_full_disk(folder, needed)
    missing = [stage for stage in list(CascadeStage)[1:] if stage not in config.stages]
    if missing:
        raise refusal(f"the configuration says nothing of {', '.join(missing)}")
