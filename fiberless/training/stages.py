"""The two stages that learn, ready to run: their losses, what they are validated on, what is looked at."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from fiberless.inference.basis import LatentScaler
from fiberless.nn import LatentDenoiser
from fiberless.training.config import StageName, TrainingConfig
from fiberless.training.contrastive import ContrastiveTowers, contrastive_loss, pairs
from fiberless.training.diffusion import DenoiserData, denoiser_loss
from fiberless.training.log import LogRow
from fiberless.training.prepared import Prepared
from fiberless.training.process import TrainingProcess
from fiberless.training.stage import Stage
from fiberless.training.validation import validate_contrast, validate_denoiser
from fiberless.training.validation_plots import draw_contrast, draw_denoiser

__all__ = ["contrastive_stage", "denoiser_stage"]

_VALIDATION: Final = "validation"
_VALIDATION_BATCHES: Final = 4


def contrastive_stage(
    towers: ContrastiveTowers,
    data: Prepared,
    config: TrainingConfig,
    *,
    folder: Path,
    process: TrainingProcess,
) -> Stage:
    """Stage one: image tower against latent tower, on all rows but the held-out ones."""
    n = config.training_rows(len(data.latent))
    learned, held_out = _rows(data, slice(n)), _rows(data, slice(n, None))
    spread = process.spread(towers)

    def plot(step: int, rows: Sequence[LogRow]) -> None:
        found = validate_contrast(towers, held_out, process.device)
        draw_contrast(found, rows, step=step, folder=folder / _VALIDATION)

    return Stage(
        name=StageName.CONTRASTIVE,
        config=config.contrastive,
        module=towers,
        loss=lambda generator: contrastive_loss(
            spread, learned, config, generator, encoder=towers.image_encoder, process=process
        ),
        validate=lambda: _contrast_of(towers, held_out, config.contrastive.batch_size, process),
        plot=plot,
    )


def denoiser_stage(
    denoiser: LatentDenoiser,
    data: DenoiserData,
    config: TrainingConfig,
    *,
    towers: ContrastiveTowers,
    features: Tensor,
    latent_scaler: LatentScaler,
    folder: Path,
    process: TrainingProcess,
) -> Stage:
    """Stage two: the denoiser on frozen features.

    Parameters
    ----------
    data : all rows, on the device
    towers : trained; they score the candidates of its plots
    features : (N, W) frozen, as the image tower gives them

    """
    n = config.training_rows(len(data.latent))
    learned, held_out = data.rows(slice(n)), data.rows(slice(n, None))
    spread = process.spread(denoiser)

    def validate() -> float:
        generator = torch.Generator().manual_seed(config.seed)
        return float(denoiser_loss(denoiser, held_out, config, generator, process=process.alone))

    def plot(step: int, rows: Sequence[LogRow]) -> None:
        found = validate_denoiser(
            denoiser,
            held_out,
            towers=towers,
            features=features[n:].to(process.device),
            latent_scaler=latent_scaler,
            seed=config.seed,
        )
        draw_denoiser(found, rows, step=step, folder=folder / _VALIDATION)

    return Stage(
        name=StageName.DENOISER,
        config=config.denoiser,
        module=denoiser,
        loss=lambda generator: denoiser_loss(spread, learned, config, generator, process=process),
        validate=validate,
        plot=plot,
    )


def _rows(data: Prepared, chosen: slice) -> Prepared:
    return replace(
        data,
        moments=data.moments[chosen],
        photometry=data.photometry[chosen],
        latent=data.latent[chosen],
        cholesky=data.cholesky[chosen],
    )


def _contrast_of(
    towers: ContrastiveTowers, data: Prepared, batch_size: int, process: TrainingProcess
) -> float:
    """Mean InfoNCE of a few whole batches, always the same; of one smaller batch where rows are few."""
    n = len(data.latent)
    size = min(batch_size, n)
    starts = range(0, n - size + 1, size)[:_VALIDATION_BATCHES]
    losses = [towers(*pairs(data, np.arange(start, start + size), process.device)) for start in starts]
    return float(torch.stack(losses).mean())
