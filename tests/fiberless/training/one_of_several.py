"""Started by torchrun with DATA CONFIG RUN: trains together with the others, then saves its own weights."""

import sys
from pathlib import Path

import torch

from fiberless.datasets.shards import ShardSet
from fiberless.training.config import read_config
from fiberless.training.process import join_processes
from fiberless.training.train import Training

DATA, CONFIG, RUN = (Path(argument) for argument in sys.argv[1:4])

with join_processes("cpu") as process:
    trained = Training(
        ShardSet(DATA), read_config(CONFIG), RUN, progress=lambda *_: None, process=process
    ).finish()
    weights = {
        f"{name}.{key}": value
        for name in ("image_encoder", "latent_encoder", "denoiser")
        for key, value in getattr(trained.family, name).state_dict().items()
    }
    torch.save(
        {"weights": weights, "processes": trained.record["processes"]}, RUN / f"rank-{process.rank}.pt"
    )
