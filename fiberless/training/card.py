"""The model card: what a version is for and not for, how it was made, how good it is; from its manifest."""

from importlib.resources import files
from string import Template
from typing import Any, Final

from fiberless.contract.manifest import Manifest
from fiberless.training.figures import (
    ablation_text,
    accuracy_table,
    agn_table,
    calibration_text,
    choice_table,
    gate_table,
    photo_z_table,
)

__all__ = ["render_card"]

_ORIGIN: Final = {
    True: """\
**Trained on simulated galaxies only. It has never seen a real spectrum.** What it returns for a real
galaxy is what the simulated survey says such an image would show. It is a prediction, not an
observation, and its intervals are calibrated on the simulation.""",
    False: """\
**Trained on observed galaxies.** What it returns is what the galaxies of the training set that look
alike show. It is a prediction, not an observation.""",
}
_DETAIL: Final = {
    True: """\
The simulation makes each galaxy from three sheets of stars (bulge, old disk, young disk) with BC03-MILES
spectra, dust, emission lines, survey noise and PSF; image and spectrum come from the same sheets. No
observed image or spectrum takes part in the training; the simulation's population was tuned to the
colours and redshifts of real galaxies.""",
    False: """\
Spectra are noisy: their coefficients in the basis of an earlier version are Gaussian posteriors, from
which each step of the training draws anew.""",
}
"""By whether the training set is simulated."""


def render_card(manifest: Manifest) -> str:
    """Markdown of `card.md`."""
    template = Template((files("fiberless.training") / "card_template.md").read_text(encoding="utf-8"))
    return template.substitute(
        name=manifest.name,
        origin=_ORIGIN[_is_simulated(manifest)],
        origin_in_detail=_DETAIL[_is_simulated(manifest)],
        coefficients=_coefficients(manifest),
        version=manifest.version,
        z_low=manifest.redshift_range[0],
        z_high=manifest.redshift_range[1],
        r_limit=manifest.r_magnitude_limit,
        making=_making(manifest),
        figures=_figures(manifest.metrics) if "gates" in manifest.metrics else "Not evaluated yet.",
        ablation=_ablation(manifest.metrics),
        rest_range="{:.0f}–{:.0f}".format(*manifest.rest_range_aa),
        n_candidates=manifest.n_candidates,
    )


def _coefficients(manifest: Manifest) -> str:
    number = manifest.training.get("config", {}).get("n_components", "")
    return f"{number} shape coefficients".strip()


def _is_simulated(manifest: Manifest) -> bool:
    data: dict[str, Any] = manifest.training.get("data", {})
    return data.get("kind", "mock") == "mock"


def _making(manifest: Manifest) -> str:
    record = manifest.training
    config = record["config"]
    rows = {
        "data": manifest.training_data,
        "data made by": f"`{record['data_command']}`",
        "trained by": f"`{record['command']}`",
        "seed": config["seed"],
        "wall time": f"{record['wall_seconds'] / 60:.0f} min on {record['threads']} CPU threads",
        **_core_time(record),
        "torch": record["torch"],
        "contrastive stage": _stage(config["contrastive"]),
        "denoiser stage": _stage(config["denoiser"]),
        "sampler": f"DPM++ 2M, {manifest.sampler_steps} evaluations, σ 40 → 0.01",
        "weights sha256": f"`{manifest.weights_sha256}`",
    }
    return "\n".join(f"| {name} | {value} |" for name, value in rows.items())


def _core_time(record: dict[str, Any]) -> dict[str, str]:
    if "core_seconds" not in record:
        return {}
    minutes = record["core_seconds"] / 60
    return {"core time": f"{minutes:.0f} min of one core, latents and photometry of the data set made before"}


def _stage(config: dict[str, Any]) -> str:
    return f"{config['steps']} steps of {config['batch_size']}, AdamW {config['learning_rate']}"


def _figures(metrics: dict[str, Any]) -> str:
    retrieval = metrics["retrieval"]
    sections = {
        "Accuracy and calibration": accuracy_table(metrics),
        "Joint calibration": calibration_text(metrics),
        "Redshift as a photometric redshift": photo_z_table(metrics),
        "AGN": agn_table(metrics),
        "Which candidate": "RMSE over that of a random candidate; the service reports medians and shows the "
        "candidate nearest to these.\n\n" + choice_table(metrics),
        "Retrieval": f"An image's own spectrum among {retrieval['n']}: first for "
        f"{100 * retrieval['top_1']:.0f} % of the images, median rank {retrieval['median_rank']:.0f}.",
        "What was demanded": gate_table(metrics),
    }
    introduction = (
        f"{metrics['n']} held-out simulated galaxies with r < 17.77, {metrics['n_candidates']} candidates "
        f"each, by `{metrics['command']}`. Truth is measured on the noiseless spectrum by the same code, or "
        f"taken from the simulation. σ_NMAD is 1.48 × median |error − bias|; outliers lie beyond 3 of it; ± "
        f"are standard errors; PIT p tests that the truth's rank among its candidates is uniform. Estimates "
        f"are the candidates' medians; `R² of the mean` is their mean's, the best that squared error allows, "
        f"and what the gates below are about. Baselines learn from pairs of the training set."
    )
    return "\n\n".join([introduction, *(f"### {title}\n\n{body}" for title, body in sections.items())])


def _ablation(metrics: dict[str, Any]) -> str:
    if "ablation" not in metrics:
        return ""
    return f"\n### What the pixels add over the apertures\n\n{ablation_text(metrics['ablation'])}\n"
