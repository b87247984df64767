"""Commands that compare the simulated survey with tables of real galaxies, and fit it to them."""

from pathlib import Path
from typing import Annotated

import typer

from fiberless.cli.program import app
from fiberless.cli.progress import command_line, progress_bars, report_on

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
    out: Annotated[Path, typer.Option(help="Folder for JSON, Markdown and pictures.")] = Path("runs/sky"),
    mocks: Annotated[int, typer.Option(min=2000, help="Simulated galaxies compared.")] = 40_000,
    measured: Annotated[int, typer.Option(min=0, help="Of them measured on images and spectra.")] = 1500,
    limit: Annotated[int | None, typer.Option(min=500, help="Galaxies of each source; default: all.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated galaxies, folds and draws.")] = 14,
) -> None:
    """Hold simulated galaxies against real ones: colours, counts, photometric redshifts, percentiles."""
    from fiberless.evaluation.sky.plots import draw_sky
    from fiberless.evaluation.sky.report import SkyOptions, compare_with_sky, write_figures
    from fiberless.evaluation.sky.text import sky_text

    options = SkyOptions(mocks=mocks, measured=measured, limit=limit, seed=seed)
    with progress_bars() as bars:
        found = compare_with_sky(
            real,
            data=data,
            options=options,
            progress=lambda stage, done, total: report_on(bars)(stage, done, total, 0.0),
        )
    text = sky_text(found, command=command_line())
    write_figures(found, out, text=text, command=command_line())
    draw_sky(found, out)
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
    from fiberless.evaluation.sky.population_fit import fit_hyperparameters, sky_cut
    from fiberless.evaluation.sky.selection_fit import complete_weights, fit_selection
    from fiberless.evaluation.sky.table import pooled_photometry, read_galaxies, shipped_galaxies

    galaxies = shipped_galaxies() if real is None else read_galaxies(real)
    pooled = sky_cut(pooled_photometry(galaxies))
    first = Hyperparameters() if start is None else Hyperparameters.read(start)
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
