"""The cosine noise schedule that the cascade's networks learn to undo: one definition for all who use it."""

from typing import Final

from diffusers import DDPMScheduler

__all__ = ["TIMESTEPS", "training_schedule"]

TIMESTEPS: Final = 250


def training_schedule(timesteps: int = TIMESTEPS) -> DDPMScheduler:
    """Cosine schedule of Nichol & Dhariwal 2021 (arXiv 2102.09672, eq. 17), noise predicted."""
    return DDPMScheduler(
        num_train_timesteps=timesteps,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="epsilon",
        clip_sample=False,
        timestep_spacing="trailing",
    )
