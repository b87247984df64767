"""Catalogue photometry of simulated galaxies, as a survey would list it: with errors, cut in r."""

from pathlib import Path
from typing import Final

import numpy as np

from fiberless.datasets.mock_report.photometry import (
    Photometry,
    draw_photometry,
    observed_photometry,
    with_catalogue_errors,
)
from fiberless.datasets.shards import ShardSet

__all__ = ["catalogue_mocks", "join"]

_DEEPEST: Final = 18.2
"""Faintest r kept, beyond every cut by more than the errors."""
_BATCH: Final = 10_000


def catalogue_mocks(seed: int, n: int, *, data: Path | None = None) -> Photometry:
    """Magnitudes with catalogue errors of n simulated galaxies with r < 18.2.

    Parameters
    ----------
    seed : of the galaxies, and of the errors
    n : galaxies wanted
    data : simulated data set to take them from; none: drawn afresh, half a millisecond each

    """
    clean = _from_data_set(data, n) if data is not None else _drawn(seed, n)
    return with_catalogue_errors(seed, clean)


def join(parts: list[Photometry]) -> Photometry:
    """Several samples as one."""
    redshift = np.concatenate([part.redshift for part in parts])
    return Photometry(redshift, np.concatenate([part.magnitudes for part in parts]))


def _drawn(seed: int, n: int) -> Photometry:
    parts: list[Photometry] = []
    while sum(map(len, parts)) < n:
        state = np.random.SeedSequence([seed, len(parts)]).generate_state(1)[0]
        parts.append(_bright(draw_photometry(int(state), _BATCH)))
    return join(parts).take(np.arange(n))


def _from_data_set(data: Path, n: int) -> Photometry:
    found = _bright(observed_photometry(ShardSet(data)))
    return found.take(np.arange(min(n, len(found))))


def _bright(sample: Photometry) -> Photometry:
    return sample.take(np.isfinite(sample.magnitudes).all(axis=1) & (sample.r_mag < _DEEPEST))
