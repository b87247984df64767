"""`CascadeConfig`: every choice of a cascade's training; the paper's, and a slim one for a few CPU cores."""

from enum import StrEnum
from typing import Any, Final, Self

from pydantic import Field

from fiberless.images.apertures import PHOTOMETRY_NAMES
from fiberless.training.config import RunConfig, StageConfig

__all__ = ["CascadeConfig", "CascadeStage", "paper_config", "slim_config"]

_TIMESTEPS: Final = 250
"""Those of `fiberless.nn.cosine_schedule`, which imports torch."""


class CascadeStage(StrEnum):
    """The stages of a training, in their order."""

    PREPARE = "prepare"
    CONTRAST_LOW = "contrast_low"
    CONTRAST_HIGH = "contrast_high"
    DENOISE_LOW = "denoise_low"
    DENOISE_HIGH = "denoise_high"


class CascadeConfig(RunConfig):
    """A whole training of the cascade.

    The four dictionaries are constructor arguments of the networks, beside those that their places decide.
    """

    networks: dict[CascadeStage, dict[str, Any]] = Field(description="`SpectrumContrast`, `SpectrumUNet`")
    stages: dict[CascadeStage, StageConfig]
    max_rows: int | None = Field(default=None, gt=0, description="Galaxies of the data that are used")
    draws: int = Field(default=1, gt=0, description="Noisy spectra of a galaxy in a step; batches count them")
    warm_start: bool = Field(
        default=False, description="Begin image encoders as the first contrast's image tower ended"
    )
    timesteps: int = Field(default=_TIMESTEPS, gt=1)
    scheduler: str = "UniPCMultistepScheduler"
    sampler_steps: int = Field(default=25, gt=1)
    kept_share: float = Field(default=1.0, gt=0, le=1)

    def with_steps(self, steps: dict[CascadeStage, int | None]) -> Self:
        """The same training with other numbers of steps; None keeps a stage's."""
        changed = {
            stage: config.model_copy(update={"steps": steps.get(stage) or config.steps})
            for stage, config in self.stages.items()
        }
        return self.model_copy(update={"stages": changed})


def paper_config() -> CascadeConfig:
    """Sizes of Doorenbos et al. 2024: 35.9 million parameters a U-Net, 43.5 a contrast, pixels alone.

    Numbers of steps are those of a training on several GPUs; the paper's code does not state them.
    """
    contrast = StageConfig(steps=100_000, batch_size=256, learning_rate=3e-4, ema_decay=0.9999)
    denoise = StageConfig(steps=300_000, batch_size=64, learning_rate=1e-4, ema_decay=0.9999)
    return CascadeConfig(
        networks={
            CascadeStage.CONTRAST_LOW: {},
            CascadeStage.CONTRAST_HIGH: {},
            CascadeStage.DENOISE_LOW: {},
            CascadeStage.DENOISE_HIGH: {},
        },
        stages={
            CascadeStage.CONTRAST_LOW: contrast,
            CascadeStage.CONTRAST_HIGH: contrast,
            CascadeStage.DENOISE_LOW: denoise,
            CascadeStage.DENOISE_HIGH: denoise,
        },
        scheduler="DDPMScheduler",
        sampler_steps=_TIMESTEPS,
        kept_share=0.2,
    )


def slim_config() -> CascadeConfig:
    """Few million parameters that also see the photometry, for an hour on one CPU core."""
    image = {"image_widths": (32, 64, 128, 128), "image_depths": (1, 1, 1, 1), "image_pooled_stem": False}
    shared = image | {"photometry_size": len(PHOTOMETRY_NAMES)}
    contrast = shared | {
        "embedding_size": 128,
        "hidden": 256,
        "image_bottleneck": False,
        "spectrum_widths": (32, 64, 128, 128),
        "spectrum_depths": (1, 1, 1, 1),
        "spectrum_bottleneck": False,
    }
    unet = shared | {"blocks": 1, "time_size": 128, "preconditioned": True}
    return CascadeConfig(
        networks={
            CascadeStage.CONTRAST_LOW: contrast,
            CascadeStage.CONTRAST_HIGH: contrast,
            CascadeStage.DENOISE_LOW: unet | {"widths": (96, 128, 160), "patch": 8},
            CascadeStage.DENOISE_HIGH: unet | {"widths": (64, 96, 128), "patch": 30},
        },
        stages={
            CascadeStage.CONTRAST_LOW: _quick(400, 256, 1e-3),
            CascadeStage.CONTRAST_HIGH: _quick(120, 256, 5e-4),
            CascadeStage.DENOISE_LOW: _quick(1300, 256, 1e-3),
            CascadeStage.DENOISE_HIGH: _quick(1000, 128, 1e-3),
        },
        max_rows=60_000,
        draws=8,
        warm_start=True,
    )


def _quick(steps: int, batch_size: int, learning_rate: float) -> StageConfig:
    return StageConfig(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        ema_decay=0.998,
        warmup_steps=100,
        checkpoint_steps=200,
    )
