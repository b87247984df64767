"""Quality of few sampling steps against many, of both families, on held-out simulated galaxies.

For every number of evaluations the same galaxies are drawn from the same noise; what was drawn is kept in
--cache, and a stopped run goes on. Prints one JSON document; --out writes it with a table and a plot;
--record makes the smallest number that passes the default of the version.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer

from fiberless.cli.numbers import numbers_by_version
from fiberless.cli.progress import progress_bars, report_on
from fiberless.datasets.mock.survey import MAIN_LIMIT
from fiberless.datasets.shards import ShardSet
from fiberless.evaluation.blocks import BlockCache, Contestant, draw_blocks
from fiberless.evaluation.pairs import HeldOut, Progress, read_held_out
from fiberless.evaluation.record import record_sampler_quality
from fiberless.evaluation.step_quality import (
    QUANTITIES,
    STD_EVERYWHERE,
    QualityValues,
    judge,
    quality_values,
    smallest,
)
from fiberless.inference.store import load_family

STEPS: Final = (5, 10, 15, 25, 50, 250)
_BRIGHT: Final = 1.5
"""Galaxies read for each that is wanted: some three of four are bright enough."""
_CHECKED: Final = 400


def main(  # noqa: PLR0913 - each argument is an option
    data: Annotated[Path, typer.Argument(help="Held-out data set.", exists=True)],
    *,
    model: Annotated[list[str], typer.Option(help="Versions; repeatable.")],
    store: Annotated[Path, typer.Option(help="Model store.")] = Path("model_store"),
    limit: Annotated[int, typer.Option(min=2, help="Galaxies.")] = 200,
    galaxies: Annotated[list[str] | None, typer.Option(help="VERSION=N: other than --limit.")] = None,
    candidates: Annotated[int, typer.Option(min=2, help="Candidates a galaxy.")] = 25,
    steps: Annotated[list[int] | None, typer.Option(min=2, help="Repeatable; most: reference.")] = None,
    fp32: Annotated[bool, typer.Option("--fp32", help="Draw in float32, slower.")] = False,
    cache: Annotated[Path, typer.Option(help="Folder of what is drawn, to go on from.")] = Path("runs/drawn"),
    out: Annotated[Path | None, typer.Option(help="Folder for JSON, table and plot.")] = None,
    record: Annotated[bool, typer.Option(help="Write the chosen number into each manifest.")] = False,
) -> None:
    """Measure, and print one JSON document."""
    wanted = dict.fromkeys(model, limit)
    wanted |= numbers_by_version(galaxies or (), model, option="--galaxies")
    with progress_bars() as bars:

        def progress(stage: str, done: int, total: int) -> None:
            report_on(bars)(stage, done, total, 0.0)

        most = int(_BRIGHT * max(wanted.values())) + 20
        pairs = read_held_out(ShardSet(data), r_limit=MAIN_LIMIT, limit=most, progress=progress)
        rows = {}
        for version in model:
            first = Contestant(*load_family(store, version), candidates, 0, half_precision=not fp32)
            chosen = tuple(sorted(steps or STEPS))
            rows[version] = measured(
                first, pairs, wanted[version], steps=chosen, cache=cache, progress=progress
            )
    document = {"candidates": candidates, "command": command(), "models": rows}
    if out is not None:
        write(document, out)
    if record:
        record_chosen(store, document)
    typer.echo(json.dumps(document, indent=1))


def measured(
    contestant: Contestant,
    pairs: HeldOut,
    galaxies: int,
    *,
    steps: tuple[int, ...],
    cache: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Rows of one version, the smallest number that passes, and what its arithmetic changes."""

    def drawn(n: int, count: int, *, half_precision: bool) -> QualityValues:
        told = Contestant(
            contestant.family, contestant.manifest, contestant.n_candidates, count, half_precision
        )
        blocks = draw_blocks(
            told,
            pairs.conditions[:n],
            pairs.truth.only(QUANTITIES).rows(slice(n)),
            measure=quality_values,
            cache=BlockCache(cache, "step-quality", QualityValues),
            progress=lambda done, total: progress(f"{contestant.manifest.version}, {count}", done, total),
        )
        return blocks.values

    n, half = min(galaxies, len(pairs.conditions)), contestant.half_precision
    truth = pairs.truth.rows(slice(n))
    rows = judge({count: drawn(n, count, half_precision=half) for count in steps}, truth)
    found = {
        "galaxies": n,
        "reference": steps[-1],
        "precision": "bf16" if half else "fp32",
        "smallest that passes": smallest(rows),
        "rows": rows,
    }
    if half:
        few, usual = min(n, _CHECKED), contestant.manifest.sampler_steps
        both = [drawn(few, usual, half_precision=True), drawn(few, usual, half_precision=False)]
        # keys are numbers of evaluations, of which the larger is the reference: here the finer arithmetic
        against = judge({16: both[0], 32: both[1]}, truth.rows(slice(few)))["16"]
        found["bf16 against fp32"] = {"galaxies": few, "evaluations": usual, **against}
    return found


def record_chosen(store: Path, document: dict[str, Any]) -> None:
    """Make the smallest number that passes each version's default; one without any is left alone."""
    for version, found in document["models"].items():
        steps = found["smallest that passes"]
        if steps is None:
            typer.echo(f"{version}: no number of evaluations passes; its manifest is left alone", err=True)
            continue
        told = {name: value for name, value in found.items() if name != "bf16 against fp32"}
        told |= {"candidates": document["candidates"]}
        record_sampler_quality(store, version, steps=steps, quality=told, command=document["command"])


def command() -> str:
    """The command as it was typed, with the names alone of what lies at absolute paths of this machine."""
    words = (Path(word).name if Path(word).is_absolute() else word for word in sys.argv[1:])
    return " ".join(["python benchmarks/sampler_quality.py", *words])


def write(document: dict[str, Any], out: Path) -> None:
    """Write JSON, table and plot."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "sampler_quality.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (out / "sampler_quality.md").write_text(table(document), encoding="utf-8")
    plot(document, out / "sampler_quality.png")


def table(document: dict[str, Any]) -> str:
    """Write the document as Markdown."""
    lines = ["# Few evaluations against many", "", _SAID, "", f"Made by `{document['command']}`.", ""]
    for version, found in document["models"].items():
        said = (
            f"{found['galaxies']} held-out simulated galaxies, {document['candidates']} candidates "
            f"each, in {found['precision']}; reference: {found['reference']} evaluations. Smallest "
            f"number that passes: {found['smallest that passes'] or 'none'}."
        )
        columns = {f"{count}": row for count, row in found["rows"].items()}
        if "bf16 against fp32" in found:
            columns["bf16 over fp32"] = found["bf16 against fp32"]
        lines += [f"## {version}", "", said, "", *_rows(columns), ""]
    lines += ["![Width of the candidates](sampler_quality.png)", ""]
    return "\n".join(lines)


_SAID: Final = (
    "Each cell: the figure, and in brackets how much worse it is than the reference's, with the standard "
    "error over galaxies. Galaxies and noise are the same in all columns. Widths (`std_…`, over the "
    "reference's, geometric mean over galaxies): the candidates' along the 20 leading directions of their "
    "spectra, and in each dimension of a latent; within 7 % in every one, 3 % on average. Nothing else may "
    "be worse by more than 2 %. Bold: a loss above its limit; ?: within its error of the limit."
)


def _rows(columns: dict[str, Any]) -> list[str]:
    names = list(next(iter(columns.values()))["figures"])
    lines = ["| figure | limit | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for name in names:
        cells = [_cell(row["figures"][name], open_=name in row["undecided"]) for row in columns.values()]
        limit = next(iter(columns.values()))["figures"][name]["limit"]
        lines.append(f"| {name} | {limit:g} | " + " | ".join(cells) + " |")
    verdicts = ("yes" if row["passes"] else "**no**" for row in columns.values())
    return [*lines, "| passes | | " + " | ".join(verdicts) + " |"]


def _cell(told: dict[str, float], *, open_: bool) -> str:
    loss = f"{told['loss']:+.4f} ± {told['error']:.4f}"
    loss = f"**{loss}**" if told["loss"] > told["limit"] else loss
    return f"{told['value']:.4g} ({loss}{'?' if open_ else ''})"


def plot(document: dict[str, Any], path: Path) -> None:
    """Draw the widest departure of a width against the number of evaluations."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415 - the same

    with mpl.rc_context({"font.size": 9}):
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        for version, found in document["models"].items():
            told = [row["figures"]["std_everywhere"] for row in found["rows"].values()]
            counts = [int(count) for count in found["rows"]]
            bars = np.array([cell["error"] for cell in told])
            axes.errorbar(counts, [cell["loss"] for cell in told], yerr=bars, marker="o", label=version)
        axes.axhspan(0, STD_EVERYWHERE, color="0.9", zorder=0)
        axes.set(xscale="log", xlabel="network evaluations", ylabel="largest |width / reference − 1|")
        axes.legend()
        figure.savefig(path, dpi=120)


if __name__ == "__main__":
    typer.run(main)
