"""`ModelCache`: the models that a worker has loaded, verified and warmed, by version."""

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import structlog
import torch

from fiberless.astro.bands import N_BANDS
from fiberless.contract import JobProgress, PredictionOptions, PredictionRequest, PredictionResult, Watch
from fiberless.contract.cost import request_cost
from fiberless.contract.manifest import read_manifest, resolve_version, verify_files
from fiberless.errors import FiberlessError
from fiberless.images.cutout import Cutout
from fiberless.inference.predictor import Predictor, load_predictor
from worker.faults import DeviceLostError

__all__ = ["ModelCache"]

_VERSIONS_KEPT: Final = 2
_log = structlog.get_logger(__name__)


class ModelCache:
    """Predictors by version; the least recently used is dropped when there are too many.

    Parameters
    ----------
    store : Path
        Folder of model versions.
    default_version : str or None
        The version for requests that name none; None takes the store's own default.
    device : str
        torch device, or `auto`.

    Raises
    ------
    UsageError
        `unknown-model` if the default version is not in the store.
    FatalError
        `model-unavailable`, naming the file that is missing or differs from its pinned hash.

    """

    def __init__(self, store: Path, *, default_version: str | None, device: str) -> None:
        self._store = store
        self._device = device
        self._predictors: OrderedDict[str, Predictor] = OrderedDict()
        self.default_version = resolve_version(store, default_version)
        self._take(self.default_version)

    def predict(
        self, requests: Sequence[PredictionRequest], watch: Watch | None = None
    ) -> list[PredictionResult]:
        """Results of requests, in their order; requests for one version go through it together.

        Parameters
        ----------
        watch : told how far requests are; may raise to end the work

        Raises
        ------
        DeviceLostError
            If the accelerator's context is lost, by an illegal access, say.

        """
        versions = [request.options.model or self.default_version for request in requests]
        results: dict[int, PredictionResult] = {}
        for version in dict.fromkeys(versions):
            places = [place for place, other in enumerate(versions) if other == version]
            seen = None if watch is None else partial(_translated, watch, places)
            answers = _predict(self._take(version), [requests[place] for place in places], seen)
            results.update(zip(places, answers, strict=True))
        return [results[place] for place in range(len(requests))]

    def probe(self, request: PredictionRequest) -> None:
        """Predict a known galaxy with the model of a request; raises if that fails.

        Raises
        ------
        DeviceLostError
            As `predict`.

        """
        predictor = self._take(request.options.model or self.default_version)
        _predict(predictor, [_warm_up_request(predictor.manifest.cutout_pixels)], None)

    def cost(self, request: PredictionRequest) -> float:
        """Cost of a request, see `fiberless.contract.cost`; 0 if its model is not here."""
        try:
            manifest = read_manifest(self._store, request.options.model or self.default_version)
        except FiberlessError:
            return 0.0
        return request_cost(request.options, manifest)

    def _take(self, version: str) -> Predictor:
        if version not in self._predictors:
            self._predictors[version] = self._load(version)
        self._predictors.move_to_end(version)
        if len(self._predictors) > _VERSIONS_KEPT:
            self._predictors.popitem(last=False)
        return self._predictors[version]

    def _load(self, version: str) -> Predictor:
        """Verify every file, load, and predict once, so that no caller waits for the first kernel."""
        verify_files(self._store, read_manifest(self._store, version))
        predictor = load_predictor(self._store, version, device=self._device)
        predictor.predict([_warm_up_request(predictor.manifest.cutout_pixels)])
        _log.info("model ready", version=version, device=self._device)
        return predictor


def _translated(watch: Watch, places: Sequence[int], rows: Sequence[int], progress: JobProgress) -> None:
    """Pass on what is said of some of the requests, under their places among all."""
    watch([places[row] for row in rows], progress)


def _predict(
    predictor: Predictor, requests: list[PredictionRequest], watch: Watch | None
) -> list[PredictionResult]:
    try:
        return predictor.predict(requests, watch=watch)
    except torch.AcceleratorError as error:
        raise DeviceLostError(str(error)) from error


def _warm_up_request(pixels: int) -> PredictionRequest:
    """Request of a round Gaussian source, r = 16.5 mag; its result is thrown away."""
    offset = np.arange(pixels) - (pixels - 1) / 2
    profile = np.exp(-0.5 * (offset[:, None] ** 2 + offset[None, :] ** 2) / 4.0**2)
    flux_nmgy = np.repeat(250.0 * profile[None] / profile.sum(), N_BANDS, axis=0)
    return PredictionRequest(Cutout(flux_nmgy=flux_nmgy, source="mock"), PredictionOptions(n_candidates=2))
