"""`TrainingProcess`: where a process of a training computes, and which share of every batch is its own.

Several processes are started by torchrun; each draws the whole batch's random numbers and takes its rows.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from fiberless.errors import UsageError

__all__ = ["TrainingProcess", "join_processes"]

_PATIENCE: Final = timedelta(hours=12)
"""The first process prepares the data alone; the others wait for it."""


@dataclass(frozen=True)
class TrainingProcess:
    """A device, and a rank among the processes of one training.

    Parameters
    ----------
    device : that networks and batches are on
    rank, count : of the processes; alone by default
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    @property
    def alone(self) -> "TrainingProcess":
        """The same device for work that is not shared."""
        return TrainingProcess(self.device)

    def share(self, n: int) -> slice:
        """Rows of a batch of n that are this process's.

        Raises
        ------
        UsageError
            `invalid-parameter` if the processes cannot share n equally.

        """
        if n % self.count:
            raise UsageError("invalid-parameter", f"{self.count} processes cannot share a batch of {n}")
        size = n // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def spread(self, module: nn.Module) -> nn.Module:
        """Wrap a network so that its gradients are averaged over all processes."""
        return DistributedDataParallel(module) if self.count > 1 else module

    def gather(self, part: Tensor) -> Tensor:
        """Join the processes' rows (B / count, ...) in order to (B, ...), for a loss of the whole batch.

        Every process must compute the same loss of the result; its gradients, averaged by `spread`, are then
        those of one process with the whole batch.
        """
        if self.count == 1:
            return part
        joined: Tensor = _Gather.apply(part, self)  # type: ignore[no-untyped-call]
        return joined

    def mean(self, value: Tensor) -> float:
        """Average a number () over all processes."""
        total = value.detach().clone()
        if self.count > 1:
            distributed.all_reduce(total)
        return float(total) / self.count

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.count > 1:
            distributed.barrier()


class _Gather(torch.autograd.Function):
    """All processes' rows; backwards, this process's rows of the gradient that all of them have.

    Times the count, since `DistributedDataParallel` averages what must here be added up.
    """

    @staticmethod
    def forward(ctx: Any, part: Tensor, process: TrainingProcess) -> Tensor:
        ctx.process = process
        parts = [torch.empty_like(part) for _ in range(process.count)]
        distributed.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        own = ctx.process.share(len(gradient))
        return ctx.process.count * gradient[own], None


@contextmanager
def join_processes(device: str = "auto") -> Iterator[TrainingProcess]:
    """Choose the device, and join the other processes where torchrun started this one.

    Parameters
    ----------
    device : `auto` (CUDA where there is one), `cpu`, `cuda`

    Raises
    ------
    UsageError
        `invalid-parameter` if the device is none that this machine has.

    """
    chosen = _device(device)
    if not distributed.is_torchelastic_launched():
        yield TrainingProcess(chosen)
        return
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield TrainingProcess(chosen, distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def _device(name: str) -> torch.device:
    if name not in {"auto", "cpu", "cuda"}:
        raise UsageError("invalid-parameter", f"device {name!r} is none of auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("invalid-parameter", "this machine has no CUDA device that torch can use")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device
