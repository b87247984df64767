"""Pictures of an evaluation. Each says that its galaxies are simulated. Needs matplotlib (extra `plot`)."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from fiberless.arrays import FloatArray
from fiberless.astro.wavelength import REST_WAVE_AA
from fiberless.evaluation.agn import AGN_DEFINITIONS, agn_share
from fiberless.evaluation.calibration import CURVE_LEVELS
from fiberless.evaluation.evaluate import Evaluation
from fiberless.evaluation.metrics import coverage, posterior_median, usable
from fiberless.evaluation.targets import TARGETS

__all__ = ["draw_plots"]

_COLUMNS: Final = 5
_BINS: Final = 60
_REFERENCE: Final = {"color": "black", "lw": 0.8, "ls": "--"}
_TRUE, _PREDICTED = "black", "tab:orange"


def draw_plots(evaluation: Evaluation, folder: Path, *, model: str) -> dict[str, str]:
    """Write all pictures; {file name: caption} in the order of a report."""
    folder.mkdir(parents=True, exist_ok=True)
    captions = {}
    for name, (draw, caption) in _PICTURES.items():
        figure = draw(evaluation)
        if figure is None:
            continue
        figure.suptitle(f"{caption}\n{evaluation.n} simulated galaxies, model {model}", fontsize=12)
        figure.savefig(folder / f"{name}.png", dpi=90)
        captions[f"{name}.png"] = caption
    return captions


def _accuracy(evaluation: Evaluation) -> Figure:
    names = list(evaluation.scores["model"])
    figure, panels = _grid(len(names), height=2.9)
    for axes, name in zip(panels, names, strict=False):
        target = TARGETS[name]
        truth, point = evaluation.pairs.truth[name], posterior_median(evaluation.drawn.targets[name])
        good = np.isfinite(truth) & np.isfinite(point)
        span = (target.shown, target.shown)
        axes.hist2d(truth[good], point[good], bins=_BINS, range=span, norm="log", cmap="viridis")
        axes.plot(target.shown, target.shown, **_REFERENCE)
        score = evaluation.scores["model"][name]
        axes.set_title(f"{target.label}\nR² {score.r2:.3f}, σ {score.scatter:.3g}", fontsize=9)
    figure.supxlabel("truth")
    figure.supylabel("predicted, median of the candidates")
    return figure


def _pit(evaluation: Evaluation) -> Figure:
    figure, panels = _grid(len(evaluation.pit), height=2.2)
    for axes, (name, test) in zip(panels, evaluation.pit.items(), strict=False):
        counts = np.array(test.histogram)
        expected = test.n / len(counts)
        width = np.sqrt(expected * (1 - 1 / len(counts))) / expected
        edges = np.linspace(0, 1, len(counts) + 1)
        axes.stairs(counts / expected, edges, fill=True, color="tab:blue", alpha=0.6)
        axes.axhspan(1 - 2 * width, 1 + 2 * width, color="grey", alpha=0.35, lw=0)
        axes.axhline(1, **_REFERENCE)
        axes.set(xlim=(0, 1), ylim=(0, 2))
        axes.set_title(f"{TARGETS[name].label}\nKS p = {test.p_value:.2g}", fontsize=9)
    figure.supxlabel("rank of the truth among its candidates (grey: ±2σ of the counts if calibrated)")
    figure.supylabel("galaxies over expected")
    return figure


def _coverage(evaluation: Evaluation) -> Figure:
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    joint, single = figure.subplots(1, 2)
    joint.plot(CURVE_LEVELS, evaluation.joint.expected_coverage, color="tab:blue")
    joint.set_title(f"joint latent (TARP), p = {evaluation.joint.tarp.p_value:.2g}", fontsize=10)
    levels = np.linspace(0.05, 0.95, 19)
    for name in evaluation.scores["model"]:
        truth, samples = evaluation.pairs.truth[name], evaluation.drawn.targets[name]
        kept = usable(truth, samples)
        covered = [coverage(truth[kept], samples[kept], level) for level in levels]
        single.plot(levels, covered, lw=0.9, label=TARGETS[name].label)
    single.set_title("central interval of each quantity", fontsize=10)
    single.legend(fontsize=6, ncols=2)
    error = np.sqrt(CURVE_LEVELS * (1 - CURVE_LEVELS) / evaluation.n)
    for axes in (joint, single):
        axes.fill_between(
            CURVE_LEVELS, CURVE_LEVELS - 2 * error, CURVE_LEVELS + 2 * error, color="grey", alpha=0.3
        )
        axes.plot([0, 1], [0, 1], **_REFERENCE)
        axes.set(xlabel="credibility (grey: ±2σ if calibrated)", ylabel="share of truths inside")
    return figure


def _bimodality(evaluation: Evaluation) -> Figure:
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("dn4000", "log_ew_Halpha"), strict=True):
        target, samples = TARGETS[name], evaluation.drawn.targets[name]
        edges = np.linspace(*target.shown, 51)
        shown: dict[str, tuple[FloatArray, str]] = {
            "truth": (evaluation.pairs.truth[name], _TRUE),
            "one candidate a galaxy": (samples[:, 0], _PREDICTED),
            "medians": (posterior_median(samples), "tab:blue"),
        }
        for label, (values, colour) in shown.items():
            axes.hist(values, bins=edges, histtype="step", density=True, color=colour, label=label)
        axes.set(xlabel=target.label, ylabel="density")
        axes.legend(fontsize=8)
    return figure


def _mass_metallicity(evaluation: Evaluation) -> Figure | None:
    truth, drawn = evaluation.pairs.truth, evaluation.drawn.targets
    if not {"log_stellar_mass", "oxygen", "metallicity"} <= set(evaluation.scores["model"]):
        return None
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("oxygen", "metallicity"), strict=True):
        for label, mass, metals, colour in (
            ("truth", truth["log_stellar_mass"], truth[name], _TRUE),
            ("one candidate a galaxy", drawn["log_stellar_mass"][:, 0], drawn[name][:, 0], _PREDICTED),
        ):
            centre, quantiles = _relation(mass, metals)
            axes.plot(mass, metals, ".", ms=1.5, alpha=0.25, color=colour)
            axes.plot(centre, quantiles[1], color=colour, lw=2, label=f"{label}: median, 16–84 %")
            axes.plot(centre, quantiles[[0, 2]].T, color=colour, lw=1, ls=":")
        axes.set(xlabel=TARGETS["log_stellar_mass"].label, ylabel=TARGETS[name].label)
        axes.set(xlim=TARGETS["log_stellar_mass"].shown, ylim=TARGETS[name].shown)
        axes.legend(fontsize=8, loc="lower right")
    return figure


def _relation(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """16, 50 and 84 % of y in bins of x that hold at least 20 galaxies: centres (B,), quantiles (3, B)."""
    edges = np.arange(8.5, 12.01, 0.25)
    good = np.isfinite(x) & np.isfinite(y)
    bins = {(low + high) / 2: y[good & (x >= low) & (x < high)] for low, high in pairwise(edges)}
    kept = {centre: values for centre, values in bins.items() if len(values) >= 20}
    quantiles = [np.quantile(values, [0.16, 0.5, 0.84]) for values in kept.values()]
    return np.array(list(kept)), np.array(quantiles).reshape(-1, 3).T


def _residuals(evaluation: Evaluation) -> Figure:
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    shown = {
        "shown spectrum (medoid)": evaluation.drawn.residual_medoid,
        "any candidate": evaluation.drawn.residual_candidate,
    }
    for axes, (label, residual) in zip(figure.subplots(2, 1, sharex=True), shown.items(), strict=True):
        low, middle, high = np.quantile(residual.astype(np.float32), [0.16, 0.5, 0.84], axis=0)
        axes.fill_between(REST_WAVE_AA, low, high, color="tab:blue", alpha=0.3, lw=0, label="16–84 %")
        axes.plot(REST_WAVE_AA, middle, color="black", lw=0.7, label="median")
        axes.axhline(0, **_REFERENCE)
        axes.set(ylim=(-0.3, 0.3), ylabel=r"ln F$_{predicted}$ − ln F$_{true}$")
        axes.set_title(label, fontsize=10)
        axes.legend(fontsize=8, loc="upper right")
    axes.set(xlabel="rest wavelength, each spectrum at its own redshift, vacuum (Å)")
    return figure


def _agn(evaluation: Evaluation) -> Figure:
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for axes, definition in zip(figure.subplots(1, 2), AGN_DEFINITIONS, strict=True):
        share = agn_share(evaluation.drawn.targets.classes, definition)
        true = np.isin(evaluation.pairs.truth.classes, AGN_DEFINITIONS[definition])
        edges = np.linspace(0, 1, 11)
        index = np.clip(np.digitize(share, edges) - 1, 0, 9)
        for i in range(10):
            rows = (index == i) & np.isfinite(share) & np.isfinite(evaluation.pairs.truth.classes)
            if rows.sum() >= 10:
                p = true[rows].mean()
                error = np.sqrt(max(p * (1 - p), 0.25 / rows.sum()) / rows.sum())
                axes.errorbar(share[rows].mean(), p, error, fmt="o", color="tab:blue", capsize=2)
        axes.plot([0, 1], [0, 1], **_REFERENCE)
        axes.set(xlabel="predicted probability", ylabel="share that are AGN", title=definition)
    return figure


def _grid(n: int, *, height: float) -> tuple[Figure, Any]:
    rows = -(-n // _COLUMNS)
    figure = Figure(figsize=(2.9 * _COLUMNS, height * rows + 0.8), layout="constrained")
    panels = np.atleast_1d(figure.subplots(rows, _COLUMNS)).ravel()
    for axes in panels[n:]:
        axes.set_axis_off()
    for axes in panels:
        axes.tick_params(labelsize=7)
    return figure, panels


_PICTURES: Final[dict[str, tuple[Callable[[Evaluation], Figure | None], str]]] = {
    "accuracy": (_accuracy, "Predicted against true"),
    "pit": (_pit, "Calibration: ranks of the truth among its candidates"),
    "coverage": (_coverage, "Calibration: how often intervals of each credibility hold the truth"),
    "agn": (_agn, "Calibration of the AGN probability"),
    "bimodality": (_bimodality, "Blue and red galaxies: distributions of truth and prediction"),
    "mass_metallicity": (_mass_metallicity, "Mass–metallicity relation of gas and of stars"),
    "residuals": (_residuals, "Residuals of the predicted spectra"),
}
