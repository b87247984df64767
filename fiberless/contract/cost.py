"""What a request costs: evaluations of the network for all candidates, in those of the latent family."""

from types import MappingProxyType
from typing import Final

from fiberless.contract.manifest import Manifest
from fiberless.contract.request import PredictionOptions
from fiberless.errors import UsageError

__all__ = ["check_cost", "request_cost"]

_OF_ONE_EVALUATION: Final = MappingProxyType({"latent": 1.0, "cascade": 200.0})
"""Of one candidate: 0.06 core-ms of the latent denoiser, 10 to 16 of a U-Net of the cascade."""


def request_cost(options: PredictionOptions, manifest: Manifest) -> float:
    """Cost of a prediction of one galaxy by a model version."""
    one = manifest.cost_per_evaluation or _OF_ONE_EVALUATION[manifest.family]
    return (options.steps or manifest.sampler_steps) * options.n_candidates * one


def check_cost(options: PredictionOptions, manifest: Manifest, *, most: float) -> None:
    """Pass if a request costs no more than it may.

    Raises
    ------
    UsageError
        `too-expensive`, with the numbers.

    """
    cost = request_cost(options, manifest)
    if cost > most:
        steps = options.steps or manifest.sampler_steps
        raise UsageError(
            "too-expensive",
            f"{options.n_candidates} candidates by {steps} steps of {manifest.version} cost {cost:.0f}; "
            f"a request may cost {most:.0f}: ask for fewer candidates or steps",
        )
