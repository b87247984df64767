"""One training stage: the loop around a loss. Step k depends on the seed, k and the state before it alone."""

import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from fiberless.training.checkpoint import load_checkpoint, save_checkpoint
from fiberless.training.config import StageConfig

__all__ = ["Stage", "run_stage", "step_generator"]


@dataclass(frozen=True)
class Stage:
    """A stage to run.

    Parameters
    ----------
    name : names checkpoint and log
    config : its optimisation
    module : holds all parameters that are trained
    loss : from the step's random generator to the mean loss of its batch
    """

    name: str
    config: StageConfig
    module: nn.Module
    loss: Callable[[torch.Generator], Tensor]


def step_generator(seed: int, name: str, step: int) -> torch.Generator:
    """Random numbers of one step, so that a resumed run draws what an uninterrupted one would."""
    mixed = (seed * 1_000_003 + step) * 7919 + sum(name.encode())
    return torch.Generator().manual_seed(mixed % 2**63)


def run_stage(stage: Stage, folder: Path, *, seed: int, progress: Callable[[int, int, float], None]) -> float:
    """Train a stage to its end, from its checkpoint if there is one, and leave averaged weights in it.

    Parameters
    ----------
    folder : of the run: `<name>.safetensors` (checkpoint) and `<name>.csv` (log) are written there
    progress : called with (step, steps, loss)

    Returns
    -------
    float
        Wall seconds of this call.

    """
    config = stage.config
    parameters = list(stage.module.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay)
    ema = EMAModel(parameters, decay=config.ema_decay, use_ema_warmup=True, power=0.75)
    checkpoint = folder / f"{stage.name}.safetensors"
    done = load_checkpoint(checkpoint, stage.module, optimizer=optimizer, ema=ema)
    started = time.monotonic()
    with (folder / f"{stage.name}.csv").open("a", newline="") as log:
        writer = csv.writer(log)
        for step in range(done, config.steps):
            _set_rate(optimizer, config, step)
            loss = stage.loss(step_generator(seed, stage.name, step))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            ema.step(parameters)
            if (step + 1) % 50 == 0 or step + 1 == config.steps:
                writer.writerow([step + 1, f"{loss.item():.5f}", f"{time.monotonic() - started:.1f}"])
                log.flush()
                progress(step + 1, config.steps, loss.item())
            if (step + 1) % config.checkpoint_steps == 0 or step + 1 == config.steps:
                save_checkpoint(checkpoint, step + 1, stage.module, optimizer=optimizer, ema=ema)
    ema.copy_to(parameters)
    return time.monotonic() - started


def _set_rate(optimizer: torch.optim.Optimizer, config: StageConfig, step: int) -> None:
    """Set the rate: linear warm-up, then cosine decay to zero at the last step."""
    if step < config.warmup_steps:
        factor = (step + 1) / config.warmup_steps
    else:
        share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        factor = 0.5 * (1 + math.cos(math.pi * share))
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * factor
