"""`TrainingConfig`: every choice of a training, stored in the manifest of what it makes."""

import json
import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fiberless.contract.manifest import TRAINED_REDSHIFT
from fiberless.errors import UsageError

__all__ = ["RunConfig", "StageConfig", "StageName", "TrainingConfig", "read_config"]

_MOST_HELD_OUT = 0.1
_MARGIN = 0.001
"""Of the ends of the redshift's logit beyond the redshifts trained on, where it is infinite."""


class StageName(StrEnum):
    """The stages of a training, in their order."""

    PREPARE = "prepare"
    CONTRASTIVE = "contrastive"
    DENOISER = "denoiser"


class _ImmutableConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageConfig(_ImmutableConfig):
    """Optimisation of one stage: AdamW, linear warm-up, cosine decay to zero, averaged weights."""

    steps: int = Field(gt=0)
    batch_size: int = Field(gt=0, description="Of a step; several processes share it")
    learning_rate: float = Field(gt=0)
    warmup_steps: int = Field(default=200, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    ema_decay: float = Field(gt=0, lt=1, description="Final decay; reached by a warm-up over the steps")
    checkpoint_steps: int = Field(
        default=1000, gt=0, description="Steps between checkpoints and validation plots"
    )
    log_steps: int = Field(default=50, gt=0, description="Steps between rows of the log")


class RunConfig(_ImmutableConfig):
    """What every training chooses, whatever it trains."""

    seed: int = Field(default=1, ge=0, description="Of initial weights and of every step's random numbers")
    precision: Literal["bf16", "fp32"] = Field(default="bf16", description="Of the networks' arithmetic")
    validation_rows: int = Field(
        default=2000, gt=0, description="Last rows of the data, never trained on; at most a tenth of it"
    )

    def training_rows(self, n: int) -> int:
        """How many of the first of n galaxies are trained on; the rest is for validation."""
        return n - min(self.validation_rows, max(1, int(_MOST_HELD_OUT * n)))


class TrainingConfig(RunConfig):
    """A whole training of the latent model."""

    n_components: int = Field(default=52, gt=0)
    basis_rows: int = Field(
        default=20_000, gt=0, description="Spectra that the principal components are taken from"
    )
    basis: str | None = Field(
        default=None,
        description="Version folder whose basis is taken, e.g. model_store/latent-6; noisy spectra need one",
    )
    redshift_support: tuple[float, float] = (
        round(TRAINED_REDSHIFT[0] - _MARGIN, 3),
        round(TRAINED_REDSHIFT[1] + _MARGIN, 3),
    )
    encoder_width: int = Field(default=512, gt=0, description="Channels and features of the image tower")
    encoder_depth: int = Field(default=4, gt=0, description="Residual blocks of the image tower")
    embedding_size: int = 256
    denoiser_width: int = 384
    denoiser_depth: int = 6
    condition_depth: int = Field(default=2, ge=0, description="Residual blocks on the denoiser's condition")
    regression_share: float = Field(
        default=0.9, ge=0, le=1, description="Share of the first stage's loss in latents that features tell"
    )
    feature_views: int = Field(default=2, ge=1, le=8, description="Orientations whose features are cached")
    ln_sigma_mean: float = -0.4
    ln_sigma_std: float = 1.6
    temperature: float = Field(default=0.07, gt=0, description="Initial temperature of the contrast")
    contrastive: StageConfig = StageConfig(
        steps=7500, batch_size=1024, learning_rate=1.5e-3, weight_decay=0.02, ema_decay=0.999
    )
    denoiser: StageConfig = StageConfig(steps=4500, batch_size=1024, learning_rate=1.5e-3, ema_decay=0.999)

    def with_steps(self, *, contrastive: int | None = None, denoiser: int | None = None) -> Self:
        """The same training with other numbers of steps; None keeps a stage's."""
        stages = {"contrastive": contrastive, "denoiser": denoiser}
        changed = {
            name: getattr(self, name).model_copy(update={"steps": steps})
            for name, steps in stages.items()
            if steps is not None
        }
        return self.model_copy(update=changed)


def read_config(path: Path) -> TrainingConfig:
    """Read a configuration from TOML (`.toml`) or JSON; what a file leaves out, in a stage too, is default.

    Raises
    ------
    UsageError
        `invalid-parameter` if the file cannot be read or says something that is no configuration.

    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        return TrainingConfig.model_validate(_over(TrainingConfig().model_dump(mode="json"), content))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UsageError("invalid-parameter", f"{path}: {faults}") from error
    except (OSError, TypeError, ValueError) as error:
        raise UsageError("invalid-parameter", f"{path} is no configuration: {error}") from error


def _over(default: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Lay given values over default ones, table by table."""
    nested = {
        name: _over(default[name], value)
        for name, value in given.items()
        if isinstance(value, dict) and isinstance(default.get(name), dict)
    }
    return default | given | nested
