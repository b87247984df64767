"""Tests of calibration: PIT, simulation-based ranks, and the expected coverage of the joint posterior (TARP).

If the model draws from the true posterior, the truth is exchangeable with its samples. The rank of anything
computed from the truth among the same of the samples is then uniform, exactly and for any K; each test here
is a Kolmogorov–Smirnov test of that, over galaxies.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import kstest

from fiberless.arrays import FloatArray

__all__ = ["CURVE_LEVELS", "JointCalibration", "Uniformity", "joint_calibration", "pit", "tarp", "uniformity"]

_PIT_BINS: Final = 20
CURVE_LEVELS: Final = np.linspace(0.0, 1.0, 51)
"""Credibility levels at which the expected coverage is reported. (51,)"""


@dataclass(frozen=True)
class Uniformity:
    """How uniform ranks are.

    Parameters
    ----------
    n : galaxies
    mean : of the ranks; 0.5 if the model is not biased
    std : over that of the uniform distribution; below 1 if intervals are too wide, above if too narrow
    ks : Kolmogorov–Smirnov distance
    p_value : of that distance under uniformity
    histogram : counts in 20 equal bins

    """

    n: int
    mean: float
    std: float
    ks: float
    p_value: float
    histogram: tuple[int, ...]

    def as_dict(self) -> dict[str, Any]:
        """Rounded, for JSON."""
        return {
            "n": self.n,
            "mean": round(self.mean, 4),
            "std": round(self.std, 4),
            "ks": round(self.ks, 4),
            "p_value": float(f"{self.p_value:.3g}"),
            "histogram": list(self.histogram),
        }


@dataclass(frozen=True, eq=False)
class JointCalibration:
    """Calibration of the latent vector as a whole, and of each of its dimensions.

    Parameters
    ----------
    tarp : ranks of the distances to one random reference a galaxy
    expected_coverage : (51,) share of galaxies inside the region of each of `CURVE_LEVELS`, mean over
        several sets of references
    dimensions : ranks in each latent dimension
    score : ranks of the truth's contrastive score; the mean is 0.5 when trained, higher when under-trained
    """

    tarp: Uniformity
    expected_coverage: FloatArray
    dimensions: tuple[Uniformity, ...]
    score: Uniformity

    def as_dict(self) -> dict[str, Any]:
        """Rounded, for JSON; `smallest_p` is Bonferroni's over the dimensions."""
        smallest = min(dimension.p_value for dimension in self.dimensions)
        return {
            "tarp": self.tarp.as_dict(),
            "levels": CURVE_LEVELS.round(3).tolist(),
            "expected_coverage": np.round(self.expected_coverage, 4).tolist(),
            "dimensions": [dimension.as_dict() for dimension in self.dimensions],
            "smallest_p": float(f"{min(1.0, smallest * len(self.dimensions)):.3g}"),
            "score": self.score.as_dict(),
        }


def pit(truth: FloatArray, samples: FloatArray, *, seed: int = 0) -> FloatArray:
    """Probability integral transform (N,) of truths among (N, K) samples.

    The truth's rank among the finite samples, drawn evenly between the two neighbouring positions and among
    ties: (number below + u (number equal + 1)) / (K + 1), u uniform. Under calibration it is uniform on
    (0, 1) whatever K is, floors and atoms included.
    """
    u = np.random.default_rng(seed).uniform(size=len(truth))
    below = (samples < truth[:, None]).sum(axis=1)
    equal = (samples == truth[:, None]).sum(axis=1)
    values: FloatArray = (below + u * (equal + 1)) / (np.isfinite(samples).sum(axis=1) + 1)
    return values


def uniformity(ranks: FloatArray) -> Uniformity:
    """Test (N,) ranks in (0, 1) for uniformity; NaN are left out."""
    kept = ranks[np.isfinite(ranks)]
    result = kstest(kept, "uniform")
    return Uniformity(
        n=len(kept),
        mean=float(kept.mean()),
        std=float(kept.std() * np.sqrt(12)),
        ks=float(result.statistic),
        p_value=float(result.pvalue),
        histogram=tuple(np.histogram(kept, bins=_PIT_BINS, range=(0, 1))[0].tolist()),
    )


def tarp(truth: FloatArray, samples: FloatArray, *, seed: int = 0) -> FloatArray:
    """Rank (N,) of the truth's distance to a random reference among those of the samples.

    Tests of Accuracy with Random Points, algorithm 2 of Lemos et al. 2023 (arXiv 2302.03026), with Euclidean
    distance in the standardised latent and a reference drawn from the unit normal, the latent's own scale:
    independent of the truth, as the theorem asks. Sorted, these ranks are the expected-coverage curve.

    Parameters
    ----------
    truth : (N, D)
    samples : (N, K, D)

    """
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal(truth.shape).astype(samples.dtype)
    to_truth = np.linalg.norm(truth - reference, axis=-1)
    # galaxy by galaxy: the difference of all samples would be as large as the samples
    to_samples = np.stack([_distance(s, r) for s, r in zip(samples, reference, strict=True)])
    return pit(to_truth, to_samples, seed=int(rng.integers(2**31)))


def joint_calibration(
    truth: FloatArray,
    samples: FloatArray,
    *,
    true_score: FloatArray,
    scores: FloatArray,
    reference_sets: int = 10,
) -> JointCalibration:
    """Test latents: the joint distribution, each dimension, and the contrastive score.

    Parameters
    ----------
    truth : (N, D); a dimension that is NaN for any galaxy is left out
    samples : (N, K, D)
    true_score, scores : (N,) and (N, K) contrastive scores of truth and samples
    reference_sets : sets of references that the curve is averaged over; the test uses the first alone, since
        ranks of one galaxy with several references are not independent

    """
    known = np.isfinite(truth).all(axis=0)
    truth, samples = truth[:, known], samples[..., known]
    sets = [tarp(truth, samples, seed=seed) for seed in range(reference_sets)]
    below = [np.searchsorted(np.sort(ranks), CURVE_LEVELS, side="right") / len(ranks) for ranks in sets]
    return JointCalibration(
        tarp=uniformity(sets[0]),
        expected_coverage=np.mean(below, axis=0),
        dimensions=tuple(
            uniformity(pit(truth[:, d], samples[..., d], seed=d)) for d in range(truth.shape[1])
        ),
        score=uniformity(pit(true_score, scores)),
    )


def _distance(points: FloatArray, reference: FloatArray) -> FloatArray:
    distance: FloatArray = np.linalg.norm(points - reference, axis=-1)
    return distance
