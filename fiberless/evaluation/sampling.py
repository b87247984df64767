"""Draws candidates for all test galaxies and keeps of them what the scores need, never all spectra."""

import copy
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.evaluation.pairs import HeldOut, Progress, measure_many
from fiberless.evaluation.target_table import TargetTable
from fiberless.evaluation.targets import SPECTRAL_TARGETS
from fiberless.inference.cascade import CascadeFamily
from fiberless.inference.family import Candidates, Family
from fiberless.inference.latent import LatentFamily
from fiberless.inference.physical import PHYSICAL_NAMES
from fiberless.inference.sampler import Seeds

__all__ = ["EvaluatedCandidates", "draw_candidates", "in_half_precision", "seeds_of"]

_BLOCK: Final = 50
_HALVED: Final = {LatentFamily: ("denoiser",), CascadeFamily: ("low", "high")}
"""Networks of each family that are run at every step."""
_Family = TypeVar("_Family", bound=Family)


@dataclass(frozen=True, eq=False)
class EvaluatedCandidates:
    """K candidates of each of n galaxies, measured and compared with the truth.

    Parameters
    ----------
    candidates : of n galaxies, without their spectra
    targets : (n, K) or (n, M); what is measured on spectra, classes too, is of the first M alone
    residual_medoid, residual_candidate : (n, 3902) float16, ln predicted − ln true F_λ in the rest frame of
        each, of the medoid and of the first candidate

    """

    candidates: Candidates
    targets: TargetTable
    residual_medoid: FloatArray
    residual_candidate: FloatArray


def draw_candidates(
    family: LatentFamily,
    pairs: HeldOut,
    *,
    steps: int,
    n_candidates: int,
    n_measured: int,
    progress: Progress,
) -> EvaluatedCandidates:
    """Draw K = `n_candidates` for each galaxy; measure the spectra of the first M = `n_measured`."""
    parts: list[EvaluatedCandidates] = []
    total = len(pairs.conditions)
    for start in range(0, total, _BLOCK):
        block = pairs.conditions[start : start + _BLOCK]
        drawn = family.candidates(block, seeds_of(start, len(block)), n=n_candidates, steps=steps)
        parts.append(_evaluated(drawn, pairs.ln_flux_rest[start : start + _BLOCK], n_measured))
        progress("candidates", min(start + _BLOCK, total), total)
    return EvaluatedCandidates(
        candidates=Candidates.joined([part.candidates for part in parts]),
        targets=TargetTable.joined([part.targets for part in parts]),
        residual_medoid=np.concatenate([part.residual_medoid for part in parts]),
        residual_candidate=np.concatenate([part.residual_candidate for part in parts]),
    )


def seeds_of(start: int, count: int) -> Seeds:
    """Seeds of some held-out galaxies, from their places among all: the same for every family."""
    return [(0, f"evaluation-{start + i}") for i in range(count)]


def in_half_precision(family: _Family) -> _Family:
    """The same family with the networks that draw in bfloat16, which they were trained in.

    Samples of the latent family change by about 0.2 % of σ.
    """
    halved = {name: copy.deepcopy(getattr(family, name)).bfloat16() for name in _HALVED[type(family)]}
    return replace(family, **halved)


def _evaluated(drawn: Candidates, ln_true: FloatArray, n_measured: int) -> EvaluatedCandidates:
    rows = np.arange(len(ln_true))
    spectra, redshift = drawn.ln_flux[:, :n_measured], drawn.redshift[:, :n_measured]
    measured = measure_many(spectra.reshape(-1, spectra.shape[-1]), redshift.reshape(-1))
    columns = np.moveaxis(drawn.physical, -1, 0)
    physical = dict(zip(PHYSICAL_NAMES, columns, strict=True)) if len(columns) else {}
    targets = measured.reshape(len(rows), -1).only(SPECTRAL_TARGETS)
    return EvaluatedCandidates(
        candidates=drawn.without_spectra(),
        targets=targets.also({"redshift": drawn.redshift, **physical}),
        residual_medoid=(drawn.ln_flux[rows, drawn.medoid] - ln_true).astype(np.float16),
        residual_candidate=(drawn.ln_flux[:, 0] - ln_true).astype(np.float16),
    )
