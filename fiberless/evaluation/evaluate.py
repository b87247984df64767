"""Evaluates a model on a held-out data set, beside baselines trained on the same pairs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch

from fiberless.arrays import BoolArray, FloatArray
from fiberless.datasets.mock.survey import MAIN_LIMIT
from fiberless.datasets.shards import ShardSet
from fiberless.evaluation.baselines import constant_baseline, mlp_baseline, neighbour_baseline
from fiberless.evaluation.metrics import Score, point_score, posterior_score
from fiberless.evaluation.targets import TARGETS, measure_targets
from fiberless.inference.basis import amplitude
from fiberless.inference.conditioning import Conditions, conditions_of
from fiberless.inference.latent import LatentFamily

__all__ = ["Evaluation", "evaluate"]

_BLOCK: Final = 50
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores by method and target, and the retrieval of the contrast.

    Parameters
    ----------
    scores : {method: {target: Score}}, methods `model`, `mlp`, `neighbours`, `constant`
    retrieval : top-1 share and median rank of the true latent among all held-out ones
    choice : RMSE in z and Dn4000 of ways to choose from K candidates, relative to a random one
    n, n_candidates : galaxies and candidates a galaxy
    """

    scores: dict[str, dict[str, Score]]
    retrieval: dict[str, float]
    choice: dict[str, dict[str, float]]
    n: int
    n_candidates: int

    def as_dict(self) -> dict[str, Any]:
        """Everything, rounded, for JSON."""
        return {
            "n": self.n,
            "n_candidates": self.n_candidates,
            "retrieval": self.retrieval,
            "choice": self.choice,
            "scores": {
                method: {name: score.rounded() for name, score in table.items()}
                for method, table in self.scores.items()
            },
        }


@dataclass(frozen=True, eq=False)
class _Sampled:
    """Candidates of all test galaxies: targets (n, K), positions of shown candidates (n,)."""

    targets: dict[str, FloatArray]
    medoid: FloatArray
    best: FloatArray


def evaluate(
    family: LatentFamily,
    test: ShardSet,
    train: ShardSet,
    *,
    steps: int,
    n_candidates: int = 50,
    limit: int | None = None,
    baseline_rows: int = 40_000,
    progress: Progress,
) -> Evaluation:
    """Score a model on the galaxies of a test set that lie in the promised range of magnitude.

    Parameters
    ----------
    test : held-out pairs, of another seed than those trained on
    train : pairs that baselines are trained on
    steps, n_candidates : of the sampler
    limit : test galaxies used, all by default
    baseline_rows : training galaxies that baselines see

    """
    kept = test.truth("r_mag", limit=limit) < MAIN_LIMIT
    conditions = conditions_of(test.column("image", limit=limit)[kept].astype(np.float32))
    truth = _true_targets(test, kept, limit, progress, "truth")
    sampled = _sample(family, conditions, steps=steps, n_candidates=n_candidates, progress=progress)
    scores = {"model": {name: posterior_score(truth[name], sampled.targets[name]) for name in TARGETS}}
    scores |= _baselines(train, conditions.photometry, truth, baseline_rows, progress)
    return Evaluation(
        scores=scores,
        retrieval=_retrieval(family, conditions, _true_latents(family, test, conditions, kept, limit)),
        choice={name: _choice(truth[name], sampled, name) for name in ("redshift", "dn4000")},
        n=int(kept.sum()),
        n_candidates=n_candidates,
    )


def _true_targets(
    data: ShardSet, kept: BoolArray, limit: int | None, progress: Progress, stage: str
) -> dict[str, FloatArray]:
    """Targets measured on noiseless true spectra. {target: (n,)}"""
    shape = data.column("ln_shape", limit=limit)[kept]
    norm = data.truth("ln_norm", limit=limit)[kept].astype(np.float32)
    redshift = data.truth("redshift", limit=limit)[kept]
    parts = []
    for start in range(0, len(shape), 500):
        rows = slice(start, start + 500)
        parts.append(measure_targets(shape[rows] + norm[rows, None], redshift[rows]))
        progress(stage, min(start + 500, len(shape)), len(shape))
    return {name: np.concatenate([part[name] for part in parts]) for name in TARGETS}


def _sample(
    family: LatentFamily, conditions: Conditions, *, steps: int, n_candidates: int, progress: Progress
) -> _Sampled:
    targets: dict[str, list[FloatArray]] = {name: [] for name in TARGETS}
    medoid, best = [], []
    for start in range(0, len(conditions), _BLOCK):
        block = conditions[start : start + _BLOCK]
        seeds = [(0, f"evaluation-{start + i}") for i in range(len(block))]
        drawn = family.candidates(block, seeds, n=n_candidates, steps=steps)
        flat = drawn.ln_flux_rest.reshape(-1, drawn.ln_flux_rest.shape[-1])
        values = measure_targets(flat, drawn.redshift.reshape(-1))
        for name in TARGETS:
            targets[name].append(values[name].reshape(len(block), -1))
        medoid.append(drawn.medoid)
        best.append(drawn.score.argmax(axis=1))
        progress("candidates", min(start + _BLOCK, len(conditions)), len(conditions))
    return _Sampled(
        targets={name: np.concatenate(parts) for name, parts in targets.items()},
        medoid=np.concatenate(medoid),
        best=np.concatenate(best),
    )


def _baselines(
    train: ShardSet, test_photometry: FloatArray, truth: dict[str, FloatArray], rows: int, progress: Progress
) -> dict[str, dict[str, Score]]:
    everything = np.ones(min(rows, len(train)), bool)
    targets = _true_targets(train, everything, rows, progress, "baseline targets")
    table = np.stack([targets[name] for name in TARGETS], axis=1)
    photometry = _photometry(train, rows)
    estimates = {
        "mlp": mlp_baseline(photometry, table, test_photometry),
        "neighbours": neighbour_baseline(photometry, table, test_photometry),
        "constant": constant_baseline(table, len(test_photometry)),
    }
    return {
        method: {name: point_score(truth[name], values[:, i]) for i, name in enumerate(TARGETS)}
        for method, values in estimates.items()
    }


def _photometry(data: ShardSet, rows: int) -> FloatArray:
    parts: list[FloatArray] = []
    for shard in data.shards():
        parts.append(conditions_of(shard["image"].astype(np.float32)).photometry)
        if sum(map(len, parts)) >= rows:
            break
    return np.concatenate(parts)[:rows]


def _true_latents(
    family: LatentFamily, data: ShardSet, conditions: Conditions, kept: BoolArray, limit: int | None
) -> FloatArray:
    """Latents of the true spectra. (n, D)"""
    basis = family.basis
    whitened = basis.whiten(basis.encode(data.column("ln_shape", limit=limit)[kept]))
    level = amplitude(data.truth("ln_norm", limit=limit)[kept], conditions.r_aperture_nmgy)
    return family.latent_scaler.to_latent(data.truth("redshift", limit=limit)[kept], level, whitened)


def _retrieval(family: LatentFamily, conditions: Conditions, latents: FloatArray) -> dict[str, float]:
    """Among up to 2,000 held-out spectra, where each image's own one ranks by contrastive score."""
    n = min(2000, len(latents))
    embedding = torch.cat([family.embed(conditions[i : min(i + 200, n)]) for i in range(0, n, 200)])
    everyone = torch.from_numpy(latents[:n])[None]
    score = torch.cat([family.score(one[None], everyone) for one in embedding])
    rank = (score > score.diagonal()[:, None]).sum(dim=1) + 1
    return {
        "n": n,
        "top_1": round(float((rank == 1).float().mean()), 4),
        "median_rank": float(rank.float().median()),
    }


def _choice(truth: FloatArray, sampled: _Sampled, name: str) -> dict[str, float]:
    """RMSE of medoid, best contrastive score and median over K, over that of a random candidate."""
    measured = np.isfinite(truth) & np.isfinite(sampled.targets[name]).any(axis=1)
    samples, truth = sampled.targets[name][measured], truth[measured]
    rows = np.arange(len(truth))
    random = np.sqrt(np.nanmean((samples - truth[:, None]) ** 2))
    ways = {
        "medoid": samples[rows, sampled.medoid[measured]],
        "contrastive": samples[rows, sampled.best[measured]],
        "median": np.nanmedian(samples, axis=1),
    }
    return {way: round(float(np.sqrt(np.nanmean((v - truth) ** 2)) / random), 3) for way, v in ways.items()}
