"""Pictures of a model on twins of real galaxies. Needs matplotlib (extra `plot`)."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from fiberless.evaluation.sky.twin_report import Twins
from fiberless.evaluation.sky.twin_scores import PIT_BINS

__all__ = ["draw_twins"]

_EXPECTED: Final[dict[str, Any]] = {"color": "black", "lw": 0.8, "ls": "--"}
_INSIDE: Final = "promised range"


def draw_twins(twins: Twins, folder: Path) -> list[str]:
    """Write the pictures; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"twins_pit.png": _pit(twins), "twins_groups.png": _groups(twins)}
    for name, figure in pictures.items():
        figure.suptitle(f"{twins.model}: redshifts of twins of real galaxies (simulated images)")
        figure.savefig(folder / name, dpi=90)
    return list(pictures)


def _pit(twins: Twins) -> Figure:
    """Histograms of the probability integral transform, 1 where calibrated."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, source in twins.sources.items():
        if _INSIDE in source.groups:
            counts = np.array(source.groups[_INSIDE].pit)
            axes.stairs(counts * PIT_BINS / counts.sum(), np.linspace(0, 1, PIT_BINS + 1), label=name)
    axes.axhline(1.0, **_EXPECTED)
    axes.set(xlabel="PIT of z, galaxies in the promised range", ylabel="density")
    axes.legend(fontsize=8)
    return figure


def _groups(twins: Twins) -> Figure:
    """Bias and coverage of each group of galaxies."""
    figure = Figure(figsize=(11, 1.2 + 0.24 * max(len(s.groups) for s in twins.sources.values())))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(1, 2 * len(twins.sources), squeeze=False)[0]
    for (name, source), left, right in zip(twins.sources.items(), panels[::2], panels[1::2], strict=True):
        place, scores = np.arange(len(source.groups)), [g.redshift for g in source.groups.values()]
        left.plot([score.bias for score in scores], place, "o")
        left.axvline(0.0, **_EXPECTED)
        left.set_yticks(place, list(source.groups), fontsize=6)
        left.set(xlabel="bias", title=name)
        right.plot([score.coverage_68 for score in scores], place, "o")
        right.plot([score.coverage_95 for score in scores], place, "s", mfc="none")
        for level in (0.68, 0.95):
            right.axvline(level, **_EXPECTED)
        right.set_yticks([])
        right.set(xlabel="coverage", xlim=(0, 1))
    return figure
