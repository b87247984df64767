"""The command that trains the paper's pipeline."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fiberless.cli.program import app
from fiberless.cli.progress import command_line, progress_bars, report_on
from fiberless.errors import UsageError
from fiberless.training.cascade.config import CascadeConfig, CascadeStage, paper_config, slim_config

__all__ = ["train_cascade"]


@app.command("train-cascade")
def train_cascade(
    data: Annotated[Path, typer.Argument(help="Folder of a data set.", exists=True)],
    *,
    out: Annotated[Path | None, typer.Option(help="Version folder to write: model_store/NAME.")] = None,
    run: Annotated[Path, typer.Option(help="Folder for caches, checkpoints, logs.")] = Path("runs/cascade"),
    paper: Annotated[bool, typer.Option("--paper", help="The paper's sizes; default: slim.")] = False,
    config: Annotated[Path | None, typer.Option(help="Configuration, JSON.", exists=True)] = None,
    until: Annotated[CascadeStage, typer.Option(help="Last stage to do; --out needs all.")] = (
        CascadeStage.DENOISE_HIGH
    ),
    seed: Annotated[int | None, typer.Option(min=0, help="Of initial weights and batches.")] = None,
    rows: Annotated[int | None, typer.Option(min=1, help="Galaxies of the data that are used.")] = None,
    contrast_low_steps: Annotated[int | None, typer.Option(min=1, help="Steps of a stage.")] = None,
    contrast_high_steps: Annotated[int | None, typer.Option(min=1, help="The same.")] = None,
    denoise_low_steps: Annotated[int | None, typer.Option(min=1, help="The same.")] = None,
    denoise_high_steps: Annotated[int | None, typer.Option(min=1, help="The same.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a version of the cascade, the paper's pipeline. Stopped and started again, it goes on.

    Several processes: torchrun --standalone --nproc-per-node N --no-python -- fiberless train-cascade ...
    """
    from fiberless.datasets.shards import ShardSet
    from fiberless.training.cascade.train import CascadeTraining
    from fiberless.training.cascade.version import write_cascade
    from fiberless.training.preflight import check_version_folder
    from fiberless.training.process import join_processes

    if out is not None:
        check_version_folder(out)
    elif until is CascadeStage.DENOISE_HIGH:
        raise UsageError("invalid-parameter", "name the version to write with --out, or a stage with --until")
    steps = {
        CascadeStage.CONTRAST_LOW: contrast_low_steps,
        CascadeStage.CONTRAST_HIGH: contrast_high_steps,
        CascadeStage.DENOISE_LOW: denoise_low_steps,
        CascadeStage.DENOISE_HIGH: denoise_high_steps,
    }
    chosen = _chosen(config, paper=paper).with_steps(steps)
    given = {"seed": seed, "max_rows": rows}
    chosen = chosen.model_copy(update={name: value for name, value in given.items() if value is not None})
    with join_processes(device) as process, progress_bars(shown=process.first) as bars:
        training = CascadeTraining(ShardSet(data), chosen, run, progress=report_on(bars), process=process)
        training.run(until)
        if process.first and out is not None and until is CascadeStage.DENOISE_HIGH:
            write_cascade(out, training.finish(), command=command_line())
            typer.echo(f"wrote {out}")
        elif process.first:
            typer.echo(f"{until} is done; {run} holds it, and the same command without --until goes on")


def _chosen(path: Path | None, *, paper: bool) -> CascadeConfig:
    if path is None:
        return paper_config() if paper else slim_config()
    if paper:
        raise UsageError("invalid-parameter", "give --paper or --config, not both")
    try:
        return CascadeConfig.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UsageError("invalid-parameter", f"{path} is no configuration: {error}") from error
