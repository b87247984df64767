"""Checkpoints of a training stage as safetensors: weights, averaged weights, AdamW moments, step."""

from pathlib import Path

import torch
from diffusers.training_utils import EMAModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(
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


def load_checkpoint(path: Path, module: nn.Module, *, optimizer: torch.optim.Optimizer, ema: EMAModel) -> int:
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
