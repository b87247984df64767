"""What a prediction must beat: a constant, nearest neighbours and an MLP on aperture photometry."""

from typing import Final

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import nn

from fiberless.apertures import PHOTOMETRY_NAMES
from fiberless.arrays import FloatArray

__all__ = ["constant_baseline", "mlp_baseline", "neighbour_baseline"]

_NEIGHBOURS: Final = 50
_SIMPLE: Final = tuple(
    i
    for i, name in enumerate(PHOTOMETRY_NAMES)
    if name == "mag_r_2.5" or (name.startswith("colour_") and name.endswith("_2.5")) or "growth" in name
)


def constant_baseline(targets: FloatArray, n: int) -> FloatArray:
    """The training set's mean, n times. (N, T) → (n, T)"""
    return np.tile(np.nanmean(targets, axis=0), (n, 1))


def neighbour_baseline(photometry: FloatArray, targets: FloatArray, test: FloatArray) -> FloatArray:
    """Mean over the 50 nearest in colours, r and concentration, all standardised.

    Parameters
    ----------
    photometry, test : (N, 49) and (n, 49), columns of `PHOTOMETRY_NAMES`
    targets : (N, T)

    Returns
    -------
    (n, T)

    """
    train, query = photometry[:, _SIMPLE], test[:, _SIMPLE]
    mean, std = train.mean(axis=0), train.std(axis=0)
    _, rows = cKDTree((train - mean) / std).query((query - mean) / std, k=_NEIGHBOURS)
    estimate: FloatArray = np.nanmean(targets[rows], axis=1)
    return estimate


def mlp_baseline(
    photometry: FloatArray, targets: FloatArray, test: FloatArray, *, steps: int = 6000, seed: int = 0
) -> FloatArray:
    """Regression on all 49 numbers by an MLP of 3 × 256, squared error on standardised targets. (n, T)"""
    generator = torch.Generator().manual_seed(seed)
    good = np.isfinite(targets).all(axis=1)
    x, y = torch.from_numpy(photometry[good]).float(), torch.from_numpy(targets[good]).float()
    x_mean, x_std, y_mean, y_std = x.mean(0), x.std(0), y.mean(0), y.std(0)
    x, y = (x - x_mean) / x_std, (y - y_mean) / y_std
    torch.manual_seed(seed)
    model = _mlp(x.shape[1], y.shape[1])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (1024,), generator=generator)
        loss = (model(x[rows]) - y[rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.inference_mode():
        query = (torch.from_numpy(test).float() - x_mean) / x_std
        estimate: FloatArray = (model(query) * y_std + y_mean).numpy().astype(np.float64)
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
