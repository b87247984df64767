"""What a prediction must beat: a constant, nearest neighbours, regression on photometry and on pixels.

Each learns from pairs (image, truth) of the training set. A target may be NaN where it does not exist for a
galaxy; such a pair teaches the others.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor, nn

from fiberless.arrays import FloatArray, IntArray
from fiberless.images.apertures import PHOTOMETRY_NAMES

__all__ = ["cnn_baseline", "constant_baseline", "mlp_baseline", "neighbours"]

_NEIGHBOURS: Final = 50
_SIMPLE: Final = tuple(
    i
    for i, name in enumerate(PHOTOMETRY_NAMES)
    if name == "mag_r_2.5" or (name.startswith("colour_") and name.endswith("_2.5")) or "growth" in name
)


def constant_baseline(targets: FloatArray, n: int) -> FloatArray:
    """The training set's mean, n times. (N, T) → (n, T)"""
    return np.tile(np.nanmean(targets, axis=0), (n, 1))


def neighbours(photometry: FloatArray, test: FloatArray) -> IntArray:
    """Rows (n, 50) of the 50 nearest in colours, r and concentration, all standardised.

    Their targets are samples of a posterior, with a median, intervals and a CRPS.

    Parameters
    ----------
    photometry, test : (N, 49) and (n, 49), columns of `PHOTOMETRY_NAMES`

    """
    train, query = photometry[:, _SIMPLE], test[:, _SIMPLE]
    mean, std = train.mean(axis=0), train.std(axis=0)
    nearest = min(_NEIGHBOURS, len(train))
    rows: IntArray = cKDTree((train - mean) / std).query((query - mean) / std, k=nearest)[1]
    return rows


def mlp_baseline(
    photometry: FloatArray,
    targets: FloatArray,
    test: FloatArray,
    *,
    steps: int = 6000,
    batch: int = 1024,
    seed: int = 0,
) -> FloatArray:
    """Regression on all 49 numbers by an MLP of 3 × 256, squared error on standardised targets. (n, T)"""
    x = torch.from_numpy(photometry).float()
    mean, std = x.mean(0), x.std(0)
    x, query = (x - mean) / std, (torch.from_numpy(test).float() - mean) / std
    torch.manual_seed(seed)
    model = _mlp(x.shape[1], targets.shape[1])
    return _regress(model, lambda rows: x[rows], query, targets, steps=steps, batch=batch, seed=seed)


def cnn_baseline(
    images: FloatArray,
    targets: FloatArray,
    test: FloatArray,
    *,
    steps: int = 1500,
    batch: int = 256,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> FloatArray:
    """Direct regression on the scaled images (N, 5, 64, 64), no photometry given. (n, T)

    Convolutions like the image encoder's; each batch is turned and mirrored at random.
    """
    torch.manual_seed(seed)
    model = _cnn(targets.shape[1])
    generator = np.random.default_rng(seed)

    def turned(rows: Tensor) -> Tensor:
        pixels = torch.from_numpy(images[rows.numpy()].astype(np.float32))
        pixels = torch.rot90(pixels, int(generator.integers(4)), (2, 3))
        return pixels.flip(3) if generator.integers(2) else pixels

    query = torch.from_numpy(test)
    return _regress(model, turned, query, targets, steps=steps, batch=batch, seed=seed, progress=progress)


def _regress(
    model: nn.Module,
    inputs: Callable[[Tensor], Tensor],
    query: Tensor,
    targets: FloatArray,
    *,
    steps: int,
    batch: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> FloatArray:
    """Minimise the squared error of standardised targets, NaN left out; predict the query's targets."""
    generator = torch.Generator().manual_seed(seed)
    mean, std = np.nanmean(targets, axis=0), np.nanstd(targets, axis=0)
    y = torch.from_numpy((targets - mean) / std).float()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        rows = torch.randint(len(y), (batch,), generator=generator)
        loss = (model(inputs(rows)) - y[rows])[y[rows].isfinite()].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress(step + 1, steps)
    with torch.inference_mode():
        said = torch.cat([model.eval()(part) for part in torch.split(query, 512)])
    estimate: FloatArray = said.numpy().astype(np.float64) * std + mean
    return estimate


def _mlp(inputs: int, outputs: int, width: int = 256) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.SiLU(),
        nn.Linear(width, width),
        nn.SiLU(),
        nn.Linear(width, width),
        nn.SiLU(),
        nn.Linear(width, outputs),
    )


def _cnn(outputs: int, widths: tuple[int, ...] = (5, 32, 64, 128, 128)) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.SiLU()]
    size = widths[-1] * 16
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, 256), nn.SiLU(), nn.Linear(256, outputs))
