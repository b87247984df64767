"""`Predictor`: requests in, predictions out. The whole way of a galaxy through the model, on one screen."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from fiberless.contract import JobProgress, PredictionRequest, PredictionResult, Watch
from fiberless.contract.manifest import Manifest
from fiberless.errors import UsageError
from fiberless.inference.conditioning import prepare
from fiberless.inference.family import Family
from fiberless.inference.report import Drawn, Engine, build_result
from fiberless.inference.store import load_family

__all__ = ["Predictor", "load_predictor"]

_CHUNK_CANDIDATES = 1024  # spectra decoded at once: bounds the memory to about 100 MB


@dataclass(frozen=True, eq=False)
class Predictor:
    """One model version in memory."""

    family: Family
    manifest: Manifest

    def predict(
        self, requests: Sequence[PredictionRequest], *, watch: Watch | None = None
    ) -> list[PredictionResult]:
        """Predict the spectra of galaxies; results in the order of the requests.

        Requests may differ in every option. What one returns does not depend on the others: rounding apart
        (5e-6 measured in float32), it is the same alone and in any batch.

        Parameters
        ----------
        watch : callable or None
            Told after each denoising step, and before each galaxy is measured; may raise to end the work.

        Raises
        ------
        UsageError
            `unknown-model` if a request names another version, `fits-shape` if a cutout is not 64×64.

        """
        alike: dict[tuple[int, int], list[int]] = defaultdict(list)
        for row, request in enumerate(requests):
            alike[self._candidates_and_steps(request)].append(row)
        results: dict[int, PredictionResult] = {}
        for (n, steps), rows in alike.items():
            size = max(1, _CHUNK_CANDIDATES // n)
            for chunk in (rows[start : start + size] for start in range(0, len(rows), size)):
                tell = partial(_tell, watch, chunk)
                predicted = self._predict_alike([requests[row] for row in chunk], n, steps, tell=tell)
                results.update(zip(chunk, predicted, strict=True))
        return [results[row] for row in range(len(requests))]

    def _candidates_and_steps(self, request: PredictionRequest) -> tuple[int, int]:
        options = request.options
        if options.model not in {None, self.manifest.version}:
            raise UsageError("unknown-model", f"{self.manifest.version} is loaded, not {options.model}")
        return options.n_candidates, options.steps or self.manifest.sampler_steps

    def _predict_alike(
        self,
        requests: Sequence[PredictionRequest],
        n: int,
        steps: int,
        *,
        tell: Callable[[JobProgress], None],
    ) -> list[PredictionResult]:
        cutouts = [request.cutout for request in requests]
        conditions = prepare(cutouts, [request.ebv for request in requests])
        seeds = [(request.options.seed, request.cutout.sha256) for request in requests]
        drawn = self.family.candidates(
            conditions,
            seeds,
            n=n,
            steps=steps,
            on_step=lambda done: tell(JobProgress(stage="predicting", done=done, total=steps)),
        )
        outliers = self.family.condition_scaler.outliers(conditions)
        engine = Engine(self.manifest, str(self.family.device), self.family.dtype)
        return [
            build_result(
                request,
                Drawn(
                    candidates=drawn.galaxy(b),
                    r_magnitude=float(conditions.r_magnitude[b]),
                    outliers=outliers[b],
                ),
                engine,
            )
            for b, request in enumerate(_one_by_one(requests, tell))
        ]


def load_predictor(store: Path, version: str, *, device: str = "auto") -> Predictor:
    """Load a model version, checked against its hashes.

    Parameters
    ----------
    device : str
        A torch device; `auto` takes CUDA where there is one.

    Raises
    ------
    UsageError, FatalError
        As `fiberless.inference.store.load_family`.

    """
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    family, manifest = load_family(store, version, chosen)
    return Predictor(family, manifest)


def _tell(watch: Watch | None, rows: Sequence[int], progress: JobProgress) -> None:
    if watch is not None:
        watch(rows, progress)


def _one_by_one(
    requests: Sequence[PredictionRequest], tell: Callable[[JobProgress], None]
) -> Iterator[PredictionRequest]:
    """Tell before each galaxy how many are measured."""
    for measured, request in enumerate(requests):
        tell(JobProgress(stage="measuring", done=measured, total=len(requests)))
        yield request
