"""Evaluates a model on a held-out data set, beside baselines trained on the same pairs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from fiberless.arrays import FloatArray
from fiberless.contract.manifest import PROMISED_REDSHIFT
from fiberless.datasets.mock.survey import MAIN_LIMIT
from fiberless.datasets.shards import ShardSet
from fiberless.evaluation.agn import AGN_DEFINITIONS, AgnScore, agn_scores
from fiberless.evaluation.baselines import cnn_baseline, constant_baseline, mlp_baseline, neighbours
from fiberless.evaluation.calibration import JointCalibration, Uniformity, joint_calibration, pit, uniformity
from fiberless.evaluation.choice import choice_table
from fiberless.evaluation.gates import gates
from fiberless.evaluation.metrics import (
    PhotoZ,
    Score,
    photo_z,
    point_score,
    posterior_median,
    posterior_score,
    usable,
)
from fiberless.evaluation.model_checks import basis_rms, retrieval_of, width_ratio
from fiberless.evaluation.pairs import (
    BaselineRows,
    HeldOut,
    Progress,
    read_baseline_rows,
    read_held_out,
    true_latents,
)
from fiberless.evaluation.sampling import EvaluatedCandidates, draw_candidates, in_half_precision
from fiberless.evaluation.target_table import TargetTable
from fiberless.inference.latent import LatentFamily

__all__ = ["Evaluation", "EvaluationOptions", "evaluate"]

_CHECKED: Final = 40


@dataclass(frozen=True)
class EvaluationOptions:
    """Size of an evaluation.

    Parameters
    ----------
    n_candidates : K, drawn for each galaxy
    n_measured : M, whose spectra are measured
    limit : test galaxies read, all by default
    baseline_rows : training galaxies that baselines see
    mlp_steps, cnn_steps : of the two regressions; 0 leaves one out
    half_precision : draw with the denoiser in bfloat16, four times as fast on a CPU
    training_core_minutes : what the version's training took, where its record says so
    """

    n_candidates: int = 100
    n_measured: int = 100
    limit: int | None = None
    baseline_rows: int = 40_000
    mlp_steps: int = 6000
    cnn_steps: int = 0
    half_precision: bool = True
    training_core_minutes: float | None = None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All figures of merit, and the pairs of truth and prediction that plots are drawn from.

    Parameters
    ----------
    n : test galaxies
    options : size of the evaluation
    scores : {method: {target: Score}}; methods `model`, `neighbours`, `mlp`, `cnn`, `constant`
    pit : {target: ranks of the truth among the model's candidates}
    photo_z : {method: PhotoZ}, and `model_promised` for true z inside the promised range
    agn : scores of the predicted AGN probability
    joint : calibration of the latent
    choice : see `choice.choice_table`
    retrieval : top-1 share and median rank of the true latent among all held-out ones
    sampler : [D] standard deviation of samples over that of many steps
    basis_rms : of the basis on the true spectra
    pairs, drawn : truth and candidates

    """

    n: int
    options: EvaluationOptions
    scores: dict[str, dict[str, Score]]
    pit: dict[str, Uniformity]
    photo_z: dict[str, PhotoZ]
    agn: list[AgnScore]
    joint: JointCalibration
    choice: dict[str, dict[str, dict[str, float]]]
    retrieval: dict[str, float]
    sampler: FloatArray
    basis_rms: float
    pairs: HeldOut
    drawn: EvaluatedCandidates

    def as_dict(self) -> dict[str, Any]:
        """Every figure, rounded, for JSON, and the gates that follow from them."""
        figures = {
            "n": self.n,
            "n_candidates": self.options.n_candidates,
            "options": asdict(self.options),
            "retrieval": self.retrieval,
            "choice": self.choice,
            "scores": {
                method: {name: score.rounded() for name, score in table.items()}
                for method, table in self.scores.items()
            },
            "pit": {name: test.as_dict() for name, test in self.pit.items()},
            "photo_z": {method: score.rounded() for method, score in self.photo_z.items()},
            "agn": [score.rounded() for score in self.agn],
            "joint": self.joint.as_dict(),
            "sampler_width_ratio": np.round(self.sampler, 4).tolist(),
            "basis_rms": round(self.basis_rms, 6),
        }
        return figures | {"gates": [gate._asdict() for gate in gates(figures)]}


def evaluate(
    family: LatentFamily,
    test: ShardSet,
    train: ShardSet,
    *,
    steps: int,
    options: EvaluationOptions | None = None,
    progress: Progress,
) -> Evaluation:
    """Score a model on the galaxies of a test set whose images are as bright as is promised.

    Parameters
    ----------
    test : held-out pairs, of another seed than those trained on
    train : pairs that baselines are trained on
    steps : of the sampler

    """
    chosen = options or EvaluationOptions()
    quick = in_half_precision(family) if chosen.half_precision else family
    pairs = read_held_out(test, r_limit=MAIN_LIMIT, limit=chosen.limit, progress=progress)
    # candidates of the model
    drawn = draw_candidates(
        quick,
        pairs,
        steps=steps,
        n_candidates=chosen.n_candidates,
        n_measured=chosen.n_measured,
        progress=progress,
    )
    # baselines, from the same pairs
    learned = read_baseline_rows(train, chosen.baseline_rows, images=chosen.cnn_steps > 0, progress=progress)
    nearest = neighbours(learned.photometry, pairs.conditions.photometry)
    estimates = _regressions(learned, pairs, chosen, progress)
    progress("tests", 0, 1)
    # figures of merit
    targets = _scored(drawn, pairs, learned)
    samples = {"model": targets, "neighbours": learned.truth.only(targets.names).rows(nearest)}
    latent = true_latents(family, pairs)
    retrieval, true_score = retrieval_of(family, pairs.conditions, latent)
    evaluation = Evaluation(
        n=len(pairs.conditions),
        options=chosen,
        scores=_scores(pairs.truth, samples, estimates),
        pit=_pits(pairs.truth, targets),
        photo_z=_photo_z(pairs.truth["redshift"], samples, estimates),
        agn=_agn(pairs.truth.classes, samples, learned.truth.classes),
        joint=joint_calibration(
            latent, drawn.candidates.latent, true_score=true_score, scores=drawn.candidates.score
        ),
        choice=choice_table(pairs.truth, drawn),
        retrieval=retrieval,
        sampler=width_ratio(family, pairs.conditions[:_CHECKED], steps=steps),
        basis_rms=basis_rms(family.basis, pairs.ln_flux_rest),
        pairs=pairs,
        drawn=drawn,
    )
    progress("tests", 1, 1)
    return evaluation


def _regressions(
    learned: BaselineRows, pairs: HeldOut, options: EvaluationOptions, progress: Progress
) -> dict[str, TargetTable]:
    """Point estimates (n,) of each method."""
    names = [name for name in learned.truth.names if np.isfinite(learned.truth[name]).any()]
    table = np.stack([learned.truth[name] for name in names], axis=1)
    query = pairs.conditions
    estimates = {"constant": constant_baseline(table, len(query))}
    if options.mlp_steps:
        progress("mlp", 0, 1)
        estimates["mlp"] = mlp_baseline(learned.photometry, table, query.photometry, steps=options.mlp_steps)
        progress("mlp", 1, 1)
    if options.cnn_steps:
        estimates["cnn"] = cnn_baseline(
            learned.images,
            table,
            query.image,
            steps=options.cnn_steps,
            progress=lambda done, total: progress("cnn", done, total),
        )
    no_class = np.full(len(query), np.nan)
    return {
        method: TargetTable(dict(zip(names, values.T, strict=True)), no_class)
        for method, values in estimates.items()
    }


def _scored(drawn: EvaluatedCandidates, pairs: HeldOut, learned: BaselineRows) -> TargetTable:
    """Targets whose truth is known in both data sets."""
    known = (pairs.truth, learned.truth)
    targets = drawn.targets
    return targets.only(
        name for name in targets.names if all(np.isfinite(truth[name]).any() for truth in known)
    )


def _scores(
    truth: TargetTable, samples: Mapping[str, TargetTable], estimates: Mapping[str, TargetTable]
) -> dict[str, dict[str, Score]]:
    """Scores {method: {target: …}} of methods that give samples (n, K), and of those that give one number."""
    scores = {
        method: {name: posterior_score(truth[name], table[name]) for name in table.names}
        for method, table in samples.items()
    }
    for method in ("mlp", "cnn", "constant"):
        if method in estimates:
            table = estimates[method]
            scores[method] = {name: point_score(truth[name], table[name]) for name in samples["model"].names}
    return scores


def _pits(truth: TargetTable, samples: TargetTable) -> dict[str, Uniformity]:
    tests = {}
    for name in samples.names:
        kept = usable(truth[name], samples[name])
        tests[name] = uniformity(pit(truth[name][kept], samples[name][kept]))
    return tests


def _photo_z(
    truth: FloatArray, samples: Mapping[str, TargetTable], estimates: Mapping[str, TargetTable]
) -> dict[str, PhotoZ]:
    points = {method: posterior_median(table["redshift"]) for method, table in samples.items()}
    points |= {method: table["redshift"] for method, table in estimates.items()}
    low, high = PROMISED_REDSHIFT
    inside = (truth > low) & (truth < high)
    promised = photo_z(truth[inside], points["model"][inside])
    return {"model_promised": promised} | {name: photo_z(truth, point) for name, point in points.items()}


def _agn(truth: FloatArray, samples: Mapping[str, TargetTable], trained: FloatArray) -> list[AgnScore]:
    known = trained[np.isfinite(trained)]
    prevalence = {name: float(np.isin(known, kinds).mean()) for name, kinds in AGN_DEFINITIONS.items()}
    classes = {method: table.classes for method, table in samples.items()}
    return agn_scores(truth, classes, prevalence=prevalence)
