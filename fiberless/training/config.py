"""`TrainingConfig`: every choice of a training, stored in the manifest of what it makes."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["StageConfig", "TrainingConfig"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StageConfig(_Frozen):
    """Optimisation of one stage: AdamW, linear warm-up, cosine decay to zero, averaged weights."""

    steps: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    warmup_steps: int = Field(default=200, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)
    ema_decay: float = Field(gt=0, lt=1, description="Final decay; reached by a warm-up over the steps")
    checkpoint_steps: int = Field(default=1000, gt=0)


class TrainingConfig(_Frozen):
    """A whole training."""

    seed: int = 0
    n_components: int = 40
    basis_rows: int = Field(
        default=20_000, description="Spectra that the principal components are taken from"
    )
    redshift_support: tuple[float, float] = (0.029, 0.171)
    widths: tuple[int, ...] = (32, 64, 128, 128)
    embedding_size: int = 256
    denoiser_width: int = 512
    denoiser_depth: int = 6
    feature_views: int = Field(default=2, ge=1, le=8, description="Orientations whose features are cached")
    ln_sigma_mean: float = -0.4
    ln_sigma_std: float = 1.6
    temperature: float = Field(default=0.07, description="Initial temperature of the contrast")
    contrastive: StageConfig = StageConfig(
        steps=2600, batch_size=256, learning_rate=1e-3, ema_decay=0.998, checkpoint_steps=400
    )
    denoiser: StageConfig = StageConfig(steps=4000, batch_size=1024, learning_rate=1.5e-3, ema_decay=0.999)

    def with_steps(self, *, contrastive: int | None = None, denoiser: int | None = None) -> Self:
        """The same training with other numbers of steps; None keeps a stage's."""
        stages = {"contrastive": contrastive, "denoiser": denoiser}
        changed = {
            name: getattr(self, name).model_copy(update={"steps": steps})
            for name, steps in stages.items()
            if steps is not None
        }
        return self.model_copy(update=changed)
