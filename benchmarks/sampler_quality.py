"""Quality of few sampling steps against many, of both families, on held-out simulated galaxies.

For every number of evaluations the same galaxies are drawn from the same noise. Prints one JSON document;
--out writes it with a table and a plot.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from fiberless.analysis.measure import sample_values
from fiberless.arrays import FloatArray
from fiberless.datasets.mock.survey import MAIN_LIMIT
from fiberless.datasets.shards import ShardSet
from fiberless.evaluation.metrics import photo_z, posterior_median, posterior_score
from fiberless.inference.conditioning import Conditions, conditions_of
from fiberless.inference.family import Family
from fiberless.inference.store import load_family
from fiberless.wavelength import OBSERVED_WAVE_AA, resample_log_flux

STEPS: Final = (5, 10, 15, 25, 50, 250)
STD_EVERYWHERE: Final = 0.07
STD_ON_AVERAGE: Final = 0.03
ELSE_WORSE: Final = 0.02
COEFFICIENTS: Final = 20
_BLOCK: Final = 40
_QUANTITIES: Final = ("redshift", "dn4000", "lg_ew_halpha")


def main(
    data: Annotated[Path, typer.Argument(help="Held-out data set.", exists=True)],
    *,
    model: Annotated[list[str], typer.Option(help="Versions; repeatable.")],
    store: Annotated[Path, typer.Option(help="Model store.")] = Path("model_store"),
    limit: Annotated[int, typer.Option(min=2, help="Galaxies.")] = 200,
    candidates: Annotated[int, typer.Option(min=2, help="Candidates a galaxy.")] = 25,
    steps: Annotated[list[int] | None, typer.Option(min=2, help="Repeatable; most: reference.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for JSON, table and plot.")] = None,
) -> None:
    """Measure, and print one JSON document."""
    chosen = sorted(steps or STEPS)
    conditions, truth = held_out(ShardSet(data), limit)
    rows = {}
    for version in model:
        family, _ = load_family(store, version)
        drawn = {count: draw(family, conditions, candidates, count) for count in chosen}
        rows[version] = judge(drawn, truth, chosen)
    document = {
        "galaxies": len(conditions),
        "candidates": candidates,
        "reference": chosen[-1],
        "rows": rows,
        "smallest that passes": {version: smallest(found) for version, found in rows.items()},
    }
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "sampler_quality.json").write_text(json.dumps(document, indent=1) + "\n")
        (out / "sampler_quality.md").write_text(table(document), encoding="utf-8")
        plot(document, out / "sampler_quality.png")
    typer.echo(json.dumps(document, indent=1))


def held_out(data: ShardSet, limit: int) -> tuple[Conditions, dict[str, FloatArray]]:
    """Conditions and truths of up to `limit` galaxies as bright as models promise, in their order."""
    images, ebv = data.column("image", limit=4 * limit), data.ebv(limit=4 * limit)
    measured = conditions_of(images.astype(np.float32), ebv)
    kept = np.flatnonzero(measured.r_magnitude < MAIN_LIMIT)[:limit]
    conditions = Conditions(**{name: array[kept] for name, array in vars(measured).items()})
    ln_flux = data.column("ln_shape", limit=4 * limit)[kept]
    ln_flux = ln_flux + data.truth("ln_norm", limit=4 * limit)[kept, None].astype(np.float32)
    redshift = data.truth("redshift", limit=4 * limit)[kept]
    flux = np.exp(resample_log_flux(ln_flux, redshift, OBSERVED_WAVE_AA))
    return conditions, quantities(flux, redshift)


def draw(family: Family, conditions: Conditions, n: int, steps: int) -> dict[str, FloatArray]:
    """Quantities (N, K) of candidates, and `ln_flux` (N, K, 4500) on every tenth pixel."""
    parts: list[dict[str, FloatArray]] = []
    for start in range(0, len(conditions), _BLOCK):
        block = conditions[start : start + _BLOCK]
        seeds = [(1, f"quality-{start + i}") for i in range(len(block))]
        drawn = family.candidates(block, seeds, n=n, steps=steps)
        ln_flux = drawn.ln_flux_observed
        if ln_flux is None:
            ln_flux = resample_log_flux(drawn.ln_flux_rest, drawn.redshift, OBSERVED_WAVE_AA)
        found = quantities(np.exp(ln_flux).reshape(-1, OBSERVED_WAVE_AA.size), drawn.redshift.ravel())
        shaped = {name: values.reshape(drawn.redshift.shape) for name, values in found.items()}
        parts.append(shaped | {"ln_flux": ln_flux[..., ::10]})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def quantities(flux: FloatArray, redshift: FloatArray) -> dict[str, FloatArray]:
    """What is compared, of each of N spectra (N, 4500)."""
    values = sample_values(OBSERVED_WAVE_AA, flux, redshift)
    return {
        "redshift": redshift,
        "dn4000": values["dn4000"],
        "lg_ew_halpha": np.log10(np.maximum(values["ew_Halpha"], 0.1)),
        "lg_flux_halpha": np.log10(np.maximum(values["flux_Halpha"], 0.1)),
    }


def judge(
    drawn: dict[int, dict[str, FloatArray]], truth: dict[str, FloatArray], steps: Sequence[int]
) -> dict[str, dict[str, float]]:
    """Figures of every number of steps, and whether it passes beside the last."""
    reference = drawn[steps[-1]]
    axes = coefficient_axes(reference["ln_flux"])
    wide = coefficient_std(reference["ln_flux"], axes)
    rows = {str(count): figures(drawn[count], truth) for count in steps}
    for count in steps:
        ratio = coefficient_std(drawn[count]["ln_flux"], axes) / wide
        row, line = rows[str(count)], "lg_flux_halpha"
        row["std_ratio_least"], row["std_ratio_most"] = float(ratio.min()), float(ratio.max())
        row["std_ratio_off_on_average"] = float(np.abs(ratio - 1).mean())
        row["line_std_ratio"] = spread(drawn[count][line]) / spread(reference[line])
    best = rows[str(steps[-1])]
    for row in rows.values():
        row["passes"] = passes(row, best)
    return {count: {key: round(value, 5) for key, value in row.items()} for count, row in rows.items()}


def figures(drawn: dict[str, FloatArray], truth: dict[str, FloatArray]) -> dict[str, float]:
    """Coverage, CRPS and scatter of each quantity; photo-z in its own units."""
    found: dict[str, float] = {}
    for name in _QUANTITIES:
        score = posterior_score(truth[name], drawn[name])
        found[f"{name}_coverage_68"] = float(score.coverage_68 or 0.0)
        found[f"{name}_crps"] = float(score.crps or 0.0)
        found[f"{name}_scatter"] = score.scatter
    found["photo_z_nmad"] = photo_z(truth["redshift"], posterior_median(drawn["redshift"])).sigma_mad
    return found


def passes(row: dict[str, float], best: dict[str, float]) -> bool:
    """Whether widths are those of the reference and nothing else is worse than by 2 %."""
    narrow, wide = 1 - row["std_ratio_least"], row["std_ratio_most"] - 1
    worse = [row[name] / best[name] - 1 for name in best if name.endswith(("crps", "scatter", "nmad"))]
    return bool(
        max(narrow, wide) <= STD_EVERYWHERE
        and row["std_ratio_off_on_average"] <= STD_ON_AVERAGE
        and max(worse) <= ELSE_WORSE
        and abs(row["line_std_ratio"] - 1) <= STD_EVERYWHERE
    )


def smallest(rows: dict[str, dict[str, float]]) -> int | None:
    """Fewest evaluations that pass and after which all pass."""
    good = None
    for count in sorted((int(count) for count in rows), reverse=True):
        if not rows[str(count)]["passes"]:
            break
        good = count
    return good


def coefficient_axes(ln_flux: FloatArray) -> FloatArray:
    """Leading directions (M, P) in which candidates (N, K, P) of a galaxy differ, over all galaxies."""
    away = (ln_flux - ln_flux.mean(axis=1, keepdims=True)).reshape(-1, ln_flux.shape[2])
    axes: FloatArray = np.linalg.svd(away, full_matrices=False)[2][:COEFFICIENTS]
    return axes


def coefficient_std(ln_flux: FloatArray, axes: FloatArray) -> FloatArray:
    """Standard deviation (M,) of candidates around their galaxy's mean along directions."""
    std: FloatArray = np.sqrt((ln_flux @ axes.T).var(axis=1, ddof=1).mean(axis=0))
    return std


def spread(samples: FloatArray) -> float:
    """Root mean variance of (N, K) samples of each galaxy."""
    return float(np.sqrt(np.nanvar(samples, axis=1, ddof=1).mean()))


def table(document: dict[str, Any]) -> str:
    """Write the document as Markdown."""
    lines = []
    for version, rows in document["rows"].items():
        names = list(next(iter(rows.values())))
        said = (
            f"{document['galaxies']} held-out simulated galaxies, {document['candidates']} candidates each; "
            f"ratios are to {document['reference']} evaluations. Smallest number that passes: "
            f"{document['smallest that passes'][version] or 'none'}."
        )
        head = "| figure | " + " | ".join(rows) + " |"
        lines += [f"## {version}", "", said, "", head, "|---" * (len(rows) + 1) + "|"]
        for name in names:
            cells = " | ".join(f"{row[name]:.4g}" for row in rows.values())
            lines.append(f"| {name} | {cells} |")
        lines.append("")
    return "\n".join(lines)


def plot(document: dict[str, Any], path: Path) -> None:
    """Draw the ratio of widths against the number of evaluations."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    with mpl.rc_context({"font.size": 9}):
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        for version, rows in document["rows"].items():
            counts = [int(count) for count in rows]
            low, high = ([row[f"std_ratio_{end}"] for row in rows.values()] for end in ("least", "most"))
            axes.fill_between(counts, low, high, alpha=0.3, label=version)
        axes.axhspan(1 - STD_EVERYWHERE, 1 + STD_EVERYWHERE, color="0.9", zorder=0)
        axes.set(xscale="log", xlabel="network evaluations", ylabel="width over the reference's")
        axes.legend()
        figure.savefig(path, dpi=120)


if __name__ == "__main__":
    typer.run(main)
