"""`Run`: what every training has, whatever it trains: data, configuration, folder, process, clock, record."""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, TypeAlias, TypeVar

import torch

from fiberless.datasets.shards import ShardSet
from fiberless.training.config import RunConfig
from fiberless.training.preflight import pin_run
from fiberless.training.process import TrainingProcess
from fiberless.training.stage import Stage, run_stage

__all__ = ["Clock", "Progress", "Run"]

ConfigT = TypeVar("ConfigT", bound=RunConfig)
T = TypeVar("T")
Progress: TypeAlias = Callable[[str, int, int, float], None]
"""Called with (stage, done, total, loss)."""
_DESCRIBED: Final = {"kind", "description", "n", "seed", "version"}


class Run(ABC, Generic[ConfigT]):
    """A run of all stages; each asks for the one before it, and reads what was already done.

    Parameters
    ----------
    data : training pairs
    config : of the whole training
    folder : of the run: caches, checkpoints, logs, validation plots
    progress : called with (stage, done, total, loss)
    process : device, and rank among the processes; alone on the CPU by default

    Raises
    ------
    UsageError
        `invalid-parameter` if data, disk or processes do not suffice, or if the folder holds a run with
        another configuration or data set.

    """

    def __init__(
        self,
        data: ShardSet,
        config: ConfigT,
        folder: Path,
        *,
        progress: Progress,
        process: TrainingProcess | None = None,
    ) -> None:
        self._data, self._config, self._folder = data, config, folder
        self._progress, self._process = progress, process or TrainingProcess()
        if self._process.first:
            self._refuse_hopeless()
            pin_run(folder, config, data)
        self._process.wait()
        self._clock = Clock(folder)

    @abstractmethod
    def _refuse_hopeless(self) -> None:
        """Raise `UsageError` where the run could not end well, before any work is done."""

    def _made_by_the_first(self, make: Callable[[], T]) -> T:
        """Let the first process make what stays in the folder, then all read it by the same call."""
        if self._process.first:
            make()
        self._process.wait()
        return make()

    def _run_stage(self, stage: Stage) -> None:
        run_stage(
            stage,
            self._folder,
            seed=self._config.seed,
            process=self._process,
            progress=lambda *figures: self._report(stage.name, *figures),
        )

    def _report(self, stage: str, done: int, total: int, loss: float = 0.0) -> None:
        if self._process.first:
            self._clock.tick()
            self._progress(stage, done, total, loss)

    def _record(self) -> dict[str, Any]:
        """What the manifest tells of the run."""
        return {
            "config": self._config.model_dump(mode="json"),
            "data": self._data.info.model_dump(mode="json", include=_DESCRIBED),
            "wall_seconds": round(self._clock.seconds),
            "core_seconds": round(self._clock.core_seconds),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "device": self._process.device.type,
            "processes": self._process.count,
        }


class Clock:
    """Wall time and core time of a run across its interruptions, kept in `<folder>/clock.json`.

    Core time is that of this process and its threads; processes that it started for other work do not count.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "clock.json"
        before = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._wall = before.get("wall_seconds", 0.0) - time.monotonic()
        self._core = before.get("core_seconds", 0.0) - time.process_time()

    @property
    def seconds(self) -> float:
        """Wall seconds so far."""
        return self._wall + time.monotonic()

    @property
    def core_seconds(self) -> float:
        """Core seconds so far."""
        return self._core + time.process_time()

    def tick(self) -> None:
        """Write down the seconds so far."""
        temporary = self._path.with_suffix(".tmp")
        now = {"wall_seconds": round(self.seconds, 1), "core_seconds": round(self.core_seconds, 1)}
        temporary.write_text(json.dumps(now) + "\n")
        temporary.rename(self._path)
