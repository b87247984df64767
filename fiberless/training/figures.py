"""Markdown tables of an evaluation's figures, for card and report."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

__all__ = [
    "ablation_table",
    "ablation_text",
    "accuracy_table",
    "agn_table",
    "calibration_text",
    "choice_table",
    "gate_table",
    "markdown_table",
    "neighbour_table",
    "photo_z_table",
]

_LABELS: Final = {
    "redshift": "z",
    "dn4000": "Dn4000",
    "n2": "lg [N II] 6583 / Hα",
    "o3": "lg [O III] 5007 / Hβ",
    "log_sigma": "lg σ* (km/s)",
    "log_age": "lg age (Gyr)",
    "metallicity": "[M/H]",
    "av": "A_V (mag)",
    "log_stellar_mass": "lg M* (M☉)",
    "log_sfr": "lg SFR (M☉/yr)",
    "oxygen": "12 + lg O/H",
    "log_age_mass": "lg age by mass (Gyr)",
    "metallicity_mass": "[M/H] by mass",
    "log_ml_living": "lg living M/L_r",
    "log_ml_formed": "lg formed M/L_r",
}
_METHODS: Final = {
    "neighbours": "50 neighbours",
    "mlp": "MLP on apertures",
    "cnn": "CNN on pixels",
    "constant": "constant",
}
_TRUTHS: Final = {"kewley01": "Kewley+01", "kauffmann03": "Kauffmann+03"}
_POPULATIONS: Final = {"all": "all galaxies", "emission": "EW(Hα) ≥ 3 Å"}


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lines of a Markdown table."""
    lines = [list(head), ["---"] * len(head), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def accuracy_table(metrics: Mapping[str, Any]) -> str:
    """A row for each quantity: bias, scatter, R², coverage, calibration; R² of the baselines beside it."""
    scores = metrics["scores"]
    others = [method for method in _METHODS if method in scores]
    head = [
        "quantity",
        "N",
        "bias",
        "σ_NMAD",
        "outliers %",
        "R²",
        "R² of the mean",
        "68 % covers",
        "95 % covers",
    ]
    head += ["PIT p", "CRPS", *(f"R² {_METHODS[method]}" for method in others)]
    return markdown_table(
        head,
        (
            [*_accuracy(name, row, metrics["pit"][name]), *(f"{scores[m][name]['r2']:.3f}" for m in others)]
            for name, row in scores["model"].items()
        ),
    )


def _accuracy(name: str, row: Mapping[str, Any], pit: Mapping[str, Any]) -> list[str]:
    return [
        _label(name),
        str(row["n"]),
        f"{row['bias']:+.4f}",
        f"{row['scatter']:.4f}",
        f"{100 * row['outliers']:.1f}",
        f"{row['r2']:.3f} ± {row['r2_error']:.3f}",
        f"{row['r2_mean']:.3f}",
        f"{row['coverage_68']:.3f} ± {row['coverage_68_error']:.3f}",
        f"{row['coverage_95']:.3f} ± {row['coverage_95_error']:.3f}",
        _p(pit["p_value"]),
        f"{row['crps']:.4f}",
    ]


def neighbour_table(metrics: Mapping[str, Any]) -> str:
    """Posterior quality of the 50 nearest neighbours, whose values are samples too."""
    scores = metrics["scores"]
    return markdown_table(
        ["quantity", "CRPS", "CRPS of 50 neighbours", "ratio", "their 68 % covers", "their 95 % covers"],
        (
            [
                _label(name),
                f"{row['crps']:.4f}",
                f"{near['crps']:.4f}",
                f"{row['crps'] / near['crps']:.3f}" if near["crps"] else "–",
                f"{near['coverage_68']:.3f}",
                f"{near['coverage_95']:.3f}",
            ]
            for name, row in scores["model"].items()
            for near in [scores["neighbours"][name]]
        ),
    )


def photo_z_table(metrics: Mapping[str, Any]) -> str:
    """Redshift errors of all methods in the units of photometric-redshift papers."""
    names = {"model": "this model", "model_promised": "this model, true z in the promised range", **_METHODS}
    return markdown_table(
        ["method", "N", "mean Δz/(1+z)", "σ_MAD", "outliers % (> 0.05)"],
        (
            [
                names[method],
                str(row["n"]),
                f"{row['bias']:+.5f}",
                f"{row['sigma_mad']:.5f}",
                f"{100 * row['outliers']:.2f}",
            ]
            for method, row in metrics["photo_z"].items()
        ),
    )


def agn_table(metrics: Mapping[str, Any]) -> str:
    """A row for each truth, population, method and threshold."""
    keys = ("accuracy", "majority", "balanced_accuracy", "precision", "recall", "f1", "auc")
    head = ["truth above", "among", "method", "N", "AGN %", "threshold", "accuracy", "majority class"]
    head += ["balanced accuracy", "precision", "recall", "F1", "AUC"]
    return markdown_table(
        head,
        (
            [
                _TRUTHS[row["definition"]],
                _POPULATIONS[row["population"]],
                "this model" if row["method"] == "model" else _METHODS[row["method"]],
                str(row["n"]),
                f"{100 * row['n_agn'] / max(row['n'], 1):.1f}",
                f"{row['threshold']:.3f}",
                *("–" if row[key] is None else f"{row[key]:.3f}" for key in keys),
            ]
            for row in metrics["agn"]
        ),
    )


def calibration_text(metrics: Mapping[str, Any]) -> str:
    """Tests of the joint latent in a few sentences."""
    joint = metrics["joint"]
    tarp, score = joint["tarp"], joint["score"]
    verdict = "not rejected" if tarp["p_value"] >= 0.01 else "REJECTED"
    return (
        f"Joint latent ({len(joint['dimensions'])} dimensions, {tarp['n']} galaxies): ranks of the truth's "
        f"distance to a random point (TARP, Lemos et al. 2023) are uniform with p = {_p(tarp['p_value'])}, "
        f"{verdict} at 1 %; their mean is {tarp['mean']:.3f}, their standard deviation {tarp['std']:.3f} of "
        f"a uniform one's. Smallest p of single dimensions, times their number: {_p(joint['smallest_p'])}. "
        f"Mean rank of the truth's contrastive score among its candidates: {score['mean']:.3f} (0.5 when "
        f"calibrated)."
    )


def choice_table(metrics: Mapping[str, Any]) -> str:
    """RMSE of what is chosen from K candidates over that of a random one."""
    sizes = sorted({int(K) for table in metrics["choice"].values() for ways in table.values() for K in ways})
    return markdown_table(
        ["quantity", "choice", *(f"K = {K}" for K in sizes)],
        (
            [_label(name), way, *(f"{ways[str(K)]:.3f}" if str(K) in ways else "–" for K in sizes)]
            for name, table in metrics["choice"].items()
            for way, ways in table.items()
        ),
    )


def gate_table(metrics: Mapping[str, Any]) -> str:
    """What was demanded and what was measured."""
    return markdown_table(
        ["gate", "demanded", "measured", "holds"],
        (
            [g["name"], g["demand"], g["measured"], "yes" if g["holds"] else "**no**"]
            for g in metrics["gates"]
        ),
    )


def ablation_table(ablation: Mapping[str, Any]) -> str:
    """Quantities with pixels and apertures, with apertures alone, and the difference with its error."""
    return markdown_table(
        ["figure", "pixels and apertures", "apertures alone", "difference", "in σ"],
        (
            [_figure(name), *(f"{row[k]['mean']:.4f} ± {row[k]['error']:.4f}" for k in _ARMS), _sigmas(row)]
            for name, row in ablation["rows"].items()
        ),
    )


def ablation_text(ablation: Mapping[str, Any]) -> str:
    """What was compared, and the table."""
    return (
        f"The denoiser trained on frozen image features and aperture photometry, and on photometry alone: "
        f"{ablation['seeds']} seeds, {ablation['steps']} steps each, {ablation['trained_on']} simulated "
        f"galaxies; scored on {ablation['n']} others with {ablation['n_candidates']} candidates. ±: standard "
        f"error over the seeds, of the difference seed by seed. R²: higher is better; CRPS: lower.\n\n"
        f"{ablation_table(ablation)}\n\nMade by `{ablation['command']}`."
    )


_ARMS: Final = ("both", "apertures", "difference")


def _figure(name: str) -> str:
    return "CRPS of the latent" if name == "latent_crps" else f"R² of {_label(name)}"


def _sigmas(row: Mapping[str, Any]) -> str:
    difference = row["difference"]
    return f"{difference['mean'] / difference['error']:+.1f}" if difference["error"] else "–"


def _label(name: str) -> str:
    if name.startswith("log_ew_"):
        return f"lg EW({name.removeprefix('log_ew_')}) (Å)"
    if name.startswith("log_flux_"):
        return f"lg flux({name.removeprefix('log_flux_')})"
    return _LABELS.get(name, name)


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else f"{value:.0e}"
