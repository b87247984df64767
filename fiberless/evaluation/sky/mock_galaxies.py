"""Catalogue photometry of simulated galaxies, as a survey would list it: with errors, cut in r."""

from pathlib import Path
from typing import Final

import numpy as np

from fiberless.contract.manifest import TRAINED_REDSHIFT
from fiberless.datasets.mock.hyperparameters import Hyperparameters
from fiberless.datasets.mock_report.photometry import (
    Photometry,
    draw_photometry,
    observed_photometry,
    with_catalogue_errors,
)
from fiberless.datasets.shards import ShardSet

__all__ = ["WIDE_REDSHIFTS", "catalogue_mocks", "join"]

WIDE_REDSHIFTS: Final = (0.005, 0.30)
"""Redshifts drawn of a population that is not bound to those of a data set."""
_DEEPEST: Final = 18.2
"""Faintest r kept, beyond every cut by more than the errors."""
_BATCH: Final = 10_000


def catalogue_mocks(
    seed: int, n: int, *, data: Path | None = None, population: Hyperparameters | None = None
) -> Photometry:
    """Magnitudes with catalogue errors of n simulated galaxies with r < 18.2.

    Parameters
    ----------
    seed : of the galaxies, and of the errors
    n : galaxies wanted
    data : simulated data set to take them from; none: drawn afresh, a millisecond each
    population : hyperparameters to draw from, at `WIDE_REDSHIFTS`; none: those of data sets, at theirs

    """
    clean = _from_data_set(data, n) if data is not None else _drawn(seed, n, population)
    return with_catalogue_errors(seed, clean)


def join(parts: list[Photometry]) -> Photometry:
    """Several samples as one."""
    redshift = np.concatenate([part.redshift for part in parts])
    return Photometry(redshift, np.concatenate([part.magnitudes for part in parts]))


def _drawn(seed: int, n: int, population: Hyperparameters | None) -> Photometry:
    redshifts = TRAINED_REDSHIFT if population is None else WIDE_REDSHIFTS
    parts: list[Photometry] = []
    while sum(map(len, parts)) < n:
        state = np.random.SeedSequence([seed, len(parts)]).generate_state(1)[0]
        drawn = draw_photometry(int(state), _BATCH, fit=population, redshifts=redshifts)
        parts.append(_bright(drawn))
    return join(parts).take(np.arange(n))


def _from_data_set(data: Path, n: int) -> Photometry:
    found = _bright(observed_photometry(ShardSet(data)))
    return found.take(np.arange(min(n, len(found))))


def _bright(sample: Photometry) -> Photometry:
    return sample.take(np.isfinite(sample.magnitudes).all(axis=1) & (sample.r_mag < _DEEPEST))
