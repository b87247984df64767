"""Plots of the comparison. Needs matplotlib (extra `plot`)."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.contract.manifest import PROMISED_REDSHIFT
from fiberless.datasets.mock_report.photometry import COLOURS, Photometry
from fiberless.datasets.mock_report.spectra import BreakDiagram

__all__ = ["plot_distributions", "plot_loci", "plot_spectra"]

_PLANES: Final = ((1, 0), (1, 2), (2, 3))
_LIMITS: Final = ((0.4, 2.6), (0.1, 1.3), (0.1, 0.6), (-0.05, 0.5))
_BINS: Final = 40


def plot_loci(mock: Photometry, real: Photometry, path: Path) -> None:
    """Colour-colour planes: mock, real, and the contours of both in one."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # optional and slow to load

    figure = Figure(figsize=(12, 11), layout="constrained")
    for row, (x, y) in zip(figure.subplots(3, 3), _PLANES, strict=True):
        for axes, sample, label, colour in zip(
            row[:2], (mock, real), ("mock", "real"), ("tab:blue", "tab:red"), strict=True
        ):
            axes.plot(sample.colours[:, x], sample.colours[:, y], ",", color=colour, alpha=0.6)
            axes.set_title(f"{label}, {len(sample)} galaxies", fontsize=9)
        _contours(row[2], mock, (x, y), "tab:blue")
        _contours(row[2], real, (x, y), "tab:red")
        row[2].set_title("contours: mock blue, real red", fontsize=9)
        for axes in row:
            axes.set(xlim=_LIMITS[x], ylim=_LIMITS[y], xlabel=_label(x), ylabel=_label(y))
    figure.savefig(path, dpi=110)


def plot_distributions(mock: Photometry, real: Photometry, path: Path) -> None:
    """Histograms of z, r and the four colours, and colours against z, of both samples."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # optional and slow to load

    figure = Figure(figsize=(13, 9), layout="constrained")
    panels = figure.subplots(3, 4)
    _histogram(panels[0, 0], mock.redshift, real.redshift, "z")
    _histogram(panels[0, 1], mock.r_mag, real.r_mag, "r (mag)")
    u_r_mock, u_r_real = (sample.magnitudes[:, 0] - sample.magnitudes[:, 2] for sample in (mock, real))
    _histogram(panels[0, 2], u_r_mock, u_r_real, "u−r (mag)")
    panels[0, 3].set_axis_off()
    for column in range(len(COLOURS)):
        of_mock, of_real = (sample.colours[:, column] for sample in (mock, real))
        _histogram(panels[1, column], of_mock, of_real, _label(column))
        _running(panels[2, column], mock, column, "tab:blue")
        _running(panels[2, column], real, column, "tab:red")
        panels[2, column].set(xlabel="z", ylabel=_label(column), ylim=_LIMITS[column])
    panels[0, 0].legend(["mock", "real"], fontsize=8)
    figure.savefig(path, dpi=110)


def plot_spectra(mock: BreakDiagram, real: BreakDiagram, path: Path) -> None:
    """HδA against Dn4000: simulated galaxies as points, real ones as stars."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # optional and slow to load

    figure = Figure(figsize=(6.5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot(mock.dn4000, mock.h_delta, ",", color="tab:blue", alpha=0.6)
    axes.plot(real.dn4000, real.h_delta, "*", color="tab:red", ms=9, label="real spectra at hand")
    axes.set(xlabel="Dn4000", ylabel="HδA (Å)", xlim=(0.9, 2.2), ylim=(-6, 11))
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def _label(column: int) -> str:
    return f"{COLOURS[column].replace('-', '−')} (mag)"


def _contours(axes: Any, sample: Photometry, plane: tuple[int, int], colour: str) -> None:
    """Contours that hold 30, 60 and 90 % of the sample."""
    x, y = (sample.colours[:, column] for column in plane)
    counts, x_edges, y_edges = np.histogram2d(x, y, bins=_BINS, range=[_LIMITS[c] for c in plane])
    ordered = np.sort(counts.ravel())[::-1]
    held = np.cumsum(ordered) / max(ordered.sum(), 1)
    levels = sorted({float(ordered[np.searchsorted(held, share)]) for share in (0.9, 0.6, 0.3)})
    centres = [(edges[1:] + edges[:-1]) / 2 for edges in (x_edges, y_edges)]
    axes.contour(*centres, counts.T, levels=levels, colors=colour, linewidths=1)


def _histogram(axes: Any, mock: FloatArray, real: FloatArray, label: str) -> None:
    low, high = np.percentile(np.concatenate([mock, real]), [0.5, 99.5])
    edges = np.linspace(low, high, _BINS)
    axes.hist(mock, edges, density=True, histtype="step", color="tab:blue")
    axes.hist(real, edges, density=True, histtype="step", color="tab:red")
    axes.set(xlabel=label, yticks=[])


def _running(axes: Any, sample: Photometry, column: int, colour: str) -> None:
    edges = np.linspace(*PROMISED_REDSHIFT, 11)
    bins = np.digitize(sample.redshift, edges) - 1
    inside = [sample.colours[bins == index, column] for index in range(len(edges) - 1)]
    quantiles = np.array([np.percentile(v, [16, 50, 84]) if len(v) else [np.nan] * 3 for v in inside])
    middle = (edges[1:] + edges[:-1]) / 2
    axes.plot(middle, quantiles[:, 1], color=colour)
    axes.fill_between(middle, quantiles[:, 0], quantiles[:, 2], color=colour, alpha=0.2)
