"""Trains one version of the latent model from a data set, resumable at every stage."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, assert_never

import numpy as np
import torch

from fiberless.arrays import FloatArray
from fiberless.inference.conditioning import ConditionScaler
from fiberless.inference.latent import LatentFamily
from fiberless.nn import LatentDenoiser
from fiberless.training.config import StageName, TrainingConfig
from fiberless.training.contrastive import ContrastiveTowers, extract_features
from fiberless.training.diffusion import DenoiserData
from fiberless.training.preflight import refuse_hopeless
from fiberless.training.prepared import Prepared, prepare
from fiberless.training.run import Run
from fiberless.training.stages import contrastive_stage, denoiser_stage

__all__ = ["Trained", "Training"]


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained family and the record of its making, for the manifest."""

    family: LatentFamily
    record: dict[str, Any]


class Training(Run[TrainingConfig]):
    """A run of all stages of the latent model; parameters and errors are those of `Run`."""

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
        report = partial(self._report, StageName.PREPARE)
        return self._made_by_the_first(
            lambda: prepare(self._data, self._config, self._folder, progress=report)
        )

    @cached_property
    def towers(self) -> ContrastiveTowers:
        """Both towers of the contrast, trained."""
        towers = self._untrained[0]
        stage = contrastive_stage(
            towers, self.prepared, self._config, folder=self._folder, process=self._process
        )
        self._run_stage(stage)
        return towers.eval()

    @cached_property
    def features(self) -> FloatArray:
        """Frozen features of all images in the first orientations. (V, N, W) float16"""
        path = self._folder / "features.npy"
        towers = self.towers
        if self._process.first and not path.exists():
            count = self._config.feature_views
            views = range(0, 8, 8 // count)[:count]
            features = np.stack([extract_features(towers, self.prepared, view=view) for view in views])
            np.save(path.with_suffix(".tmp.npy"), features)
            path.with_suffix(".tmp.npy").rename(path)
        self._process.wait()
        cached: FloatArray = np.load(path)
        return cached

    @cached_property
    def denoiser(self) -> LatentDenoiser:
        """The denoiser, trained."""
        denoiser = self._untrained[1]
        stage = denoiser_stage(
            denoiser,
            self._denoiser_data().to(self._process.device),
            self._config,
            towers=self.towers,
            features=torch.from_numpy(self.features[0]),
            latent_scaler=self.prepared.latent_scaler,
            folder=self._folder,
            process=self._process,
        )
        self._run_stage(stage)
        return denoiser

    @cached_property
    def _condition_scaler(self) -> ConditionScaler:
        learned = self._config.training_rows(len(self.prepared.latent))
        return self.prepared.condition_scaler.with_features(self.features[0][:learned])

    @cached_property
    def _untrained(self) -> tuple[ContrastiveTowers, LatentDenoiser]:
        """Networks as the seed makes them, whichever stage a run goes on from."""
        config, size = self._config, self.prepared.latent.shape[1]
        torch.manual_seed(config.seed)
        towers = ContrastiveTowers(config, size)
        learned = config.training_rows(len(self.prepared.latent))
        towers.image_encoder.fit_moments(torch.from_numpy(self.prepared.moments[:learned]))
        denoiser = LatentDenoiser(
            latent_size=size,
            feature_size=config.encoder_width,
            width=config.denoiser_width,
            depth=config.denoiser_depth,
            condition_depth=config.condition_depth,
        )
        return towers.to(self._process.device), denoiser.to(self._process.device)

    def _refuse_hopeless(self) -> None:
        refuse_hopeless(self._data, self._config, self._folder, processes=self._process.count)

    def _denoiser_data(self) -> DenoiserData:
        scaled = [self._condition_scaler.scale_features(view).astype(np.float16) for view in self.features]
        return DenoiserData(
            latent=torch.from_numpy(self.prepared.latent),
            cholesky=torch.from_numpy(np.asarray(self.prepared.cholesky)),
            features=torch.from_numpy(np.stack(scaled)),
            photometry=torch.from_numpy(self.prepared.photometry),
        )
