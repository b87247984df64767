"""Validation plots of a training: losses beside what the network can do by now. Needs matplotlib."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.training.log import LogRow
from fiberless.training.validation import ContrastValidation, DenoiserValidation

__all__ = ["draw_contrast", "draw_denoiser"]


def draw_contrast(found: ContrastValidation, rows: Sequence[LogRow], *, step: int, folder: Path) -> None:
    """Write `contrastive-<step>.png` (losses, ranks of the true spectra) and its numbers as JSON."""
    figure = _figure(10, 4)
    losses, ranks = figure.subplots(1, 2)
    _draw_losses(losses, rows)
    n = len(found.ranks)
    share = np.arange(1, n + 1) / n
    ranks.plot(np.sort(found.ranks), share, drawstyle="steps-post", color="tab:blue")
    ranks.plot(np.arange(1, n + 1), share, color="grey", ls=":", label="by chance")
    ranks.set(xscale="log", ylim=(0, 1.02), xlabel=f"rank of the own spectrum among {n}", ylabel="share")
    ranks.legend(loc="lower right", fontsize="small")
    _write(figure, found.summary(), f"contrastive-{step:06d}", step=step, folder=folder)


def draw_denoiser(found: DenoiserValidation, rows: Sequence[LogRow], *, step: int, folder: Path) -> None:
    """Write `denoiser-<step>.png` (losses, drawn against true values, spread, ranks) and its numbers."""
    figure = _figure(14, 8)
    axes = figure.subplots(2, 3).ravel()
    _draw_losses(axes[0], rows)
    _draw_agreement(axes[1], found.true_redshift, found.redshift, "redshift")
    for number, panel in enumerate(axes[2:4]):
        _draw_agreement(
            panel, found.true[:, 2 + number], found.drawn[..., 2 + number], f"coefficient {number + 1}"
        )
    axes[4].plot(found.spread(), "o", ms=4, color="tab:blue")
    axes[4].axhline(1, color="grey", ls=":")
    axes[4].set(xlabel="latent dimension", ylabel="std of the candidates / std of the truth", ylim=(0, None))
    ranks = found.ranks()
    axes[5].hist(ranks[np.isfinite(ranks)], bins=17, range=(0, 1), density=True, color="tab:blue", alpha=0.6)
    axes[5].axhline(1, color="grey", ls=":")
    axes[5].set(xlabel=f"rank of the truth, all dimensions (mean {np.nanmean(ranks):.3f})", ylabel="density")
    _write(figure, found.summary(), f"denoiser-{step:06d}", step=step, folder=folder)


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure  # noqa: PLC0415  # slow to load; `refuse_hopeless` asks for it

    return Figure(figsize=(width, height), layout="constrained")


def _draw_losses(axes: Any, rows: Sequence[LogRow]) -> None:
    steps = [row.step for row in rows]
    axes.plot(steps, [row.loss for row in rows], color="tab:blue", lw=0.8, label="one training batch")
    axes.plot(
        steps, [row.validation for row in rows], color="tab:orange", label="validation, averaged weights"
    )
    axes.set(xlabel="step", ylabel="loss")
    axes.legend(fontsize="small")


def _draw_agreement(axes: Any, true: FloatArray, drawn: FloatArray, name: str) -> None:
    """Medians and 68 % intervals of the candidates (B, K) against the truth (B,)."""
    low, middle, high = np.percentile(drawn, (16, 50, 84), axis=1)
    axes.errorbar(
        true, middle, yerr=(middle - low, high - middle), fmt="o", ms=2.5, lw=0.5, alpha=0.6, color="tab:blue"
    )
    ends = (np.nanmin(true), np.nanmax(true))
    axes.plot(ends, ends, color="grey", ls=":")
    axes.set(xlabel=f"true {name}", ylabel="median and 68 % of the candidates")


def _write(figure: Any, summary: dict[str, float], name: str, *, step: int, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    said = ", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in summary.items())
    figure.suptitle(f"{name.partition('-')[0]}, step {step}: {said}", fontsize="medium")
    figure.savefig(folder / f"{name}.png", dpi=100)
    (folder / f"{name}.json").write_text(json.dumps({"step": step} | summary) + "\n")
