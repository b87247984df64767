"""The model card: what a version is for and not for, how it was made, how good it is; from its manifest."""

from importlib.resources import files
from string import Template
from typing import Any, Final

from fiberless.manifest import Manifest

__all__ = ["render_card"]

_BASELINES: Final = ("mlp", "neighbours", "constant")


def render_card(manifest: Manifest) -> str:
    """Markdown of `card.md`."""
    template = Template((files("fiberless.training") / "card_template.md").read_text(encoding="utf-8"))
    return template.substitute(
        name=manifest.name,
        version=manifest.version,
        z_low=manifest.redshift_range[0],
        z_high=manifest.redshift_range[1],
        r_limit=manifest.r_magnitude_limit,
        making=_making(manifest),
        figures=_figures(manifest.metrics) if "scores" in manifest.metrics else "Not evaluated yet.",
        rest_range="{:.0f}–{:.0f}".format(*manifest.rest_range_aa),
    )


def _making(manifest: Manifest) -> str:
    record = manifest.training
    config = record["config"]
    rows = {
        "data": manifest.training_data,
        "data made by": f"`{record['data_command']}`",
        "trained by": f"`{record['command']}`",
        "seed": config["seed"],
        "wall time": f"{record['wall_seconds'] / 60:.0f} min on {record['threads']} CPU threads",
        "torch": record["torch"],
        "contrastive stage": _stage(config["contrastive"]),
        "denoiser stage": _stage(config["denoiser"]),
        "sampler": f"DPM++ 2M, {manifest.sampler_steps} evaluations, σ 40 → 0.01",
        "weights sha256": f"`{manifest.weights_sha256}`",
    }
    return "\n".join(f"| {name} | {value} |" for name, value in rows.items())


def _stage(config: dict[str, Any]) -> str:
    return f"{config['steps']} steps of {config['batch_size']}, AdamW {config['learning_rate']}"


def _figures(metrics: dict[str, Any]) -> str:
    retrieval = metrics["retrieval"]
    lines = [
        f"{metrics['n']} held-out simulated galaxies with r < 17.77, {metrics['n_candidates']} candidates",
        f"each, by `{metrics['command']}`. Truth is measured on the noiseless spectrum by the same code;",
        "scatter is 1.48 MAD; the baselines learn from pairs of the training set.",
        "",
        "| quantity | bias | scatter | R² | 68 % covers | 95 % covers | R² MLP | R² kNN-50 | R² constant |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(metrics["scores"], name) for name in metrics["scores"]["model"]),
        "",
        f"Retrieval of the true spectrum among {retrieval['n']}: top-1 {100 * retrieval['top_1']:.0f} %,",
        f"median rank {retrieval['median_rank']:.0f}. RMSE over that of a random candidate:",
        *(f"{name}: {_pairs(table)}." for name, table in metrics["choice"].items()),
    ]
    return "\n".join(lines)


def _row(scores: dict[str, dict[str, dict[str, Any]]], name: str) -> str:
    own = scores["model"][name]
    cells = [f"{own['bias']:+.4f}", f"{own['scatter']:.4f}", f"{own['r2']:.3f}"]
    cells += [f"{own['coverage_68']:.3f}", f"{own['coverage_95']:.3f}"]
    cells += [f"{scores[method][name]['r2']:.3f}" for method in _BASELINES]
    return f"| {name} | " + " | ".join(cells) + " |"


def _pairs(table: dict[str, float]) -> str:
    return ", ".join(f"{way} {value}" for way, value in table.items())
