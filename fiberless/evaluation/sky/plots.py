"""Pictures of simulated beside real galaxies. Needs matplotlib (extra `plot`)."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fiberless.arrays import FloatArray
from fiberless.datasets.mock_report.photometry import COLOURS, Photometry
from fiberless.evaluation.sky.report import Sky

__all__ = ["draw_sky"]

_LEVELS: Final = (16, 50, 84)
_EDGES: Final = np.arange(0.02, 0.2501, 0.01)
_G_R: Final = np.arange(0.25, 1.16, 0.05)
_FEWEST: Final = 20
_MOCK: Final = "tab:orange"


def draw_sky(sky: Sky, folder: Path) -> list[str]:
    """Write the pictures; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "colours_by_redshift.png": _by_redshift(sky.samples),
        "colours_at_g_r.png": _at_g_r(sky.samples),
        "distributions.png": _distributions(sky.samples),
    }
    for name, figure in pictures.items():
        figure.savefig(folder / name, dpi=90)
    return list(pictures)


def _by_redshift(samples: Mapping[str, Photometry]) -> Figure:
    """Medians and central 68 % of the colours against z."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    for axes, column in zip(figure.subplots(2, 2).ravel(), range(4), strict=True):
        for name, sample in samples.items():
            _running(axes, sample.redshift, sample.colours[:, column], _EDGES, name)
        axes.set(xlabel="z", ylabel=COLOURS[column].replace("-", " − "))
    axes.legend(fontsize=8)
    return figure


def _at_g_r(samples: Mapping[str, Photometry]) -> Figure:
    """Medians and central 68 % of the other colours against g−r."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    g_r = COLOURS.index("g-r")
    for axes, column in zip(figure.subplots(1, 3), (0, 2, 3), strict=True):
        for name, sample in samples.items():
            _running(axes, sample.colours[:, g_r], sample.colours[:, column], _G_R, name)
        axes.set(xlabel="g − r", ylabel=COLOURS[column].replace("-", " − "))
    axes.legend(fontsize=8)
    return figure


def _distributions(samples: Mapping[str, Photometry]) -> Figure:
    """Normalised histograms of r, z and the colours."""
    figure = Figure(figsize=(13, 7), layout="constrained")
    for axes, column in zip(figure.subplots(2, 3).ravel(), range(6), strict=True):
        label = ("r", "z", *COLOURS)[column]
        values = {name: (s.r_mag, s.redshift, *s.colours.T)[column] for name, s in samples.items()}
        low, high = np.percentile(np.concatenate(list(values.values())), [0.5, 99.5])
        for name, value in values.items():
            style = {"color": _MOCK, "lw": 2} if name == "mock" else {"lw": 1}
            axes.hist(value, np.linspace(low, high, 41), density=True, histtype="step", label=name, **style)
        axes.set_xlabel(label.replace("-", " − "))
    axes.legend(fontsize=8)
    return figure


def _running(axes: Axes, x: FloatArray, y: FloatArray, edges: FloatArray, name: str) -> None:
    middles, rows = [], []
    for low, high in pairwise(edges.tolist()):
        inside = (x >= low) & (x < high)
        if inside.sum() >= _FEWEST:
            middles.append((low + high) / 2)
            rows.append(np.percentile(y[inside], _LEVELS))
    if not rows:
        return
    bottom, middle, top = np.array(rows).T
    style = {"color": _MOCK, "lw": 2} if name == "mock" else {"lw": 1}
    (line,) = axes.plot(middles, middle, label=name, **style)
    for edge in (bottom, top):
        axes.plot(middles, edge, ls=":", lw=0.9, color=line.get_color())
