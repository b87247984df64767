"""What fewer evaluations of a network lose against many, drawn for the same galaxies from the same noise.

A figure's loss is how much worse it is than the reference's; its error is that of galaxies, by bootstrap, the
same ones for both. What the few and the many share, as the noise that they start from, is no part of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Self

import numpy as np

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.contract.properties import INTERVAL_LEVEL
from fiberless.evaluation.blocks import candidate_targets
from fiberless.evaluation.bootstrap import bootstrap_error
from fiberless.evaluation.metrics import crps_each, posterior_median, sample_quantiles, usable
from fiberless.evaluation.target_table import TargetTable
from fiberless.inference.family import Candidates

__all__ = [
    "COEFFICIENTS",
    "ELSE_WORSE",
    "QUANTITIES",
    "STD_EVERYWHERE",
    "STD_ON_AVERAGE",
    "QualityValues",
    "judge",
    "quality_values",
    "smallest",
]

STD_EVERYWHERE: Final = 0.07
STD_ON_AVERAGE: Final = 0.03
ELSE_WORSE: Final = 0.02
COEFFICIENTS: Final = 20
"""Leading directions in which a galaxy's candidates differ; of the latent family its dimensions besides."""
QUANTITIES: Final = ("redshift", "dn4000", "log_ew_Halpha")
LINE: Final = "log_flux_Halpha"
_LEAST_POWER: Final = 1e-6
"""Share of the widest direction's variance below which few galaxies and rounding decide."""
_LEAST_WIDTH: Final = 1e-6
_PIXELS: Final = 10
_RESAMPLES: Final = 200
_MAD_TO_SIGMA: Final = 1.4826


@dataclass(frozen=True, eq=False)
class QualityValues:
    """What is compared of K candidates of each of n galaxies.

    Parameters
    ----------
    targets : (n, K), of `QUANTITIES` and `LINE`
    ln_flux : (n, K, P) float32, every tenth pixel of ln F_λ on the observed grid
    latent : (n, K, D); D = 0 where the family has none

    """

    targets: TargetTable
    ln_flux: FloatArray
    latent: FloatArray

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Galaxies of several blocks one after another."""
        return cls(
            TargetTable.joined([part.targets for part in parts]),
            np.concatenate([part.ln_flux for part in parts]),
            np.concatenate([part.latent for part in parts]),
        )

    def to_arrays(self) -> Mapping[str, FloatArray]:
        """All arrays as a file has them."""
        return {**self.targets.to_arrays(), "ln_flux": self.ln_flux, "latent": self.latent}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> Self:
        """Invert `to_arrays`."""
        targets = {name: values for name, values in arrays.items() if name not in {"ln_flux", "latent"}}
        return cls(TargetTable.from_arrays(targets), arrays["ln_flux"], arrays["latent"])


def quality_values(drawn: Candidates) -> QualityValues:
    """Measure candidates and take what is compared of them."""
    targets = candidate_targets(drawn)
    ln_flux = drawn.ln_flux_observed()[..., ::_PIXELS].astype(np.float32)
    return QualityValues(targets.only((*QUANTITIES, LINE)), ln_flux, drawn.latent)


def judge(drawn: Mapping[int, QualityValues], truth: TargetTable) -> dict[str, Any]:
    """Hold every number of evaluations against the largest.

    Parameters
    ----------
    drawn : {evaluations: `quality_values` of n galaxies}
    truth : of n galaxies, `QUANTITIES` at least

    Returns
    -------
    dict
        {evaluations: row}; a row has `figures` {name: {value, loss, error, limit}}, `passes` where no loss
        exceeds its limit, and `undecided`: figures whose loss is within an error of the limit.

    """
    reference = max(drawn)
    known = np.all([np.isfinite(values.ln_flux).all(axis=(0, 1)) for values in drawn.values()], axis=0)
    axes = _axes(drawn[reference].ln_flux, known)
    many = _Galaxies.of(drawn[reference], truth, axes)
    return {
        str(count): _row(many if count == reference else _Galaxies.of(values, truth, axes), many)
        for count, values in sorted(drawn.items())
    }


def smallest(rows: Mapping[str, Mapping[str, Any]]) -> int | None:
    """Fewest evaluations that pass and after which all pass."""
    good = None
    for count in sorted((int(count) for count in rows), reverse=True):
        if not rows[str(count)]["passes"]:
            break
        good = count
    return good


@dataclass(frozen=True, eq=False)
class _Galaxies:
    """What of each of n galaxies enters the figures.

    Parameters
    ----------
    variance : (n, M) of the candidates along coefficients
    line_variance : (n,) of lg flux(Hα)
    accuracy : of each quantity
    """

    variance: FloatArray
    line_variance: FloatArray
    accuracy: Mapping[str, "_Accuracy"]

    @classmethod
    def of(cls, values: QualityValues, truth: TargetTable, axes: FloatArray) -> "_Galaxies":
        spread = np.concatenate([np.nan_to_num(values.ln_flux) @ axes.T, values.latent], axis=-1)
        return cls(
            variance=spread.var(axis=1, ddof=1),
            line_variance=_variance(values.targets[LINE]),
            accuracy={name: _accuracy(name, truth[name], values.targets[name]) for name in QUANTITIES},
        )


class _Accuracy(NamedTuple):
    """How well one quantity of each of n galaxies is predicted; NaN where too few candidates have it."""

    error: FloatArray
    """(n,) of the median, in z over 1 + z"""
    crps: FloatArray
    """(n,)"""
    inside: FloatArray
    """(n,) 1 where the 68 % interval covers the truth, else 0"""


def _accuracy(name: str, truth: FloatArray, samples: FloatArray) -> _Accuracy:
    kept = usable(truth, samples)
    found = _Accuracy(*(np.full(len(truth), np.nan) for _ in _Accuracy._fields))
    true, drawn = truth[kept], samples[kept]
    low, high = (sample_quantiles(drawn, (1 + side * INTERVAL_LEVEL) / 2) for side in (-1, 1))
    scale = 1 + true if name == "redshift" else 1.0
    found.error[kept] = (posterior_median(drawn) - true) / scale
    found.crps[kept] = crps_each(true, drawn)
    found.inside[kept] = (true >= low) & (true <= high)
    return found


def _row(few: _Galaxies, many: _Galaxies) -> dict[str, Any]:
    everyone = np.arange(len(few.variance))
    loss, value, error = _losses(few, many, everyone), _values(few, many, everyone), _errors(few, many)
    figures = {
        name: {
            "value": round(value[name], 5),
            "loss": round(loss[name], 5),
            "error": round(error[name], 5),
            "limit": _limit(name),
        }
        for name in loss
    }
    return {
        "figures": figures,
        "passes": all(told["loss"] <= told["limit"] for told in figures.values()),
        "undecided": [
            name for name, told in figures.items() if abs(told["loss"] - told["limit"]) < told["error"]
        ],
    }


def _errors(few: _Galaxies, many: _Galaxies) -> dict[str, float]:
    """Standard error of each loss; the reference against itself has none."""
    names = list(_losses(few, many, np.arange(len(few.variance))))
    if few is many:
        return dict.fromkeys(names, 0.0)
    error = bootstrap_error(
        lambda rows: np.array(list(_losses(few, many, rows).values())),
        len(few.variance),
        resamples=_RESAMPLES,
    )
    return dict(zip(names, error.tolist(), strict=True))


def _limit(name: str) -> float:
    return {"std_everywhere": STD_EVERYWHERE, "std_on_average": STD_ON_AVERAGE}.get(name, ELSE_WORSE)


def _losses(few: _Galaxies, many: _Galaxies, rows: IntArray) -> dict[str, float]:
    """How much worse the few are: of widths their distance from one, of others the relative growth."""
    ratio = _ratio(few.variance, many.variance, rows)
    losses = {
        "std_everywhere": float(np.abs(ratio - 1).max()),
        "std_on_average": float(np.abs(ratio - 1).mean()),
        "line_std": abs(float(_ratio(few.line_variance, many.line_variance, rows)) - 1),
    }
    for name, (ours, theirs) in _scored(few, many, rows).items():
        losses[name] = ours / theirs - 1 if theirs else float("nan")  # one galaxy alone, drawn again
    for name in QUANTITIES:
        away = [abs(float(np.nanmean(of.accuracy[name].inside[rows])) - INTERVAL_LEVEL) for of in (few, many)]
        losses[f"{name}_coverage_68"] = away[0] - away[1]
    return losses


def _values(few: _Galaxies, many: _Galaxies, rows: IntArray) -> dict[str, float]:
    """The figures themselves; of widths the ratio to the reference's that is furthest off."""
    ratio = _ratio(few.variance, many.variance, rows)
    return {
        "std_everywhere": float(ratio[np.abs(ratio - 1).argmax()]),
        "std_on_average": float(ratio.mean()),
        "line_std": float(_ratio(few.line_variance, many.line_variance, rows)),
        **{name: ours for name, (ours, _) in _scored(few, many, rows).items()},
        **{f"{name}_coverage_68": float(np.nanmean(few.accuracy[name].inside[rows])) for name in QUANTITIES},
    }


def _scored(few: _Galaxies, many: _Galaxies, rows: IntArray) -> dict[str, tuple[float, float]]:
    """Figures that are better smaller, of both."""
    found = {}
    for name in QUANTITIES:
        ours, theirs = few.accuracy[name], many.accuracy[name]
        found[f"{name}_crps"] = _of_both(ours.crps, theirs.crps, rows, np.nanmean)
        scatter = "photo_z_nmad" if name == "redshift" else f"{name}_scatter"
        found[scatter] = _of_both(ours.error, theirs.error, rows, _nmad)
    return found


def _of_both(
    few: FloatArray, many: FloatArray, rows: IntArray, figure: Callable[[FloatArray], Any]
) -> tuple[float, float]:
    return float(figure(few[rows])), float(figure(many[rows]))


def _nmad(error: FloatArray) -> float:
    return float(_MAD_TO_SIGMA * np.nanmedian(np.abs(error - np.nanmedian(error))))


def _ratio(few: FloatArray, many: FloatArray, rows: IntArray) -> FloatArray:
    """Ratio of widths, its geometric mean over galaxies: each counts the same, however wide.

    Pooled variances are those of the widest: a single candidate for an extreme starburst once had half of
    the variance of 400 galaxies in the leading direction, and decided alone.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        half_ln = np.log(few[rows] / many[rows]) / 2
    ratio: FloatArray = np.exp(np.nanmean(np.where(np.isfinite(half_ln), half_ln, np.nan), axis=0))
    return ratio


def _axes(ln_flux: FloatArray, known: BoolArray) -> FloatArray:
    """Leading directions (M, P) in which candidates (n, K, P) of a galaxy differ; 0 where not known (P,).

    Galaxies are brought to one width before: the widest ones would be all that the directions show.
    """
    # differences from each galaxy's mean, all galaxies of one width
    away = np.where(known, ln_flux - ln_flux.mean(axis=1, keepdims=True), 0)
    width = np.sqrt((away**2).mean(axis=(1, 2), keepdims=True))
    away = (away / np.maximum(width, _LEAST_WIDTH)).reshape(-1, len(known))
    # leading eigenvectors of their covariance
    power, vectors = np.linalg.eigh((away.T @ away).astype(np.float64))
    axes: FloatArray = vectors.T[power > _LEAST_POWER * power.max()][::-1][:COEFFICIENTS]
    return axes


def _variance(samples: FloatArray) -> FloatArray:
    """Variance (n,) of the finite ones among (n, K) samples; NaN where there are not two."""
    finite = np.isfinite(samples)
    count = finite.sum(axis=1)
    mean = np.where(finite, samples, 0).sum(axis=1) / np.maximum(count, 1)
    squares = np.where(finite, (samples - mean[:, None]) ** 2, 0).sum(axis=1)
    return np.where(count > 1, squares / np.maximum(count - 1, 1), np.nan)
