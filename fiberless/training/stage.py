"""One training stage: the loop around a loss. Step k depends on the seed, k and the state before it alone."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fiberless.training.config import StageConfig
from fiberless.training.log import LogRow, StageLog
from fiberless.training.process import TrainingProcess

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
    validate : loss of the averaged weights on rows that are not trained on
    plot : draws how far the averaged weights are, given the step and the log so far
    """

    name: str
    config: StageConfig
    module: nn.Module
    loss: Callable[[torch.Generator], Tensor]
    validate: Callable[[], float]
    plot: Callable[[int, Sequence[LogRow]], None]


def step_generator(seed: int, name: str, step: int) -> torch.Generator:
    """Random numbers of one step, so that a resumed run draws what an uninterrupted one would."""
    mixed = (seed * 1_000_003 + step) * 7919 + sum(name.encode())
    return torch.Generator().manual_seed(mixed % 2**63)


def run_stage(
    stage: Stage,
    folder: Path,
    *,
    seed: int,
    process: TrainingProcess,
    progress: Callable[[int, int, float], None],
) -> None:
    """Train a stage to its end, from its checkpoint if there is one, and leave averaged weights in it.

    Parameters
    ----------
    folder : of the run: `<name>.safetensors` (checkpoint) and `<name>.csv` (log) are written there, by the
        first process
    progress : called with (step, steps, loss)

    """
    # optimizer, averaged weights and what an earlier run left
    config = stage.config
    parameters = list(stage.module.parameters())
    optimizer = torch.optim.AdamW(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    ema = EMAModel(parameters, decay=config.ema_decay, use_ema_warmup=True, power=0.75)
    checkpoint = folder / f"{stage.name}.safetensors"
    done = _load_checkpoint(checkpoint, stage.module, optimizer=optimizer, ema=ema)
    log = StageLog(folder / f"{stage.name}.csv", done=done) if process.first else None
    # the steps that are left
    for step in range(done, config.steps):
        loss = _step(stage, optimizer, seed=seed, step=step)
        ema.step(parameters)
        if _due(step + 1, config.log_steps, config.steps):
            value = process.mean(loss)
            if log is not None:
                with _averaged(ema, parameters):
                    log.add(step + 1, value, stage.validate())
            progress(step + 1, config.steps, value)
        if log is not None and _due(step + 1, config.checkpoint_steps, config.steps):
            _save_checkpoint(checkpoint, step + 1, stage.module, optimizer=optimizer, ema=ema)
            with _averaged(ema, parameters):
                stage.plot(step + 1, log.rows)
    # the averaged weights are the result
    process.wait()
    ema.copy_to(parameters)


def _step(stage: Stage, optimizer: torch.optim.Optimizer, *, seed: int, step: int) -> Tensor:
    _set_rate(optimizer, stage.config, step)
    loss = stage.loss(step_generator(seed, stage.name, step))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], 1.0)
    optimizer.step()
    return loss.detach()


def _due(number: int, every: int, last: int) -> bool:
    return number % every == 0 or number == last


@contextmanager
def _averaged(ema: EMAModel, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Put averaged weights into the module for a while, without gradients."""
    ema.store(parameters)
    ema.copy_to(parameters)
    try:
        with torch.inference_mode():
            yield
    finally:
        ema.restore(parameters)


def _set_rate(optimizer: torch.optim.Optimizer, config: StageConfig, step: int) -> None:
    """Set the rate: linear warm-up, then cosine decay to zero at the last step."""
    if step < config.warmup_steps:
        factor = (step + 1) / config.warmup_steps
    else:
        share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        factor = 0.5 * (1 + math.cos(math.pi * share))
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * factor


def _save_checkpoint(
    path: Path, step: int, module: nn.Module, *, optimizer: torch.optim.Optimizer, ema: EMAModel
) -> None:
    """Write everything that the next step depends on; a checkpoint that exists is complete."""
    tensors: dict[str, Tensor] = {"step": torch.tensor(step)}
    tensors |= {f"model.{name}": value for name, value in module.state_dict().items()}
    tensors |= {f"ema.{i}": value for i, value in enumerate(ema.shadow_params)}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    temporary = path.with_suffix(".tmp")
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, str(temporary))
    temporary.rename(path)


def _load_checkpoint(
    path: Path, module: nn.Module, *, optimizer: torch.optim.Optimizer, ema: EMAModel
) -> int:
    """Restore a stage; the number of steps already done, 0 where there is no checkpoint."""
    if not path.exists():
        return 0
    tensors = load_file(str(path))
    module.load_state_dict(_part(tensors, "model."))
    for index, shadow in enumerate(ema.shadow_params):
        shadow.copy_(tensors[f"ema.{index}"])
    saved: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer.").items():
        number, _, key = name.partition(".")
        saved.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": saved, "param_groups": optimizer.state_dict()["param_groups"]})
    step = int(tensors["step"])
    ema.optimization_step = step
    return step


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
