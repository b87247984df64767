"""Trains one version of the latent model from a data set, resumable at every stage."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fiberless.arrays import FloatArray
from fiberless.datasets.shards import ShardSet
from fiberless.errors import UsageError
from fiberless.inference.latent import LatentFamily
from fiberless.nn import LatentDenoiser
from fiberless.training.clock import Clock
from fiberless.training.config import TrainingConfig
from fiberless.training.contrastive import ContrastiveTowers, contrastive_loss, extract_features
from fiberless.training.diffusion import DenoiserData, denoiser_loss
from fiberless.training.prepared import Prepared, prepare
from fiberless.training.stage import Stage, run_stage

__all__ = ["Trained", "train_latent"]

Progress = Callable[[str, int, int, float], None]


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained family and the record of its making, for the manifest."""

    family: LatentFamily
    record: dict[str, Any]


def train_latent(data: ShardSet, config: TrainingConfig, folder: Path, *, progress: Progress) -> Trained:
    """Run all stages; what a stopped run had finished is not done again.

    Parameters
    ----------
    data : training pairs
    folder : of the run: caches, checkpoints, logs
    progress : called with (stage, done, total, loss)

    Raises
    ------
    UsageError
        `invalid-parameter` if the folder holds a run with another configuration.

    """
    folder.mkdir(parents=True, exist_ok=True)
    _pin_config(folder, config, data)
    clock = Clock(folder)

    def report(stage: str, done: int, total: int, loss: float) -> None:
        clock.tick()
        progress(stage, done, total, loss)

    torch.manual_seed(config.seed)
    prepared = prepare(data, config, folder, progress=lambda d, t: report("prepare", d, t, 0.0))
    towers = _train_contrast(prepared, config, folder, report)
    features = _cached_features(towers, prepared, config, folder)
    scaler = prepared.condition_scaler.with_features(features[0])
    scaled = np.stack([scaler.scale_features(view) for view in features]).astype(np.float16)
    denoiser = _train_denoiser(prepared, scaled, config, folder, report)
    family = LatentFamily(
        image_encoder=towers.image_encoder.eval(),
        latent_encoder=towers.latent_encoder.eval(),
        denoiser=denoiser.eval(),
        basis=prepared.basis,
        latent_scaler=prepared.latent_scaler,
        condition_scaler=scaler,
    )
    record = {
        "config": config.model_dump(mode="json"),
        "data": data.info.model_dump(mode="json", include={"kind", "description", "n", "seed", "version"}),
        "wall_seconds": round(clock.tick()),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    return Trained(family=family, record=record)


def _pin_config(folder: Path, config: TrainingConfig, data: ShardSet) -> None:
    """Refuse to mix two configurations or two data sets in one run folder."""
    path = folder / "config.json"
    text = f"{config.model_dump_json(indent=1)}\n{data.info.model_dump_json()}\n"
    if path.exists() and path.read_text() != text:
        raise UsageError("invalid-parameter", f"{folder} holds a run with another configuration or data set")
    path.write_text(text)


def _train_contrast(
    data: Prepared, config: TrainingConfig, folder: Path, progress: Progress
) -> ContrastiveTowers:
    towers = ContrastiveTowers(config)
    size = config.contrastive.batch_size
    stage = Stage(
        "contrastive", config.contrastive, towers, lambda g: contrastive_loss(towers, data, size, g)
    )
    run_stage(stage, folder, seed=config.seed, progress=lambda *a: progress("contrastive", *a))
    return towers


def _cached_features(
    towers: ContrastiveTowers, data: Prepared, config: TrainingConfig, folder: Path
) -> FloatArray:
    """Frozen features of all images in the first orientations. (V, N, E) float32"""
    path = folder / "features.npy"
    if not path.exists():
        encoder = towers.image_encoder.eval()
        views = range(0, 8, 8 // config.feature_views)
        features = np.stack([extract_features(encoder, data, view=v) for v in views][: config.feature_views])
        np.save(path.with_suffix(".tmp.npy"), features)
        path.with_suffix(".tmp.npy").rename(path)
    cached: FloatArray = np.load(path)
    return cached


def _train_denoiser(
    data: Prepared, features: FloatArray, config: TrainingConfig, folder: Path, progress: Progress
) -> LatentDenoiser:
    denoiser = LatentDenoiser(
        latent_size=data.latent.shape[1],
        feature_size=config.embedding_size,
        width=config.denoiser_width,
        depth=config.denoiser_depth,
    )
    tensors = DenoiserData(
        latent=torch.from_numpy(data.latent),
        features=torch.from_numpy(features),
        photometry=torch.from_numpy(data.photometry),
    )
    stage = Stage(
        "denoiser", config.denoiser, denoiser, lambda g: denoiser_loss(denoiser, tensors, config, g)
    )
    run_stage(stage, folder, seed=config.seed, progress=lambda *a: progress("denoiser", *a))
    return denoiser
