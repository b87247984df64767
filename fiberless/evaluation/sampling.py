"""Draws candidates for all test galaxies and keeps of them what the scores need, never all spectra."""

import copy
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np

from fiberless.arrays import FloatArray, IntArray
from fiberless.evaluation.pairs import HeldOut, Progress, measure_many
from fiberless.evaluation.targets import CLASS, SPECTRAL_TARGETS
from fiberless.inference.cascade import CascadeFamily
from fiberless.inference.family import Candidates, Family
from fiberless.inference.latent import LatentFamily
from fiberless.inference.physical import PHYSICAL_NAMES
from fiberless.inference.sampler import Seeds

__all__ = ["Drawn", "draw_candidates", "in_half_precision", "seeds_of"]

_BLOCK: Final = 50
_HALVED: Final = {LatentFamily: ("denoiser",), CascadeFamily: ("low", "high")}
"""Networks of each family that are run at every step."""
_Family = TypeVar("_Family", bound=Family)


@dataclass(frozen=True, eq=False)
class Drawn:
    """K candidates of each of n galaxies.

    Parameters
    ----------
    targets : {target: (n, K) or (n, M)}; quantities that are measured on spectra have the first M alone
    classes : (n, M) `BptClass`
    latent : (n, K, D)
    score : (n, K) contrastive scores
    medoid : (n,) of the K
    residual_medoid, residual_candidate : (n, 3902) float16, ln predicted − ln true F_λ in the rest frame of
        each, of the medoid and of the first candidate

    """

    targets: dict[str, FloatArray]
    classes: FloatArray
    latent: FloatArray
    score: FloatArray
    medoid: IntArray
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
) -> Drawn:
    """Draw K = `n_candidates` for each galaxy; measure the spectra of the first M = `n_measured`."""
    parts: list[Drawn] = []
    total = len(pairs.conditions)
    for start in range(0, total, _BLOCK):
        block = pairs.conditions[start : start + _BLOCK]
        drawn = family.candidates(block, seeds_of(start, len(block)), n=n_candidates, steps=steps)
        parts.append(_reduced(drawn, pairs.ln_flux_rest[start : start + _BLOCK], n_measured))
        progress("candidates", min(start + _BLOCK, total), total)
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in vars(parts[0])
        if name != "targets"
    }
    targets = {name: np.concatenate([part.targets[name] for part in parts]) for name in parts[0].targets}
    return Drawn(targets=targets, **joined)


def seeds_of(start: int, count: int) -> Seeds:
    """Seeds of some held-out galaxies, from their places among all: the same for every family."""
    return [(0, f"evaluation-{start + i}") for i in range(count)]


def in_half_precision(family: _Family) -> _Family:
    """The same family with the networks that draw in bfloat16, which they were trained in.

    Samples of the latent family change by about 0.2 % of σ.
    """
    halved = {name: copy.deepcopy(getattr(family, name)).bfloat16() for name in _HALVED[type(family)]}
    return replace(family, **halved)


def _reduced(drawn: Candidates, ln_true: FloatArray, n_measured: int) -> Drawn:
    rows = np.arange(len(ln_true))
    spectra, redshift = drawn.ln_flux[:, :n_measured], drawn.redshift[:, :n_measured]
    values = measure_many(spectra.reshape(-1, spectra.shape[-1]), redshift.reshape(-1))
    measured = {name: array.reshape(len(rows), -1) for name, array in values.items()}
    targets = {name: measured[name] for name in SPECTRAL_TARGETS} | {"redshift": drawn.redshift}
    columns = np.moveaxis(drawn.physical, -1, 0)
    targets |= dict(zip(PHYSICAL_NAMES, columns, strict=True)) if len(columns) else {}
    return Drawn(
        targets=targets,
        classes=measured[CLASS],
        latent=drawn.latent,
        score=drawn.score,
        medoid=drawn.medoid,
        residual_medoid=(drawn.ln_flux[rows, drawn.medoid] - ln_true).astype(np.float16),
        residual_candidate=(drawn.ln_flux[:, 0] - ln_true).astype(np.float16),
    )
