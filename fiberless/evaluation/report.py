"""Writes an evaluation as a folder: `evaluation.json`, `evaluation.md`, and pictures beside them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from fiberless.evaluation.evaluate import Evaluation
from fiberless.evaluation.plots import draw_plots
from fiberless.training.figures import (
    ablation_text,
    accuracy_table,
    agn_table,
    calibration_text,
    choice_table,
    gate_table,
    markdown_table,
    neighbour_table,
    photo_z_table,
)

__all__ = ["PUBLISHED", "Published", "report_text", "write_ablation", "write_report"]


class Published(NamedTuple):
    """A figure of another work."""

    quantity: str
    figure: str
    source: str


PUBLISHED: Final = (
    Published("AGN from images", "accuracy up to 82 %", "Doorenbos et al. 2024, ApJ 977, 131 (SDSS)"),
    Published("AGN from photometry", "accuracy 80–85 %", "Chen 2021"),
    Published("σ* from images", "29 km/s", "Hansen et al. 2020 (MaNGA, i band)"),
    Published("gas metallicity from images", "0.085 dex", "Wu & Boada 2019 (SDSS gri)"),
    Published(
        "photometric redshift",
        "σ_MAD 0.0091, bias 1e-4, outliers 0.31 %",
        "Pasquet et al. 2019, A&A 621, A26 (SDSS main sample)",
    ),
    Published("properties from images", "R² 0.47", "AstroCLIP, Parker et al. 2024"),
)
"""Figures of other works, as their papers state them, to set beside ours: samples, truths and cuts differ
from ours and from each other."""


def write_report(evaluation: Evaluation, folder: Path, *, model: str, command: str) -> None:
    """Write the folder; what an earlier evaluation left there is replaced."""
    captions = draw_plots(evaluation, folder, model=model)
    figures = evaluation.as_dict() | {"model": model, "command": command}
    (folder / "evaluation.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    text = report_text(figures, pictures=captions)
    (folder / "evaluation.md").write_text(text, encoding="utf-8")


def write_ablation(ablation: Mapping[str, Any], folder: Path) -> None:
    """Write `ablation.json` and `ablation.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ablation.json").write_text(json.dumps(ablation, indent=1) + "\n", encoding="utf-8")
    text = f"# What the pixels add over the apertures\n\n{ablation_text(ablation)}\n"
    (folder / "ablation.md").write_text(text, encoding="utf-8")


def report_text(figures: Mapping[str, Any], *, pictures: Mapping[str, str]) -> str:
    """Markdown of the report; pictures are {file name: caption}."""
    retrieval = figures["retrieval"]
    sections = {
        f"Evaluation of {figures['model']} on simulated galaxies": _introduction(figures),
        "Gates": gate_table(figures),
        "Accuracy and calibration": accuracy_table(figures) + "\n\n" + _DEFINITIONS,
        "Calibration of the joint posterior": calibration_text(figures),
        "Posterior against nearest neighbours": neighbour_table(figures),
        "Redshift": photo_z_table(figures),
        "AGN": agn_table(figures) + "\n\n" + _AGN,
        "Which candidate": "RMSE over that of a random candidate.\n\n" + choice_table(figures),
        "Retrieval": f"Among {retrieval['n']} spectra, an image's own one is first by contrastive score for "
        f"{100 * retrieval['top_1']:.1f} % of the images; its median rank is {retrieval['median_rank']:.0f}.",
        "Published figures, for context": _PUBLISHED + "\n\n" + _published(),
        "Pictures": "\n\n".join(f"![{caption}]({name})" for name, caption in pictures.items()),
    }
    first, *others = sections.items()
    parts = [f"# {first[0]}\n\n{first[1]}", *(f"## {title}\n\n{body}" for title, body in others if body)]
    return "\n\n".join(parts) + "\n"


_DEFINITIONS = (
    "Estimates are medians of the candidates, means for `R² of the mean`. Bias: median error. "
    "σ_NMAD: 1.48 × median |error − bias|. "
    "Outliers: beyond 3 σ_NMAD. ±: standard errors over galaxies, by bootstrap or binomial. PIT p: "
    "Kolmogorov–Smirnov test that the truth's rank among its candidates is uniform. CRPS: fair estimator. "
    "Equivalent widths are floored at 0.1 Å, fluxes with them; line ratios are scored where EW(Hα) > 3 Å."
)
_AGN = (
    "The probability is the share of the candidates above the curve with EW(Hα) ≥ 3 Å; AGN is said where it "
    "exceeds the threshold: 0.5, and the share of AGN in the training set. Majority class: the accuracy of "
    "always answering the more frequent class."
)
_PUBLISHED = "Other samples, other truths, real galaxies: to be seen beside ours, not compared with it."


def _introduction(figures: Mapping[str, Any]) -> str:
    return (
        f"{figures['n']} held-out simulated galaxies whose images have r < 17.77 inside 7 arcsec; "
        f"{figures['n_candidates']} candidates each, of which the spectra of the first "
        f"{figures['options']['n_measured']} are measured. Truth is measured by the same code on the "
        f"noiseless spectra, or taken from the simulation. **Nothing here is an observation.** Baselines "
        f"learn from {figures['options']['baseline_rows']} galaxies of the training set.\n\n"
        f"Made by `{figures['command']}`."
    )


def _published() -> str:
    return markdown_table(["what", "figure", "source"], (list(row) for row in PUBLISHED))
