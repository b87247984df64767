"""Writes a trained cascade as a version of the model store."""

import copy
from dataclasses import replace
from pathlib import Path

from fiberless.contract import DEFAULT_CANDIDATES
from fiberless.contract.manifest import PROMISED_REDSHIFT, Manifest
from fiberless.datasets.mock.survey import MAIN_LIMIT
from fiberless.inference.cascade import CascadeFamily
from fiberless.inference.store import save_cascade
from fiberless.training.cascade.card import render_cascade_card
from fiberless.training.cascade.train import TrainedCascade

__all__ = ["write_cascade"]


def write_cascade(folder: Path, trained: TrainedCascade, *, command: str) -> Manifest:
    """Write networks, scalers, sampling, manifest and card; the folder's name is the version's.

    Weights are kept in half precision and loaded into float32. The store's `DEFAULT` is left alone.
    """
    data, config = trained.record["data"], trained.config
    kind = "simulated" if data["kind"] == "mock" else "observed"
    manifest = save_cascade(
        folder,
        _halved(trained.family),
        card="",
        name="fiberless-cascade",
        redshift_range=PROMISED_REDSHIFT,
        r_magnitude_limit=MAIN_LIMIT,
        sampler_steps=config.sampler_steps,
        n_candidates=DEFAULT_CANDIDATES,
        training={**trained.record, "command": command},
        training_data=f"{trained.record['rows']} {kind} galaxies ({data['description']})",
    )
    (folder / "card.md").write_text(render_cascade_card(manifest), encoding="utf-8")
    return manifest


def _halved(family: CascadeFamily) -> CascadeFamily:
    """The same family with float16 weights; the one given is left alone."""
    names = ("low", "high", "contrast_low", "contrast_high")
    return replace(family, **{name: copy.deepcopy(getattr(family, name)).half() for name in names})
