"""Refuses a training of the cascade that could not end well, and pins what a run folder holds."""

import json
import shutil
from pathlib import Path
from typing import Final

from fiberless.cutout import CUTOUT_PIXELS
from fiberless.datasets.shards import ShardSet
from fiberless.errors import UsageError
from fiberless.training.cascade.config import CascadeConfig, CascadeStage
from fiberless.wavelength import OBSERVED_WAVE_AA

__all__ = ["pin_cascade_run", "refuse_hopeless_cascade"]

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
            raise _refusal(f"{stage}: batches of {optimisation.batch_size} cannot be shared equally")
        if rows < galaxies:
            raise _refusal(f"{rows} galaxies to train on are fewer than a batch of {stage}, {galaxies}")
    needed = n * _FLOAT16 * (5 * CUTOUT_PIXELS**2 + OBSERVED_WAVE_AA.size) + _CHECKPOINTS
    free = shutil.disk_usage(next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists()))
    if not (folder / "prepared.json").exists() and free.free < needed:
        raise _refusal(f"{folder} needs {needed / 1e9:.1f} GB of disk; {free.free / 1e9:.1f} GB are free")
    missing = [stage for stage in list(CascadeStage)[1:] if stage not in config.stages]
    if missing:
        raise _refusal(f"the configuration says nothing of {', '.join(missing)}")


def pin_cascade_run(folder: Path, config: CascadeConfig, data: ShardSet) -> None:
    """Write configuration and data set of a run into its folder, or refuse if others are written there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("config", config), ("data", data.info)):
        path = folder / f"{name}.json"
        new = content.model_dump(mode="json")
        if path.exists() and json.loads(path.read_text()) != json.loads(json.dumps(new)):
            raise _refusal(f"{folder} holds a run with another {name}. Choose another --run")
        path.write_text(json.dumps(new, indent=1) + "\n")


def _refusal(detail: str) -> UsageError:
    return UsageError("invalid-parameter", detail)
