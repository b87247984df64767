"""Cost of measuring a spectrum's stars on one core, beside its limits, and the accuracy price of shortcuts.

The code measured is `fit_stars` on spectra with noise, as `fiberless measure` runs it, and the fits of the
candidates that the store's model draws, beside everything else that a worker measures on them. Prints JSON,
and Markdown on the error stream.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

ONE_THREAD: Final = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
}
if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
    # BLAS reads these as it is loaded, so they must be there before it is.
    os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)  # noqa: S606

import numpy as np  # noqa: E402
import torch  # noqa: E402
import typer  # noqa: E402

from fiberless.analysis.measure import measure_candidates  # noqa: E402
from fiberless.analysis.rebinning import PixelFlux  # noqa: E402
from fiberless.arrays import FloatArray  # noqa: E402
from fiberless.astro.wavelength import (  # noqa: E402
    OBSERVED_WAVE_AA,
    PREDICTED_RESAMPLING_KMS,
    resample_log_flux,
)
from fiberless.contract.manifest import resolve_version  # noqa: E402
from fiberless.inference.conditioning import prepare  # noqa: E402
from fiberless.inference.latent import LatentFamily  # noqa: E402
from fiberless.inference.predictor import load_predictor  # noqa: E402
from fiberless.stellar import (  # noqa: E402
    CandidateStars,
    FitOptions,
    fit_candidates,
    fit_stars,
)
from fiberless.testing import synthetic_cutout  # noqa: E402

CANDIDATES: Final = 25
SIGNAL_TO_NOISE: Final = 15.0
EXACT: Final = FitOptions(resampling_kms=PREDICTED_RESAMPLING_KMS, draws=0)
LIMITS: Final = {
    "full fit core-ms": 150.0,
    "properties of 25 candidates core-ms": 150.0,
}
STRETCH: Final = {"properties of 25 candidates core-ms": 30.0}
QUANTITIES: Final = ("sigma_kms", "a_v", "log_age_light_gyr", "metallicity_light")


class Candidates(NamedTuple):
    """Spectra that a model draws for one galaxy: (K, 3902) at rest, (K, 4500) observed, redshifts (K,)."""

    ln_flux_rest: FloatArray
    flux: FloatArray
    redshift: FloatArray


class Timed(NamedTuple):
    """What a function answered, and the core time that it took."""

    answer: Any
    core_ms: float


def main(
    *,
    store: Annotated[Path, typer.Option(help="Model store.")] = Path("model_store"),
    model: Annotated[str | None, typer.Option(help="Version; default: the store's.")] = None,
    galaxies: Annotated[int, typer.Option(min=1, help="Galaxies measured, after one of warm-up.")] = 5,
    exact: Annotated[int, typer.Option(min=1, help="Candidates a galaxy that are fitted in full.")] = 5,
) -> None:
    """Measure, and print one JSON document; its tables as Markdown go to the error stream."""
    torch.set_num_threads(1)
    predictor = load_predictor(store, resolve_version(store, model), device="cpu")
    if not isinstance(predictor.family, LatentFamily):
        raise typer.BadParameter("only candidates with a rest-frame spectrum have a shortcut")
    drawn = draw(predictor.family, galaxies + 1, predictor.manifest.sampler_steps)
    for warm_up in (full_fits, lambda galaxy: shortcuts(galaxy, exact), all_properties):
        warm_up(drawn[0])
    full = [full_fits(galaxy) for galaxy in drawn[1:]]
    short = [shortcuts(galaxy, exact) for galaxy in drawn[1:]]
    together = [all_properties(galaxy) for galaxy in drawn[1:]]
    document = {
        "model": predictor.manifest.version,
        "machine": {"torch": torch.__version__, "numpy": np.__version__, "threads": torch.get_num_threads()},
        "galaxies": galaxies,
        "candidates": CANDIDATES,
        "full fit core-ms": _medians(full),
        "25 candidates core-ms": _medians(together),
        "shortcuts": {name: _price([one[name] for one in short]) for name in short[0]},
    }
    document["beside limits"] = beside_limits(document)
    typer.echo(json.dumps(document, indent=1))
    typer.echo(as_markdown(document), err=True)


def draw(family: LatentFamily, count: int, steps: int) -> list[Candidates]:
    """Candidates of `count` synthetic galaxies."""
    conditions = prepare([synthetic_cutout(seed) for seed in range(count)])
    seeds = [(0, str(seed)) for seed in range(count)]
    drawn = family.candidates(conditions, seeds, n=CANDIDATES, steps=steps)
    return [
        Candidates(ln_flux, np.exp(resample_log_flux(ln_flux, redshift, OBSERVED_WAVE_AA)), redshift)
        for ln_flux, redshift in zip(drawn.ln_flux, drawn.redshift, strict=True)
    ]


def full_fits(galaxy: Candidates) -> dict[str, float]:
    """Core time of the two fits of an observed spectrum: the first candidate's, with noise."""
    flux = galaxy.flux[:1]
    error = np.nanmedian(flux) / SIGNAL_TO_NOISE
    noisy = flux + error * np.random.default_rng(0).standard_normal(flux.shape)
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, noisy, np.full(flux.shape, error**-2))
    return {
        f"polynomial of degree {degree}": _timed(
            partial(fit_stars, pixels, galaxy.redshift[:1], options=FitOptions(multiplicative_degree=degree))
        ).core_ms
        for degree in (0, 8)
    }


def all_properties(galaxy: Candidates) -> dict[str, float]:
    """Core time of everything that is measured on the candidates of a galaxy."""
    stars = _timed(lambda: fit_candidates(galaxy.ln_flux_rest, galaxy.redshift))
    rest = _timed(
        lambda: measure_candidates(
            OBSERVED_WAVE_AA, galaxy.flux, galaxy.redshift, sigma_star_kms=stars.answer.sigma_kms
        )
    )
    return {
        "stars": stars.core_ms,
        "lines, indices and the rest": rest.core_ms,
        "all": stars.core_ms + rest.core_ms,
    }


def shortcuts(galaxy: Candidates, exact: int) -> dict[str, dict[str, Any]]:
    """Core time for 25 candidates of full fits and of each shortcut, and how far its answers are off.

    Full fits are made of the first `exact` candidates, at whose median redshift the shortcut's instrument is.
    """
    pixels = PixelFlux.of(OBSERVED_WAVE_AA, galaxy.flux[:exact])
    redshift = galaxy.redshift[:exact]
    share = CANDIDATES / exact
    whole = _timed(lambda: fit_stars(pixels, redshift, options=EXACT))
    truth = {name: getattr(whole.answer, name).value for name in QUANTITIES}
    low_rank = FitOptions(resampling_kms=PREDICTED_RESAMPLING_KMS, draws=0, rank=24)
    coarse = _timed(lambda: fit_stars(pixels, redshift, options=low_rank))
    found = {name: getattr(coarse.answer, name).value for name in QUANTITIES}
    tabulated = _timed(lambda: fit_candidates(galaxy.ln_flux_rest, galaxy.redshift))
    quick = {name: values[:exact] for name, values in _values(tabulated.answer).items()}
    return {
        "none: full fits": {"core-ms": whole.core_ms * share, "away": _away(truth, truth)},
        "24 basis vectors instead of 64": {"core-ms": coarse.core_ms * share, "away": _away(found, truth)},
        "tabulated templates, lines left out": {"core-ms": tabulated.core_ms, "away": _away(quick, truth)},
    }


def beside_limits(document: dict[str, Any]) -> dict[str, dict[str, float | bool]]:
    """Each figure that has a limit, beside it."""
    figures = {
        "full fit core-ms": max(document["full fit core-ms"].values()),
        "properties of 25 candidates core-ms": document["25 candidates core-ms"]["all"],
    }
    return {
        name: {
            "value": figures[name],
            "limit": limit,
            "held": figures[name] <= limit,
            "stretch": STRETCH.get(name, limit),
        }
        for name, limit in LIMITS.items()
    }


def as_markdown(document: dict[str, Any]) -> str:
    """Tables of figures beside limits, and of shortcuts beside what they cost in accuracy."""
    rows = ["| figure | value | limit | held |", "|---|---|---|---|"]
    rows += [
        f"| {name} | {row['value']:.1f} | {row['limit']:.0f} | {'yes' if row['held'] else 'no'} |"
        for name, row in document["beside limits"].items()
    ]
    rows += ["", f"| shortcut | core-ms, 25 candidates | {' | '.join(QUANTITIES)} |"]
    rows += ["|---" * (len(QUANTITIES) + 2) + "|"]
    for name, row in document["shortcuts"].items():
        away = (f"{away['median']:+.3f} ± {away['scatter']:.3f}" for away in row["away"].values())
        rows.append(f"| {name} | {row['core-ms']:.0f} | {' | '.join(away)} |")
    return "\n".join(rows)


def _values(stars: CandidateStars) -> dict[str, FloatArray]:
    return {"sigma_kms": stars.sigma_kms, "a_v": stars.a_v} | {
        name: getattr(stars.populations, name) for name in QUANTITIES[2:]
    }


def _away(found: dict[str, FloatArray], truth: dict[str, FloatArray]) -> dict[str, list[float]]:
    return {name: (found[name] - truth[name]).tolist() for name in QUANTITIES}


def _price(measured: list[dict[str, Any]]) -> dict[str, Any]:
    """Median core time, and median and 1.48 MAD of the differences, over galaxies."""
    away: dict[str, dict[str, float]] = {}
    for name in QUANTITIES:
        pooled = np.concatenate([one["away"][name] for one in measured])
        middle = float(np.nanmedian(pooled))
        scatter = 1.4826 * float(np.nanmedian(np.abs(pooled - middle)))
        away[name] = {"median": round(middle, 4), "scatter": round(scatter, 4)}
    return {"core-ms": round(statistics.median(one["core-ms"] for one in measured), 1), "away": away}


def _medians(measured: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(one[name] for one in measured), 1) for name in measured[0]}


def _timed(function: Callable[[], Any]) -> Timed:
    started = time.process_time()
    answer = function()
    return Timed(answer, (time.process_time() - started) * 1000)


if __name__ == "__main__":
    typer.run(main)
