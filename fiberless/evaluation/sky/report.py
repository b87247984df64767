"""The whole comparison of simulated with real galaxies, and the folder that it is written to."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from fiberless.contract.manifest import TRAINED_REDSHIFT
from fiberless.datasets.mock.hyperparameters import Hyperparameters
from fiberless.datasets.mock.survey import MAIN_LIMIT
from fiberless.datasets.mock_report.photometry import Photometry
from fiberless.errors import UsageError
from fiberless.evaluation.sky.counts import COMPLETE_LIMIT, Counts, compare_counts
from fiberless.evaluation.sky.dispersions import DispersionRow, compare_dispersions, real_dispersions
from fiberless.evaluation.sky.loci import (
    ColourLocus,
    FixedColour,
    colour_loci,
    conditional_scatter,
    fixed_colours,
)
from fiberless.evaluation.sky.mock_galaxies import WIDE_REDSHIFTS, catalogue_mocks, join
from fiberless.evaluation.sky.observed_mocks import observe_mocks
from fiberless.evaluation.sky.percentiles import PercentileRow, compare_percentiles, read_percentiles
from fiberless.evaluation.sky.photo_z import INNER_REDSHIFTS, RedshiftScore, learn, learn_across, score
from fiberless.evaluation.sky.table import RealGalaxies, read_galaxies, shipped_galaxies
from fiberless.evaluation.sky.two_sample import Separation, features, like_source, separation

if TYPE_CHECKING:
    from fiberless.evaluation.sky.twin_report import Twins

__all__ = ["COMPARED_REDSHIFTS", "FEWEST", "Sky", "SkyOptions", "compare_with_sky", "write_figures"]

COMPARED_REDSHIFTS: Final = (0.02, 0.25)
"""Redshifts compared, as far as the simulation draws them."""
FEWEST: Final = 200
"""Galaxies with five magnitudes inside the cut that a source, or a bin, needs."""
_BINS: Final = ((0.02, 0.05), (0.05, 0.075), (0.075, 0.10), (0.10, 0.125), (0.125, 0.15), (0.15, 0.25))
Progress: TypeAlias = Callable[[str, int, int], None]


@dataclass(frozen=True)
class SkyOptions:
    """What is compared.

    Parameters
    ----------
    mocks : simulated galaxies with r < 18.2 drawn
    measured : simulated galaxies whose images and spectra are measured; 0 leaves percentiles and σ* out
    limit : galaxies used of each real source, drawn at random; None: all
    seed : of the mocks, their errors, folds and draws
    population : hyperparameters that mocks are drawn from; None: those of data sets, in their redshifts

    """

    mocks: int = 40_000
    measured: int = 1500
    limit: int | None = None
    seed: int = 14
    population: Hyperparameters | None = None


@dataclass(frozen=True)
class Sky:
    """All figures; samples for the pictures are in `samples`.

    Parameters
    ----------
    redshifts : range compared
    sizes : {source: galaxies with r < 17.6 in it}
    against_real : {source: {test: separation of mock and source}}
    real_against_real : {"a – b": {test: separation of two sources}}, and halves of one
    loci, fixed : colours of all sources together
    fixed_by_source : {source: colours at fixed g−r}
    scatter : {"mock" or source: {colour: mag}}
    counts : None without the complete sample
    redshift_scores : {source: {what it learnt from and was tested on: score}}
    percentiles, dispersions : empty if not asked for, or without their tables
    """

    redshifts: tuple[float, float]
    sizes: Mapping[str, int]
    against_real: Mapping[str, Mapping[str, Separation]]
    real_against_real: Mapping[str, Mapping[str, Separation]]
    loci: list[ColourLocus]
    fixed: list[FixedColour]
    fixed_by_source: Mapping[str, list[FixedColour]]
    scatter: Mapping[str, Mapping[str, float]]
    counts: Counts | None
    redshift_scores: Mapping[str, Mapping[str, RedshiftScore]]
    percentiles: list[PercentileRow]
    dispersions: list[DispersionRow]
    samples: Mapping[str, Photometry] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Figures for JSON, without the samples."""
        return {name: _plain(value) for name, value in vars(self).items() if name != "samples"}


def compare_with_sky(
    real: Path | None, *, data: Path | None, options: SkyOptions, progress: Progress = lambda *_: None
) -> Sky:
    """Compare simulated galaxies with the tables of a folder.

    Parameters
    ----------
    real : folder in the documented schema; None: the shipped rows
    data : simulated data set; None: galaxies are drawn afresh

    Raises
    ------
    UsageError
        `invalid-parameter` for a table that is not in the schema, or has too few galaxies to compare.

    """
    galaxies = shipped_galaxies() if real is None else read_galaxies(real)
    drawn = TRAINED_REDSHIFT if options.population is None else WIDE_REDSHIFTS
    redshifts = _overlap(COMPARED_REDSHIFTS, drawn)
    sources = _sources(galaxies, redshifts, options)
    # samples under one cut
    mock = catalogue_mocks(options.seed, options.mocks, data=data, population=options.population)
    near = _cut(mock, COMPLETE_LIMIT, redshifts)
    of_source = {name: _cut(sample, COMPLETE_LIMIT, redshifts) for name, sample in sources.items()}
    pooled = join(list(of_source.values()))
    # each source against the mocks
    against_real, scores, scatter = {}, {}, {"mock": conditional_scatter(near, seed=options.seed)}
    for done, (name, sample) in enumerate(of_source.items()):
        progress("sources", done, len(of_source))
        against_real[name] = _separations(near, sample, options.seed)
        scatter[name] = conditional_scatter(sample, seed=options.seed)
        scores[name] = _redshift_scores(mock, sources[name], redshifts, options.seed)
    progress("sources", len(of_source), len(of_source))
    # what needs spectra or images
    percentiles, dispersions = _observed(real, data, galaxies, options)
    return Sky(
        redshifts=redshifts,
        sizes={name: len(sample) for name, sample in of_source.items()},
        against_real=against_real,
        real_against_real=_between_sources(of_source, options.seed),
        loci=colour_loci(near, pooled),
        fixed=fixed_colours(_inner(near), _inner(pooled)),
        fixed_by_source={n: fixed_colours(_inner(near), _inner(s)) for n, s in of_source.items()},
        scatter=scatter,
        counts=compare_counts(mock, galaxies, redshifts, seed=options.seed),
        redshift_scores=scores,
        percentiles=percentiles,
        dispersions=dispersions,
        samples={"mock": near, **of_source},
    )


def write_figures(sky: Sky, folder: Path, *, text: str, command: str, twins: "Twins | None" = None) -> None:
    """Write `sky.json` and `sky.md`; figures of a model on twins under `twins`."""
    folder.mkdir(parents=True, exist_ok=True)
    document = {"command": command, **sky.as_dict()}
    if twins is not None:
        document["twins"] = _plain(twins)
    (folder / "sky.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (folder / "sky.md").write_text(text + "\n", encoding="utf-8")


def _sources(
    galaxies: RealGalaxies, redshifts: tuple[float, float], options: SkyOptions
) -> dict[str, Photometry]:
    """Sources with enough galaxies of five magnitudes, to the survey's limit."""
    rng = np.random.default_rng(options.seed)
    every = {name: galaxies.of(name).photometry() for name in galaxies.names()}
    near = {name: _cut(sample, MAIN_LIMIT, redshifts) for name, sample in every.items()}
    kept = {
        name: sample.take(rng.permutation(len(sample))[: options.limit])
        for name, sample in near.items()
        if len(_cut(sample, COMPLETE_LIMIT, redshifts)) >= FEWEST
    }
    if not kept:
        low, high = redshifts
        raise UsageError(
            "invalid-parameter",
            f"no source has {FEWEST} galaxies with ugriz, r < {COMPLETE_LIMIT} and {low} < z < {high}",
        )
    return kept


def _separations(mock: Photometry, real: Photometry, seed: int) -> dict[str, Separation]:
    """Mock against one source: whole, weighted, inner range, bins of redshift."""
    weighted = like_source(mock, real, seed=seed)
    pairs = {
        "": (mock, real),
        "weighted": (weighted, real),
        "0.05–0.15": (_inner(mock), _inner(real)),
        "0.05–0.15 weighted": (_inner(weighted), _inner(real)),
    }
    pairs |= {f"{low}–{high}": (_in(mock, (low, high)), _in(real, (low, high))) for low, high in _BINS}
    return _tests(pairs, seed)


def _between_sources(sources: Mapping[str, Photometry], seed: int) -> dict[str, dict[str, Separation]]:
    """Two sources against each other, as they are, and the halves of the largest one."""
    found = {
        f"{one} – {other}": _tests({"": (sources[one], sources[other])}, seed)
        for one, other in combinations(sources, 2)
    }
    if sources:
        largest = max(sources, key=lambda name: len(sources[name]))
        rows = np.random.default_rng(seed).permutation(len(sources[largest]))
        halves = [sources[largest].take(part) for part in np.array_split(rows, 2)]
        found[f"{largest}, halves"] = _tests({"": (halves[0], halves[1])}, seed)
    return found


def _tests(pairs: Mapping[str, tuple[Photometry, Photometry]], seed: int) -> dict[str, Separation]:
    found = {}
    for where, (first, second) in pairs.items():
        if min(len(first), len(second)) < FEWEST:
            continue
        for alone, name in ((False, "r, colours, z"), (True, "colours")):
            rows = features(first, colours_alone=alone), features(second, colours_alone=alone)
            found[f"{name} {where}".strip()] = separation(*rows, seed=seed)
    return found


def _redshift_scores(
    mock: Photometry, real: Photometry, redshifts: tuple[float, float], seed: int
) -> dict[str, RedshiftScore]:
    """Scores of one source; the inner range is cut out of the same predictions, by true redshift."""
    ways = {
        "learnt on mocks": learn(_cut(mock, MAIN_LIMIT, redshifts), real, seed=seed),
        "learnt on real": learn_across(real, seed=seed),
    }
    inner = (real.redshift > INNER_REDSHIFTS[0]) & (real.redshift < INNER_REDSHIFTS[1])
    scores = {}
    for way, quantiles in ways.items():
        scores[way] = score(real.redshift, quantiles)
        scores[f"{way}, 0.05–0.15"] = score(real.redshift, quantiles, inner)
    return scores


def _observed(
    real: Path | None, data: Path | None, galaxies: RealGalaxies, options: SkyOptions
) -> tuple[list[PercentileRow], list[DispersionRow]]:
    if options.measured == 0 or real is None:
        return [], []
    mocks = observe_mocks(options.seed, options.measured, data=data)
    percentiles = read_percentiles(real)
    rows = [] if percentiles is None else compare_percentiles(mocks, percentiles)
    return rows, compare_dispersions(mocks, real_dispersions(real, galaxies))


def _cut(sample: Photometry, r_limit: float, redshifts: tuple[float, float]) -> Photometry:
    return _in(sample.take(sample.r_mag < r_limit), redshifts)


def _in(sample: Photometry, redshifts: tuple[float, float]) -> Photometry:
    return sample.take((sample.redshift >= redshifts[0]) & (sample.redshift < redshifts[1]))


def _inner(sample: Photometry) -> Photometry:
    return _in(sample, INNER_REDSHIFTS)


def _overlap(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    return max(first[0], second[0]), min(first[1], second[1])


def _plain(value: Any) -> Any:
    """Dataclasses and mappings as dictionaries, numbers with five decimals."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if hasattr(value, "__dataclass_fields__"):
        return _plain(asdict(value))
    return round(value, 5) if isinstance(value, float) else value
