"""What a model must reach before it is shipped, and whether it does; from the figures of an evaluation."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

__all__ = ["LEAST_R2", "REPORTED", "Gate", "gates"]

LEAST_R2: Final = MappingProxyType(
    {
        "redshift": 0.74,
        "dn4000": 0.975,
        "log_ew_Halpha": 0.89,
        "n2": 0.55,
        "log_sigma": 0.75,
        "log_age": 0.95,
        "metallicity": 0.77,
        "av": 0.87,
    }
)
REPORTED: Final = (
    "redshift",
    "dn4000",
    "log_ew_Halpha",
    "log_age",
    "metallicity",
    "av",
    "log_sigma",
    "log_stellar_mass",
    "log_sfr",
)
"""Quantities whose median must not lose to a baseline."""
_LOSS: Final = 0.01
_LEAST_P: Final = 0.01


class Gate(NamedTuple):
    """One demand: what is asked, what was measured, whether it holds."""

    name: str
    demand: str
    measured: str
    holds: bool


def gates(figures: Mapping[str, Any]) -> list[Gate]:
    """All gates that the figures (`Evaluation.as_dict`) can decide."""
    scores = figures["scores"]
    return [
        *(
            _at_least(f"R² of {name}, posterior mean", scores["model"][name]["r2_mean"], least)
            for name, least in _known(scores)
        ),
        _at_most("σ_MAD of Δz/(1+z)", figures["photo_z"]["model"]["sigma_mad"], 0.0115),
        _at_most("CRPS(z) over that of 50 neighbours", _crps_ratio(scores), 0.87),
        _against_baselines(scores),
        _all_between("68 % intervals cover", _column(scores, "coverage_68"), 0.64, 0.74),
        _all_between("95 % intervals cover", _column(scores, "coverage_95"), 0.93, 0.97),
        _at_least("p-value of the joint latent's calibration", figures["joint"]["tarp"]["p_value"], _LEAST_P),
        _at_least("retrieval, top-1 share", figures["retrieval"]["top_1"], 0.30),
        _at_most("retrieval, median rank", figures["retrieval"]["median_rank"], 4.0),
        _all_between("width of samples over 100 steps'", _widths(figures), 0.95, 1.07),
        *_median_of_25(figures["choice"]),
        _at_most("rms of the spectral basis, ln F", figures["basis_rms"], 0.0015),
        *_core_time(figures),
    ]


def _core_time(figures: Mapping[str, Any]) -> list[Gate]:
    minutes = figures.get("options", {}).get("training_core_minutes")
    return [] if minutes is None else [_at_most("core-minutes of the training", minutes, 30.0)]


def _known(scores: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(name, least) for name, least in LEAST_R2.items() if name in scores["model"]]


def _crps_ratio(scores: Mapping[str, Any]) -> float:
    return scores["model"]["redshift"]["crps"] / scores["neighbours"]["redshift"]["crps"]


def _column(scores: Mapping[str, Any], key: str) -> dict[str, float]:
    return {name: row[key] for name, row in scores["model"].items()}


def _widths(figures: Mapping[str, Any]) -> dict[str, float]:
    return {f"dimension {i}": width for i, width in enumerate(figures["sampler_width_ratio"])}


def _against_baselines(scores: Mapping[str, Any]) -> Gate:
    """R² of the model less the best baseline's, where that is smallest."""
    others = [method for method in scores if method != "model"]
    margins = {
        name: scores["model"][name]["r2"] - max(scores[method][name]["r2"] for method in others)
        for name in REPORTED
        if name in scores["model"]
    }
    worst = min(margins, key=lambda name: margins[name])
    measured = f"{margins[worst]:+.4f} ({worst})"
    return Gate("R² less the best baseline's", f"≥ −{_LOSS}", measured, margins[worst] >= -_LOSS)


def _median_of_25(choice: Mapping[str, Any]) -> list[Gate]:
    ratios = {name: table["median"]["25"] for name, table in choice.items() if "25" in table["median"]}
    if not ratios:
        return []
    worst = max(ratios, key=lambda name: ratios[name])
    return [
        Gate(
            "RMSE of the median of 25 over a random candidate's",
            "≤ 0.75",
            f"{ratios[worst]:.3f} ({worst})",
            ratios[worst] <= 0.75,
        )
    ]


def _at_least(name: str, value: float, least: float) -> Gate:
    return Gate(name, f"≥ {least:g}", f"{value:.4g}", value >= least)


def _at_most(name: str, value: float, most: float) -> Gate:
    return Gate(name, f"≤ {most:g}", f"{value:.4g}", value <= most)


def _all_between(name: str, values: Mapping[str, float], low: float, high: float) -> Gate:
    outside = [key for key, value in values.items() if not low <= value <= high]
    measured = f"{min(values.values()):.3f} – {max(values.values()):.3f}"
    measured += f"; outside: {', '.join(outside)}" if outside else ""
    return Gate(name, f"{low:g} – {high:g}, all {len(values)}", measured, not outside)
