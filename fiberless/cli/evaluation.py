"""Commands that score models: evaluate one, set two beside each other, see what the pixels add."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fiberless.cli.numbers import numbers_by_version
from fiberless.cli.program import ModelStore, app
from fiberless.cli.progress import command_line, progress_bars, report_on
from fiberless.contract import DEFAULT_CANDIDATES
from fiberless.errors import UsageError

__all__ = ["ablate", "compare", "evaluate", "unusual"]


@app.command()
def evaluate(
    *,
    model: Annotated[str | None, typer.Option(help="Version; default: the store's.")] = None,
    store: ModelStore,
    data: Annotated[Path, typer.Option(help="Held-out data set.", exists=True)],
    train: Annotated[Path, typer.Option(help="Data set that the baselines learn from.", exists=True)],
    limit: Annotated[int | None, typer.Option(min=1, help="Galaxies used; default: all.")] = None,
    candidates: Annotated[int, typer.Option(min=2, help="Candidates drawn for each galaxy.")] = 100,
    measured: Annotated[int, typer.Option(min=2, help="Candidates whose spectra are measured.")] = 100,
    baseline_rows: Annotated[int, typer.Option(min=100, help="Galaxies that baselines see.")] = 40_000,
    mlp_steps: Annotated[int, typer.Option(min=0, help="Of the photometry regression.")] = 6000,
    cnn: Annotated[int, typer.Option(min=0, help="Steps of a regression on the pixels; 0: none.")] = 0,
    fp32: Annotated[bool, typer.Option("--fp32", help="Draw in float32, four times as slow.")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    report: Annotated[Path | None, typer.Option(help="Folder for JSON, Markdown and pictures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    record: Annotated[bool, typer.Option(help="Write the metrics into manifest and card.")] = False,
) -> None:
    """Score a model on held-out galaxies beside baselines: accuracy, calibration, AGN, gates."""
    from fiberless.contract.manifest import resolve_version
    from fiberless.datasets.shards import ShardSet
    from fiberless.evaluation.evaluate import EvaluationOptions
    from fiberless.evaluation.evaluate import evaluate as run_evaluation
    from fiberless.evaluation.record import as_markdown, core_minutes, record_evaluation
    from fiberless.inference.store import load_version

    family, manifest = load_version(store, resolve_version(store, model), device)
    options = EvaluationOptions(
        n_candidates=candidates,
        n_measured=min(measured, candidates),
        limit=limit,
        baseline_rows=baseline_rows,
        mlp_steps=mlp_steps,
        cnn_steps=cnn,
        half_precision=not fp32,
        training_core_minutes=core_minutes(manifest),
    )
    with progress_bars() as bars:
        result = run_evaluation(
            family,
            ShardSet(data),
            ShardSet(train),
            steps=manifest.sampler_steps,
            options=options,
            progress=lambda stage, done, total: report_on(bars)(stage, done, total, 0.0),
        )
    if report is not None:
        from fiberless.evaluation.report import write_report

        write_report(result, report, model=manifest.version, command=command_line())
    typer.echo(json.dumps(result.as_dict(), indent=1) if as_json else as_markdown(result))
    if record:
        record_evaluation(store, manifest.version, result, command=command_line())


@app.command()
def compare(
    *,
    model: Annotated[list[str], typer.Option(help="Twice: the version judged, and the one beside it.")],
    store: ModelStore,
    data: Annotated[Path, typer.Option(help="Held-out data set.", exists=True)],
    limit: Annotated[int | None, typer.Option(min=2, help="Galaxies used; default: all.")] = None,
    candidates: Annotated[
        int, typer.Option(min=2, help="Candidates drawn for each galaxy.")
    ] = DEFAULT_CANDIDATES,
    steps: Annotated[
        list[str] | None, typer.Option(help="VERSION=N: evaluations other than its own; repeatable.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Folder of what is drawn, to go on from.")] = Path("runs/drawn"),
    fp32: Annotated[bool, typer.Option("--fp32", help="Draw in float32, slower.")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    report: Annotated[Path | None, typer.Option(help="Folder for JSON and Markdown.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    record: Annotated[bool, typer.Option(help="Write each version's figures into its manifest.")] = False,
) -> None:
    """Set two versions of any family beside each other on the same galaxies. Stopped, it goes on."""
    from fiberless.datasets.shards import ShardSet
    from fiberless.evaluation.blocks import Contestant
    from fiberless.evaluation.compare import compare as run_comparison
    from fiberless.evaluation.comparison_report import verdict_text, write_comparison
    from fiberless.evaluation.record import record_comparison
    from fiberless.inference.store import load_family

    if len(model) != 2:
        raise UsageError("invalid-parameter", "name two versions, --model A --model B")
    wanted = numbers_by_version(steps or (), model, option="--steps")
    first, second = (
        Contestant(
            family,
            manifest,
            candidates,
            wanted.get(manifest.version, manifest.sampler_steps),
            half_precision=not fp32,
        )
        for family, manifest in (load_family(store, version, device) for version in model)
    )
    with progress_bars() as bars:
        result = run_comparison(
            first,
            second,
            ShardSet(data),
            limit=limit,
            cache=cache,
            progress=lambda stage, done, total: report_on(bars)(stage, done, total, 0.0),
        )
    result |= {"command": command_line()}
    if report is not None:
        write_comparison(result, report)
    typer.echo(json.dumps(result, indent=1) if as_json else verdict_text(result))
    if record:
        record_comparison(store, result)


@app.command()
def ablate(
    *,
    run: Annotated[Path, typer.Option(help="Folder of a finished training run.", exists=True)],
    steps: Annotated[int, typer.Option(min=1, help="Of each training of the denoiser.")] = 1500,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings with and without the pixels.")] = 3,
    candidates: Annotated[int, typer.Option(min=2, help="Candidates a galaxy.")] = 50,
    out: Annotated[Path | None, typer.Option(help="Folder for JSON and Markdown.")] = None,
    record: Annotated[str | None, typer.Option(help="Version whose manifest and card take it in.")] = None,
    store: ModelStore,
) -> None:
    """Show what the pixels add over aperture photometry: train the denoiser with and without them."""
    from fiberless.evaluation.ablation import ablate as run_ablation
    from fiberless.evaluation.ablation import read_caches
    from fiberless.evaluation.record import record_ablation
    from fiberless.evaluation.report import write_ablation
    from fiberless.training.figures import ablation_table

    with progress_bars() as bars:
        result = run_ablation(
            read_caches(run),
            steps=steps,
            seeds=seeds,
            n_candidates=candidates,
            progress=lambda stage, done, total: report_on(bars)(stage, done, total, 0.0),
        )
    result |= {"command": command_line()}
    if out is not None:
        write_ablation(result, out)
    typer.echo(ablation_table(result))
    if record is not None:
        record_ablation(store, record, result)


@app.command()
def unusual(
    *,
    model: Annotated[str | None, typer.Option(help="Version; default: the store's.")] = None,
    store: ModelStore,
    data: Annotated[Path, typer.Option(help="Held-out simulated galaxies.", exists=True)],
    limit: Annotated[int, typer.Option(min=10, help="Galaxies used.")] = 1000,
) -> None:
    """Show how often a version flags clean galaxies, each class of artefact, stars and empty sky."""
    import numpy as np

    from fiberless.contract.manifest import resolve_version
    from fiberless.datasets.shards import ShardSet
    from fiberless.evaluation.unusual import flagged_shares, flagged_table
    from fiberless.inference.store import load_version

    family, manifest = load_version(store, resolve_version(store, model))
    shards = ShardSet(data)
    images = shards.column("image", limit=limit).astype(np.float32)
    rows = flagged_shares(
        family.condition_scaler, images, shards.ebv(limit=limit), r_limit=manifest.r_magnitude_limit
    )
    typer.echo(flagged_table(rows))
