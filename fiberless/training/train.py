"""Trains one version of the latent model from a data set, resumable at every stage."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, assert_never

import numpy as np
import torch

from fiberless.arrays import FloatArray
from fiberless.datasets.shards import ShardSet
from fiberless.inference.conditioning import ConditionScaler
from fiberless.inference.latent import LatentFamily
from fiberless.nn import LatentDenoiser
from fiberless.training.clock import Clock
from fiberless.training.config import StageName, TrainingConfig
from fiberless.training.contrastive import ContrastiveTowers, extract_features
from fiberless.training.diffusion import DenoiserData
from fiberless.training.place import Place
from fiberless.training.preflight import pin_run, refuse_hopeless
from fiberless.training.prepared import Prepared, prepare
from fiberless.training.stage import Stage, run_stage
from fiberless.training.stages import contrastive_stage, denoiser_stage

__all__ = ["Trained", "Training", "train_latent"]

Progress: TypeAlias = Callable[[str, int, int, float], None]


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained family and the record of its making, for the manifest."""

    family: LatentFamily
    record: dict[str, Any]


def train_latent(
    data: ShardSet, config: TrainingConfig, folder: Path, *, progress: Progress, place: Place | None = None
) -> Trained:
    """Run all stages; parameters and errors are those of `Training`."""
    return Training(data, config, folder, progress=progress, place=place).finish()


class Training:
    """A run of all stages; each asks for the one before it, and reads what was already done.

    Parameters
    ----------
    data : training pairs
    folder : of the run: caches, checkpoints, logs, looks
    progress : called with (stage, done, total, loss)
    place : where to compute, and with how many processes; alone on the CPU by default

    Raises
    ------
    UsageError
        `invalid-parameter` if data, disk or processes do not suffice, or if the folder holds a run with
        another configuration or data set.

    """

    def __init__(
        self,
        data: ShardSet,
        config: TrainingConfig,
        folder: Path,
        *,
        progress: Progress,
        place: Place | None = None,
    ) -> None:
        self._data, self._config, self._folder = data, config, folder
        self._progress, self._place = progress, place or Place()
        if self._place.first:
            refuse_hopeless(data, config, folder, processes=self._place.count)
            pin_run(folder, config, data)
        self._place.wait()
        self._clock = Clock(folder)

    def run(self, until: StageName) -> None:
        """Do a stage, and those before it that are not done."""
        match until:
            case StageName.PREPARE:
                _ = self.prepared
            case StageName.CONTRASTIVE:
                _ = self.towers
            case StageName.DENOISER:
                _ = self.denoiser
            case _:
                assert_never(until)

    def finish(self) -> Trained:
        """Run all stages."""
        denoiser = self.denoiser
        family = LatentFamily(
            image_encoder=self.towers.image_encoder.cpu().eval(),
            latent_encoder=self.towers.latent_encoder.cpu().eval(),
            denoiser=denoiser.cpu().eval(),
            basis=self.prepared.basis,
            latent_scaler=self.prepared.latent_scaler,
            condition_scaler=self._condition_scaler,
        )
        return Trained(family=family, record=self._record())

    @cached_property
    def prepared(self) -> Prepared:
        """The data set as networks see it; made by the first process."""
        if self._place.first:
            self._prepare()
        self._place.wait()
        return self._prepare()

    @cached_property
    def towers(self) -> ContrastiveTowers:
        """Both towers of the contrast, trained."""
        towers = self._untrained[0]
        stage = contrastive_stage(towers, self.prepared, self._config, folder=self._folder, place=self._place)
        self._run_stage(stage)
        return towers.eval()

    @cached_property
    def features(self) -> FloatArray:
        """Frozen features of all images in the first orientations. (V, N, E) float32"""
        path = self._folder / "features.npy"
        towers = self.towers
        if self._place.first and not path.exists():
            count = self._config.feature_views
            views = range(0, 8, 8 // count)[:count]
            features = np.stack([extract_features(towers, self.prepared, view=view) for view in views])
            np.save(path.with_suffix(".tmp.npy"), features)
            path.with_suffix(".tmp.npy").rename(path)
        self._place.wait()
        cached: FloatArray = np.load(path)
        return cached

    @cached_property
    def denoiser(self) -> LatentDenoiser:
        """The denoiser, trained."""
        denoiser = self._untrained[1]
        stage = denoiser_stage(
            denoiser,
            self._denoiser_data().to(self._place.device),
            self._config,
            towers=self.towers,
            embedding=torch.from_numpy(self.features[0]),
            latent_scaler=self.prepared.latent_scaler,
            folder=self._folder,
            place=self._place,
        )
        self._run_stage(stage)
        return denoiser

    @cached_property
    def _condition_scaler(self) -> ConditionScaler:
        return self.prepared.condition_scaler.with_features(self.features[0])

    @cached_property
    def _untrained(self) -> tuple[ContrastiveTowers, LatentDenoiser]:
        """Networks as the seed makes them, whichever stage a run goes on from."""
        config, size = self._config, self.prepared.latent.shape[1]
        torch.manual_seed(config.seed)
        towers = ContrastiveTowers(config, self.prepared.latent.shape[1])
        denoiser = LatentDenoiser(
            latent_size=size,
            feature_size=config.embedding_size,
            width=config.denoiser_width,
            depth=config.denoiser_depth,
        )
        return towers.to(self._place.device), denoiser.to(self._place.device)

    def _prepare(self) -> Prepared:
        def report(done: int, total: int) -> None:
            self._report("prepare", done, total, 0.0)

        return prepare(self._data, self._config, self._folder, progress=report)

    def _denoiser_data(self) -> DenoiserData:
        scaled = [self._condition_scaler.scale_features(view).astype(np.float16) for view in self.features]
        return DenoiserData(
            latent=torch.from_numpy(self.prepared.latent),
            cholesky=torch.from_numpy(np.asarray(self.prepared.cholesky)),
            features=torch.from_numpy(np.stack(scaled)),
            photometry=torch.from_numpy(self.prepared.photometry),
        )

    def _run_stage(self, stage: Stage) -> None:
        run_stage(
            stage,
            self._folder,
            seed=self._config.seed,
            place=self._place,
            progress=lambda *a: self._report(stage.name, *a),
        )

    def _report(self, stage: str, done: int, total: int, loss: float) -> None:
        if self._place.first:
            self._clock.tick()
            self._progress(stage, done, total, loss)

    def _record(self) -> dict[str, Any]:
        described = {"kind", "description", "n", "seed", "version"}
        return {
            "config": self._config.model_dump(mode="json"),
            "data": self._data.info.model_dump(mode="json", include=described),
            "wall_seconds": round(self._clock.seconds),
            "torch": torch.__version__,
            "threads": torch.get_num_threads(),
            "device": self._place.device.type,
            "processes": self._place.count,
        }
