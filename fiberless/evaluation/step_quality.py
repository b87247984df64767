"""What fewer evaluations of a network lose against many, drawn for the same galaxies from the same noise.

A figure's loss is how much worse it is than the reference's; its error is that of galaxies, by bootstrap, the
same ones for both. What the few and the many share, as the noise that they start from, is no part of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from fiberless.arrays import BoolArray, FloatArray, IntArray
from fiberless.evaluation.blocks import candidate_targets
from fiberless.evaluation.bootstrap import bootstrap_error
from fiberless.evaluation.metrics import crps_each, posterior_median, sample_quantiles, usable
from fiberless.inference.family import Candidates

__all__ = [
    "COEFFICIENTS",
    "ELSE_WORSE",
    "QUANTITIES",
    "STD_EVERYWHERE",
    "STD_ON_AVERAGE",
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
_LEVEL: Final = 0.68
_RESAMPLES: Final = 200
_MAD_TO_SIGMA: Final = 1.4826
Figures = dict[str, FloatArray]


def quality_values(drawn: Candidates) -> dict[str, FloatArray]:
    """What is compared: quantities (B, K), every tenth pixel of ln F (B, K, 450), and latents if any."""
    targets = candidate_targets(drawn)
    values = {name: targets[name] for name in (*QUANTITIES, LINE)}
    values["ln_flux"] = drawn.ln_flux_observed()[..., ::_PIXELS].astype(np.float32)
    return values | ({"latent": drawn.latent} if drawn.latent.size else {})


def judge(drawn: Mapping[int, Mapping[str, FloatArray]], truth: Mapping[str, FloatArray]) -> dict[str, Any]:
    """Hold every number of evaluations against the largest.

    Parameters
    ----------
    drawn : {evaluations: `quality_values` of n galaxies}
    truth : {name: (n,)} of `QUANTITIES`

    Returns
    -------
    dict
        {evaluations: row}; a row has `figures` {name: {value, loss, error, limit}}, `passes` where no loss
        exceeds its limit, and `undecided`: figures whose loss is within an error of the limit.

    """
    reference = max(drawn)
    known = np.all([np.isfinite(values["ln_flux"]).all(axis=(0, 1)) for values in drawn.values()], axis=0)
    axes = _axes(drawn[reference]["ln_flux"], known)
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
    error : {quantity: (n,)} of the median, in z over 1 + z; NaN where there is none
    crps, inside : {quantity: (n,)} CRPS, and whether the 68 % interval covers the truth
    """

    variance: FloatArray
    line_variance: FloatArray
    error: Figures
    crps: Figures
    inside: Figures

    @classmethod
    def of(
        cls, values: Mapping[str, FloatArray], truth: Mapping[str, FloatArray], axes: FloatArray
    ) -> "_Galaxies":
        spread = np.nan_to_num(values["ln_flux"]) @ axes.T
        spread = np.concatenate([spread, values["latent"]], axis=-1) if "latent" in values else spread
        told = {name: _told(name, truth[name], values[name]) for name in QUANTITIES}
        return cls(
            variance=spread.var(axis=1, ddof=1),
            line_variance=_variance(values[LINE]),
            **{key: {name: row[key] for name, row in told.items()} for key in ("error", "crps", "inside")},
        )


def _told(name: str, truth: FloatArray, samples: FloatArray) -> Figures:
    """Error of the median, CRPS and coverage of each galaxy (n,); NaN where too few candidates tell."""
    kept = usable(truth, samples)
    found = {key: np.full(len(truth), np.nan) for key in ("error", "crps", "inside")}
    true, drawn = truth[kept], samples[kept]
    low, high = (sample_quantiles(drawn, (1 + side * _LEVEL) / 2) for side in (-1, 1))
    scale = 1 + true if name == "redshift" else 1.0
    found["error"][kept] = (posterior_median(drawn) - true) / scale
    found["crps"][kept] = crps_each(true, drawn)
    found["inside"][kept] = (true >= low) & (true <= high)
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
        away = [abs(float(np.nanmean(of.inside[name][rows])) - _LEVEL) for of in (few, many)]
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
        **{f"{name}_coverage_68": float(np.nanmean(few.inside[name][rows])) for name in QUANTITIES},
    }


def _scored(few: _Galaxies, many: _Galaxies, rows: IntArray) -> dict[str, tuple[float, float]]:
    """Figures that are better smaller, of both."""
    found = {}
    for name in QUANTITIES:
        found[f"{name}_crps"] = _of_both(few.crps[name], many.crps[name], rows, np.nanmean)
        scatter = "photo_z_nmad" if name == "redshift" else f"{name}_scatter"
        found[scatter] = _of_both(few.error[name], many.error[name], rows, _nmad)
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
    away = np.where(known, ln_flux - ln_flux.mean(axis=1, keepdims=True), 0)
    width = np.sqrt((away**2).mean(axis=(1, 2), keepdims=True))
    away = (away / np.maximum(width, _LEAST_WIDTH)).reshape(-1, len(known))
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
