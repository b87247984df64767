"""A model on twins of real galaxies, source by source, with the control that says what a twin costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.datasets.mock.survey import MAIN_LIMIT
from fiberless.datasets.mock_report.photometry import Photometry, with_catalogue_errors
from fiberless.errors import UsageError
from fiberless.evaluation.sky.photo_z import RedshiftScore, learn, learn_across, score
from fiberless.evaluation.sky.table import RealGalaxies
from fiberless.evaluation.sky.twin_classes import ClassScore, class_scores, magnitude_probabilities
from fiberless.evaluation.sky.twin_predictions import TwinPredictions, predict_twins
from fiberless.evaluation.sky.twin_scores import (
    GroupScore,
    OutsideScore,
    QuantityScore,
    group_scores,
    outside_score,
    quantity_scores,
    redshift_quantiles,
    shown_outside,
)
from fiberless.evaluation.sky.twins import (
    CataloguedGalaxies,
    Donors,
    Images,
    draw_donors,
    image_galaxies,
    image_twins,
    listed,
)
from fiberless.inference.predictor import Predictor

__all__ = ["SourceTwins", "TwinOptions", "Twins", "compare_twins"]

_FEWEST: Final = 30
_DONOR, _CONTROL, _TWIN = range(3)
_KNOWN_REDSHIFTS: Final = (0.005, 0.4)
Progress: TypeAlias = Callable[[str, int, int], None]


@dataclass(frozen=True)
class TwinOptions:
    """How much is asked of the model.

    Parameters
    ----------
    galaxies : twins of each source, drawn at random from those with r < 17.77
    candidates : a galaxy
    measured : galaxies of each source whose candidates' spectra are measured, about half a second each
    control : simulated galaxies in the control
    donors : simulated galaxies that lend their components
    seed : of everything

    """

    galaxies: int = 600
    candidates: int = 25
    measured: int = 60
    control: int = 300
    donors: int = 20_000
    seed: int = 14


@dataclass(frozen=True)
class SourceTwins:
    """Twins of one source's galaxies.

    Parameters
    ----------
    n, with_sizes : twins, and those whose catalogue has a size
    groups : redshifts by group of galaxies
    outside : galaxies beyond the promised redshifts
    quantities, classes : what else the catalogue has
    n_shown, shown_outside : galaxies whose spectra were measured; share of them whose shown redshift lies
        outside its own 68 % interval

    """

    n: int
    with_sizes: int
    groups: Mapping[str, GroupScore]
    outside: OutsideScore | None
    quantities: Mapping[str, QuantityScore]
    classes: Mapping[str, Mapping[str, ClassScore]]
    n_shown: int
    shown_outside: float


@dataclass(frozen=True)
class Twins:
    """All figures.

    Parameters
    ----------
    model : version
    candidates : a galaxy
    promised : redshifts that the model promises
    control : {how the image was made: score} of the same simulated galaxies
    sources : {source: figures}

    """

    model: str
    candidates: int
    promised: tuple[float, float]
    control: Mapping[str, RedshiftScore]
    sources: Mapping[str, SourceTwins]


def compare_twins(
    galaxies: RealGalaxies,
    predictor: Predictor,
    *,
    mocks: Photometry,
    options: TwinOptions,
    progress: Progress = lambda *_: None,
) -> Twins:
    """Run a model on twins of real galaxies.

    Parameters
    ----------
    mocks : simulated photometry with catalogue errors, which the fit to five magnitudes learns from

    Raises
    ------
    UsageError
        `invalid-parameter` if no source has 30 galaxies with five magnitudes and r < 17.77.

    """
    usable = {name: _usable(galaxies.of(name)) for name in galaxies.names()}
    enough = {name: table for name, table in usable.items() if len(table) >= _FEWEST}
    if not enough:
        raise UsageError(
            "invalid-parameter", f"no source has {_FEWEST} galaxies with ugriz and r < {MAIN_LIMIT}"
        )
    donors = draw_donors([options.seed, _DONOR], options.donors)
    learnt = mocks.take(mocks.r_mag < MAIN_LIMIT)
    sources = {}
    for done, (name, table) in enumerate(enough.items()):
        progress("twins", done, len(enough) + 1)
        sources[name] = _source_twins(table, predictor, donors, learnt, options)
    progress("twins", len(enough), len(enough) + 1)
    control = _control(predictor, donors, options)
    progress("twins", len(enough) + 1, len(enough) + 1)
    manifest = predictor.manifest
    return Twins(manifest.version, options.candidates, manifest.redshift_range, control, sources)


def _usable(galaxies: RealGalaxies) -> RealGalaxies:
    """Galaxies with five sound magnitudes, r < 17.77 and a known redshift."""
    z = galaxies.redshift
    is_known = (z > _KNOWN_REDSHIFTS[0]) & (z < _KNOWN_REDSHIFTS[1])
    return galaxies.take(galaxies.has_sound_colours() & (galaxies.magnitudes[:, 2] < MAIN_LIMIT) & is_known)


def _source_twins(
    table: RealGalaxies, predictor: Predictor, donors: Donors, mocks: Photometry, options: TwinOptions
) -> SourceTwins:
    # what five magnitudes tell, learnt on the whole source or on mocks
    every = Photometry(table.redshift, table.magnitudes)
    learnt_on_real = learn_across(every, seed=options.seed)
    classes = magnitude_probabilities(table, seed=options.seed)
    # twins of some of its galaxies; those too faint in the image for the model's promise are left out
    rng = np.random.default_rng([options.seed, _TWIN, len(table)])
    rows = rng.permutation(len(table))[: options.galaxies]
    predicted = _predict(predictor, image_twins(rng, _catalogue(table.take(rows)), donors), options)
    rows, predicted = rows[predicted.is_bright], predicted.take(predicted.is_bright)
    chosen = table.take(rows)
    promised = predictor.manifest.redshift_range
    photometric = {
        "learnt on mocks": learn(mocks, every.take(rows), seed=options.seed),
        "learnt on real": learnt_on_real[rows],
    }
    n_shown, outside_shown = shown_outside(predicted)
    return SourceTwins(
        n=len(rows),
        with_sizes=int(np.isfinite(chosen.r50_arcsec).sum()),
        groups=group_scores(chosen, predicted, photometric, promised=promised),
        outside=outside_score(chosen.redshift, predicted, promised),
        quantities=quantity_scores(chosen, predicted),
        classes=class_scores(chosen, predicted, {test: value[rows] for test, value in classes.items()}),
        n_shown=n_shown,
        shown_outside=outside_shown,
    )


def _catalogue(table: RealGalaxies) -> CataloguedGalaxies:
    return CataloguedGalaxies(table.magnitudes, table.r50_arcsec, table.axis_ratio, table.ebv)


def _predict(
    predictor: Predictor, images: Images, options: TwinOptions, *, measured: int | None = None
) -> TwinPredictions:
    return predict_twins(
        predictor,
        images,
        candidates=options.candidates,
        measured=options.measured if measured is None else measured,
        seed=options.seed,
    )


def _control(predictor: Predictor, donors: Donors, options: TwinOptions) -> dict[str, RedshiftScore]:
    """Simulated galaxies as they are, and as twins made of what a catalogue would list of them.

    All ways are scored on the galaxies whose own images are bright enough and inside the promised range.
    """
    rng = np.random.default_rng([options.seed, _CONTROL])
    galaxies = draw_donors([options.seed, _CONTROL], 4 * options.control)
    low, high = predictor.manifest.redshift_range
    z = galaxies.population.redshift
    inside = (galaxies.magnitudes()[:, 2] < MAIN_LIMIT) & (z > low) & (z < high)
    galaxies = galaxies.take(np.flatnonzero(inside)[: options.control])
    catalogue, true_ebv = listed(rng, galaxies)
    direct = _predict(predictor, image_galaxies(rng, galaxies, true_ebv), options, measured=0)
    kept, truth = direct.is_bright, galaxies.population.redshift
    found = {"their own images": score(truth, redshift_quantiles(direct.redshift), kept)}
    for way, table in _catalogues(catalogue, truth, options.seed).items():
        twins = _predict(predictor, image_twins(rng, table, donors), options, measured=0)
        found[way] = score(truth, redshift_quantiles(twins.redshift), kept)
    return found


def _catalogues(
    catalogue: CataloguedGalaxies, redshift: FloatArray, seed: int
) -> dict[str, CataloguedGalaxies]:
    """What a perfect catalogue lists, the same without sizes, and the same with the errors of a real one."""
    noisy = with_catalogue_errors(seed, Photometry(redshift, catalogue.magnitudes)).magnitudes
    blurred = CataloguedGalaxies(noisy, catalogue.r50_arcsec, catalogue.axis_ratio, catalogue.ebv)
    return {
        "twins": catalogue,
        "twins, sizes drawn": catalogue.without_shapes(),
        "twins, catalogue errors": blurred,
        "twins, catalogue errors, sizes drawn": blurred.without_shapes(),
    }
