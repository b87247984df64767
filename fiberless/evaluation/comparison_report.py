"""Writes a comparison of two versions as `comparison.json` and `comparison.md`. Needs no model."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from fiberless.evaluation.targets import SPECTRAL_TARGETS
from fiberless.training.figures import markdown_table

__all__ = ["comparison_text", "verdict_text", "write_comparison"]

_FIGURES: Final = MappingProxyType(
    {
        "r2": "R² of the median",
        "r2_mean": "R² of the mean",
        "crps": "CRPS",
        "sigma_mad": "σ_MAD of Δz/(1+z)",
        "auc": "AUC",
        "balanced_accuracy": "balanced accuracy",
    }
)
_OTHERS: Final = MappingProxyType(
    {"photo_z": "z", "agn_kewley01": "AGN, Kewley+01", "agn_kauffmann03": "AGN, Kauffmann+03"}
)
_CLEAR: Final = 2.0


def write_comparison(figures: Mapping[str, Any], folder: Path) -> None:
    """Write the folder's two files; `figures` are those of `compare` with the `command` that made them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "comparison.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (folder / "comparison.md").write_text(comparison_text(figures), encoding="utf-8")


def comparison_text(figures: Mapping[str, Any]) -> str:
    """Markdown of the whole comparison."""
    first, second = figures["models"]
    sections = {
        "Drawing": _drawing(figures),
        "Accuracy and calibration": _accuracy(figures) + "\n\n" + _DEFINITIONS,
        "Redshift": _photo_z(figures),
        "AGN": _agn(figures),
        f"{first} less {second}": _differences(figures) + "\n\n" + _PAIRED,
        "Verdict": verdict_text(figures),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return f"# {first} beside {second}\n\n{_introduction(figures)}\n\n{body}\n"


def verdict_text(figures: Mapping[str, Any]) -> str:
    """Where the first version is worse by more than the standard error, as a list; or that it is nowhere."""
    first, second = figures["models"]
    if not figures["worse"]:
        return f"{first} is not worse than {second} in any figure by more than its standard error: none."
    compared = sum(len(row) for row in figures["differences"].values())
    clear = sum(row["sigmas"] is None or row["sigmas"] >= _CLEAR for row in figures["worse"])
    lines = [
        f"- {_quantity(row['quantity'])}, {_FIGURES[row['figure']]}: {row['value']:+.4g} ± "
        f"{row['error']:.2g} ({'–' if row['sigmas'] is None else row['sigmas']} σ)"
        for row in figures["worse"]
    ]
    head = (
        f"{first} is worse than {second} by more than one standard error in {len(lines)} of {compared} "
        f"figures, by more than two in {clear}. Of equal versions, one figure in six is so by chance, and "
        f"one in forty."
    )
    return "\n".join([head, "", *lines])


_DEFINITIONS: Final = (
    "Each quantity on the galaxies where it is measurable in the truth and in enough candidates of both. "
    "Bias: median of estimate − truth; the estimate is the candidates' median. "
    "σ_NMAD: 1.48 × median |error − bias|. "
    "±: standard errors over galaxies. CRPS: fair estimator. Equivalent widths are floored at 0.1 Å, fluxes "
    "with them; line ratios are scored where EW(Hα) > 3 Å."
)
_PAIRED: Final = (
    "±: standard error of the difference, by bootstrap over galaxies, the same ones for both. R², AUC and "
    "accuracy are better higher, CRPS and σ lower. Better or worse: by more than the error."
)


def _introduction(figures: Mapping[str, Any]) -> str:
    return (
        f"{figures['n']} held-out simulated galaxies whose images have r < 17.77 inside 7 arcsec, "
        f"{figures['n_candidates']} candidates of each version for each. All spectra, the true noiseless "
        f"ones too, are measured by the same code. **Nothing here is an observation.**\n\n"
        f"Made by `{figures['command']}`."
    )


def _drawing(figures: Mapping[str, Any]) -> str:
    head = ["version", "family", "evaluations a candidate and stage", "arithmetic", "core-s a galaxy"]
    return markdown_table(
        head,
        (
            [
                version,
                told["family"],
                str(told["steps"]),
                told["precision"],
                f"{told['core_seconds_a_galaxy']:.3g}",
            ]
            for version, told in figures["models"].items()
        ),
    )


def _accuracy(figures: Mapping[str, Any]) -> str:
    first, _ = figures["models"]
    head = ["quantity", "version", "N", "bias", "σ_NMAD", "R²", "R² of the mean", "68 % covers"]
    head += ["95 % covers", "CRPS"]
    return markdown_table(
        head,
        (
            [_quantity(name) if version == first else "", version, *_cells(table[name])]
            for name in figures["scores"][first]
            for version, table in figures["scores"].items()
        ),
    )


def _cells(row: Mapping[str, Any]) -> list[str]:
    return [
        str(row["n"]),
        f"{row['bias']:+.4f}",
        f"{row['scatter']:.4f}",
        f"{row['r2']:.4f} ± {row['r2_error']:.4f}",
        f"{row['r2_mean']:.4f} ± {row['r2_mean_error']:.4f}",
        f"{row['coverage_68']:.3f} ± {row['coverage_68_error']:.3f}",
        f"{row['coverage_95']:.3f} ± {row['coverage_95_error']:.3f}",
        f"{row['crps']:.4f} ± {row['crps_error']:.4f}",
    ]


def _photo_z(figures: Mapping[str, Any]) -> str:
    head = ["version", "N", "mean Δz/(1+z)", "σ_MAD", "outliers % (> 0.05)"]
    return markdown_table(
        head,
        (
            [
                version,
                str(row["n"]),
                f"{row['bias']:+.5f}",
                f"{row['sigma_mad']:.5f}",
                f"{100 * row['outliers']:.2f}",
            ]
            for version, row in figures["photo_z"].items()
        ),
    )


def _agn(figures: Mapping[str, Any]) -> str:
    keys = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "brier")
    head = ["truth above", "among", "version", "N", "AGN", "threshold", *keys]
    text = markdown_table(
        head,
        (
            [row["definition"], row["population"], row["method"], str(row["n"]), str(row["n_agn"])]
            + [f"{row['threshold']:.3f}"]
            + ["–" if row[key] is None else f"{row[key]:.3f}" for key in keys]
            for row in figures["agn"]
        ),
    )
    return text + (
        "\n\nProbability: share of the candidates above the curve with EW(Hα) ≥ 3 Å. Thresholds: 0.5, and "
        "the share of AGN among these galaxies."
    )


def _differences(figures: Mapping[str, Any]) -> str:
    worse = {(row["quantity"], row["figure"]) for row in figures["worse"]}
    return markdown_table(
        ["quantity", "figure", "difference", "in σ", "verdict"],
        (
            [_quantity(name), _FIGURES[figure], *_difference(told), _verdict(told, (name, figure) in worse)]
            for name, row in figures["differences"].items()
            for figure, told in row.items()
        ),
    )


def _difference(told: Mapping[str, float | None]) -> list[str]:
    value, error = told["value"], told["error"]
    if value is None or error is None:
        return ["–", "–"]
    return [f"{value:+.4g} ± {error:.2g}", f"{value / error:+.1f}" if error else "–"]


def _verdict(told: Mapping[str, float | None], is_worse: bool) -> str:  # noqa: FBT001 - a column's two words
    if is_worse:
        return "**worse**"
    value, error = told["value"], told["error"]
    if value is None or error is None:
        return "–"
    return "better" if abs(value) > error else "equal"


def _quantity(name: str) -> str:
    return SPECTRAL_TARGETS[name].label if name in SPECTRAL_TARGETS else _OTHERS[name]
