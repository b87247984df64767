"""Fit of the chance that a drawn galaxy is kept: the ratio of real to simulated density of (z, r, colours).

Logistic regression of real against simulated galaxies on polynomial terms gives the logarithm of the ratio
(Sugiyama et al. 2012, Density Ratio Estimation, ch. 4). Needs scikit-learn (extra `train`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import Final

import numpy as np
from sklearn.linear_model import LogisticRegression

from fiberless.arrays import FloatArray
from fiberless.astro.bands import BANDS
from fiberless.astro.extinction import EXTINCTION_PER_EBV
from fiberless.datasets.mock.galaxies import selection_features
from fiberless.datasets.mock.hyperparameters import DensityRatio, Hyperparameters
from fiberless.datasets.mock_report.photometry import Photometry, draw_photometry, with_catalogue_errors
from fiberless.evaluation.sky.counts import COMPLETE_LIMIT, COMPLETE_SOURCE
from fiberless.evaluation.sky.mock_galaxies import WIDE_REDSHIFTS
from fiberless.evaluation.sky.population_fit import sky_cut
from fiberless.evaluation.sky.table import RealGalaxies

__all__ = ["complete_weights", "fit_selection"]

_DEGREE: Final = 3
_ROUNDS: Final = 2
_TOP: Final = 0.99
"""Share of the simulated galaxies whose ratio is below the one that is kept always."""
_REDSHIFT_EDGES: Final = np.linspace(0.02, 0.25, 24)
_R_EDGES: Final = np.array([14, 15, 15.7, 16.2, 16.6, 17, 17.2, 17.4, 17.6])
_FEWEST: Final = 3


@dataclass(frozen=True, eq=False)
class _Mocks:
    """Simulated galaxies as they are and as a catalogue lists them."""

    clean: Photometry
    listed: Photometry


def fit_selection(
    real: Photometry,
    weight: FloatArray,
    *,
    fit: Hyperparameters,
    seed: int,
    n: int,
    progress: Callable[[int, float], None] = lambda *_: None,
) -> Hyperparameters:
    """Hyperparameters with the selection that makes simulated galaxies as frequent as real ones.

    Parameters
    ----------
    real : galaxies inside `sky_cut`; weight : (N,) of each
    fit : hyperparameters whose selection is fitted anew
    seed, n : of the galaxies drawn; one in thirty is bright enough
    progress : called with the round and the share of galaxies kept

    """
    mocks = _draw(replace(fit, selection=None), seed, n)
    selection: DensityRatio | None = None
    kept: FloatArray = np.ones(len(mocks.clean))
    for turn in range(_ROUNDS):
        step = _ratio(mocks.listed, kept, real, weight)
        selection = step if selection is None else _product(selection, step)
        features = selection_features(mocks.clean.redshift, mocks.clean.magnitudes)
        top = float(np.quantile(selection.log_ratio(features), _TOP))
        selection = replace(selection, log_largest=top)
        kept = selection.chance(features)
        progress(turn, float(kept.mean()))
    return replace(fit, selection=selection)


def complete_weights(real: Photometry, galaxies: RealGalaxies) -> FloatArray:
    """Weights that give real galaxies the (z, r) of the sample complete to observed r = 17.6.

    All are one if the table does not have that sample.
    """
    complete = galaxies.of(COMPLETE_SOURCE)
    r_mag = complete.magnitudes[:, BANDS.index("r")]
    with np.errstate(invalid="ignore"):
        usable = r_mag + complete.ebv * EXTINCTION_PER_EBV[BANDS.index("r")] < COMPLETE_LIMIT
    if not usable.any():
        return np.ones(len(real))
    edges = [_REDSHIFT_EDGES, _R_EDGES]
    wanted, _, _ = np.histogram2d(complete.redshift[usable], r_mag[usable], edges)
    have, _, _ = np.histogram2d(real.redshift, real.r_mag, edges)
    row, column = (
        np.clip(np.searchsorted(edge, values, side="right") - 1, 0, len(edge) - 2)
        for edge, values in zip(edges, (real.redshift, real.r_mag), strict=True)
    )
    weight: FloatArray = (wanted / np.maximum(have, _FEWEST))[row, column]
    return weight


def _draw(fit: Hyperparameters, seed: int, n: int) -> _Mocks:
    """Galaxies inside the cut after errors."""
    clean = draw_photometry(seed, n, fit=fit, redshifts=WIDE_REDSHIFTS)
    clean = clean.take(clean.r_mag < _R_EDGES[-1] + 0.5)
    listed = with_catalogue_errors(seed, clean)
    inside = np.isin(listed.redshift, sky_cut(listed).redshift)
    return _Mocks(clean.take(inside), listed.take(inside))


def _ratio(mocks: Photometry, kept: FloatArray, real: Photometry, weight: FloatArray) -> DensityRatio:
    """Ln of the ratio of two weighted samples, as polynomial."""
    features = [selection_features(sample.redshift, sample.magnitudes) for sample in (mocks, real)]
    centre = np.average(features[1], axis=0, weights=weight)
    spread = np.sqrt(np.average((features[1] - centre) ** 2, axis=0, weights=weight))
    powers = _powers()
    blank = DensityRatio(tuple(centre.tolist()), tuple(spread.tolist()), powers, (0.0,) * len(powers), 0.0)
    terms = np.concatenate([blank.terms(part) for part in features])
    is_real = np.repeat([False, True], [len(mocks), len(real)])
    balance = np.concatenate([kept / kept.sum(), weight / weight.sum()]) * len(real)
    scale = np.maximum(terms.std(axis=0), 1e-9)
    scale[0] = 1.0
    model = LogisticRegression(max_iter=3000, fit_intercept=False)
    model.fit(terms / scale, is_real, sample_weight=balance)
    return replace(blank, weights=tuple((model.coef_[0] / scale).tolist()))


def _product(first: DensityRatio, second: DensityRatio) -> DensityRatio:
    """Both ratios one after the other; they share centre and spread, which are the real sample's."""
    weights = np.array(first.weights) + np.array(second.weights)
    return replace(first, weights=tuple(weights.tolist()))


def _powers() -> tuple[tuple[int, ...], ...]:
    """Exponents of all terms up to the third degree in six variables."""
    terms = [
        chosen for degree in range(_DEGREE + 1) for chosen in combinations_with_replacement(range(6), degree)
    ]
    return tuple(tuple(chosen.count(variable) for variable in range(6)) for chosen in terms)
