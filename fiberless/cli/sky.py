"""Commands that compare the simulated survey with tables of real galaxies, and fit it to them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fiberless.cli.program import ModelStore, app
from fiberless.cli.progress import command_line, progress_bars, report_on
from fiberless.errors import UsageError

if TYPE_CHECKING:
    from fiberless.datasets.mock.hyperparameters import Hyperparameters
    from fiberless.evaluation.sky.twin_report import Twins
    from fiberless.inference.predictor import Predictor

__all__ = ["sky", "sky_fit"]


@app.command()
def sky(
    *,
    real: Annotated[
        Path | None, typer.Option(help="Folder with real_galaxies.parquet; default: the shipped rows.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Simulated data set; default: drawn afresh.", exists=True)
    ] = None,
    population: Annotated[
        str, typer.Option(help="trained, sky, or a file of sky-fit: what mocks are drawn from.")
    ] = "trained",
    out: Annotated[Path, typer.Option(help="Folder for JSON, Markdown and pictures.")] = Path("runs/sky"),
    mocks: Annotated[int, typer.Option(min=2000, help="Simulated galaxies compared.")] = 40_000,
    measured: Annotated[int, typer.Option(min=0, help="Of them measured on images and spectra.")] = 1500,
    limit: Annotated[int | None, typer.Option(min=500, help="Galaxies of each source; default: all.")] = None,
    model: Annotated[
        str | None, typer.Option(help="Version to run on twins of the real galaxies; default: none.")
    ] = None,
    store: ModelStore,
    galaxies: Annotated[int, typer.Option(min=30, help="Twins of each source.")] = 600,
    candidates: Annotated[int, typer.Option(min=5, help="Candidates of each twin.")] = 25,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated galaxies, folds and draws.")] = 14,
) -> None:
    """Hold simulated galaxies against real ones: colours, counts, photometric redshifts, a model on twins."""
    from fiberless.evaluation.sky.plots import draw_sky
    from fiberless.evaluation.sky.report import SkyOptions, compare_with_sky, write_figures
    from fiberless.evaluation.sky.text import sky_text

    chosen = _population(population, data=data, model=model)
    options = SkyOptions(
        mocks=mocks,
        # images and spectra are those of data sets, which have their own population
        measured=measured if chosen is None else 0,
        limit=limit,
        seed=seed,
        population=chosen,
    )
    with progress_bars() as bars:

        def tell(stage: str, done: int, total: int) -> None:
            report_on(bars)(stage, done, total, 0.0)

        predictor = None if model is None else _predictor(store, model, device)
        found = compare_with_sky(real, data=data, options=options, progress=tell)
        twins = None
        if predictor is not None:
            asked = (galaxies, candidates, seed)
            twins = _twins(predictor, real, data=data, mocks=mocks, asked=asked, tell=tell)
    text = sky_text(found, command=command_line())
    draw_sky(found, out)
    if twins is not None:
        from fiberless.evaluation.sky.twin_plots import draw_twins
        from fiberless.evaluation.sky.twin_text import twins_text

        text = f"{text}\n\n{twins_text(twins)}"
        draw_twins(twins, out)
    write_figures(found, out, text=text, command=command_line(), twins=twins)
    typer.echo(text)


@app.command(name="sky-fit")
def sky_fit(
    *,
    real: Annotated[
        Path | None, typer.Option(help="Folder with real_galaxies.parquet; default: the shipped rows.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Hyperparameters written.")] = Path("runs/population.json"),
    start: Annotated[Path | None, typer.Option(help="Begin at these hyperparameters.", exists=True)] = None,
    steps: Annotated[int, typer.Option(min=0, help="Steps of Gauss-Newton.")] = 6,
    drawn: Annotated[int, typer.Option(min=20_000, help="Galaxies drawn for one evaluation.")] = 80_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated galaxies.")] = 5,
) -> None:
    """Fit the simulated population to the colours, magnitudes and redshifts of real galaxies."""
    from fiberless.datasets.mock.hyperparameters import Hyperparameters
    from fiberless.evaluation.sky.population_fit import START, fit_hyperparameters, sky_cut
    from fiberless.evaluation.sky.selection_fit import complete_weights, fit_selection
    from fiberless.evaluation.sky.table import pooled_photometry, read_galaxies, shipped_galaxies

    galaxies = shipped_galaxies() if real is None else read_galaxies(real)
    pooled = sky_cut(pooled_photometry(galaxies))
    first = START if start is None else Hyperparameters.read(start)
    fitted = fit_hyperparameters(
        pooled,
        start=first,
        seed=seed,
        n=drawn,
        steps=steps,
        progress=lambda step, fit: typer.echo(f"step {step}: chi2 {fit.chi2:.0f} of {len(fit.real.values)}"),
    )
    weight = complete_weights(pooled, galaxies)
    chosen = fit_selection(
        pooled,
        weight,
        fit=fitted,
        seed=seed + 1,
        n=4 * drawn,
        progress=lambda turn, share: typer.echo(f"selection {turn}: keeps {100 * share:.0f} %"),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    chosen.write(out)
    typer.echo(f"population {chosen.name} in {out}")


def _population(name: str, *, data: Path | None, model: str | None) -> "Hyperparameters | None":
    """Hyperparameters by name or file; none for those of data sets."""
    from fiberless.datasets.mock.hyperparameters import Hyperparameters, shipped_population

    if name == "trained":
        return None
    if data is not None or model is not None:
        message = "--population changes photometry alone: use it without --data and --model"
        raise UsageError("invalid-parameter", message)
    return shipped_population("sky") if name == "sky" else Hyperparameters.read(Path(name))


def _predictor(store: Path, model: str, device: str) -> "Predictor":
    """A model version, refused before anything else is computed if there is none."""
    from fiberless.inference.predictor import load_predictor

    return load_predictor(store, model, device=device)


def _twins(
    predictor: "Predictor",
    real: Path | None,
    *,
    data: Path | None,
    mocks: int,
    asked: tuple[int, int, int],
    tell: Callable[[str, int, int], None],
) -> "Twins":
    from fiberless.evaluation.sky.mock_galaxies import catalogue_mocks
    from fiberless.evaluation.sky.table import read_galaxies, shipped_galaxies
    from fiberless.evaluation.sky.twin_report import TwinOptions, compare_twins

    galaxies, candidates, seed = asked
    return compare_twins(
        shipped_galaxies() if real is None else read_galaxies(real),
        predictor,
        mocks=catalogue_mocks(seed, mocks, data=data),
        options=TwinOptions(galaxies=galaxies, candidates=candidates, control=galaxies // 2, seed=seed),
        progress=tell,
    )
