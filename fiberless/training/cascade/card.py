"""The model card of a cascade, from its manifest: what it is, how it was made, how good it is."""

from collections.abc import Mapping
from typing import Any, Final

from fiberless.contract.manifest import Manifest
from fiberless.training.figures import markdown_table

__all__ = ["render_cascade_card"]

_CARD: Final = """\
# Model card of {version}

The pipeline of Doorenbos et al. 2024 (arXiv 2406.18175), written anew: from a five-band image (ugriz,
64×64 px, 0.396 arcsec/px) it draws spectra of 563 pixels by diffusion, ranks them by contrast with the
image, draws spectra of 4500 pixels (4000–8499 Å, vacuum, observed frame) from them by a second diffusion, and
ranks again.

**Trained on {origin}: {rows} of {n} galaxies ({description}).** What it returns for a real galaxy is what
such galaxies show. It is a prediction, not an observation.

| | |
|---|---|
| candidates | {candidates} of low resolution; {share:.0%} of them go on; {candidates} of full resolution |
| sampler | {scheduler}, {steps} evaluations a stage |
| promised | {z_low} < z < {z_high}, r < {r_limit} inside 7 arcsec |
| training | {seconds} s on {processes} process(es) of {device}; seed {seed} |
| trained by | `{command}` |

Numbers are medians and central intervals over the candidates of full resolution. A redshift is measured on
each of them; there are no stellar masses, ages or others that a spectrum does not show by itself.{narrow}

This family keeps the paper's pipeline as a yardstick; the latent family is the default, and faster.
Pixels learn slowly: look at the biases of the lines below before a number is used. A training of an hour
on one core draws them much too weak.

## How good it is

{figures}
"""
_NARROW: Final = """ Since
candidates are ranked between the stages, intervals are narrower than they should be."""


def render_cascade_card(manifest: Manifest) -> str:
    """Markdown of `card.md`."""
    record = manifest.training
    config = record["config"]
    return _CARD.format(
        version=manifest.version,
        origin="simulated galaxies only" if record["data"]["kind"] == "mock" else "observed galaxies",
        rows=record["rows"],
        n=record["data"]["n"],
        description=record["data"]["description"],
        candidates=manifest.n_candidates,
        share=config["kept_share"],
        scheduler=config["scheduler"],
        steps=manifest.sampler_steps,
        z_low=manifest.redshift_range[0],
        z_high=manifest.redshift_range[1],
        r_limit=manifest.r_magnitude_limit,
        seconds=record["wall_seconds"],
        processes=record["processes"],
        device=record["device"],
        seed=config["seed"],
        command=record["command"],
        narrow=_NARROW if config["kept_share"] < 1 else "",
        figures=_figures(manifest.metrics),
    )


def _figures(metrics: Mapping[str, Any]) -> str:
    parts = []
    if "comparison" in metrics:
        parts.append(_comparison(metrics["comparison"]))
    if "sampler_quality" in metrics:
        quality = metrics["sampler_quality"]
        parts.append(
            f"The number of evaluations is the smallest that loses nothing against {quality['reference']} on "
            f"{quality['galaxies']} galaxies, by `{quality['command']}`."
        )
    return "\n\n".join(parts) or "Not evaluated yet."


def _comparison(told: Mapping[str, Any]) -> str:
    head = ["quantity", "N", "bias", "σ_NMAD", "R²", "R² of the mean", "68 % covers", "95 % covers", "CRPS"]
    table = markdown_table(
        head,
        (
            [
                name,
                str(row["n"]),
                f"{row['bias']:+.4f}",
                f"{row['scatter']:.4f}",
                f"{row['r2']:.3f} ± {row['r2_error']:.3f}",
                f"{row['r2_mean']:.3f} ± {row['r2_mean_error']:.3f}",
                f"{row['coverage_68']:.3f}",
                f"{row['coverage_95']:.3f}",
                f"{row['crps']:.4f}",
            ]
            for name, row in told["scores"].items()
        ),
    )
    return (
        f"{told['n']} held-out simulated galaxies with r < 17.77, {told['n_candidates']} candidates each, "
        f"beside {told['beside']}, by `{told['command']}`. All are measured on spectra, truth on noiseless "
        f"ones.\n\n{table}"
    )
