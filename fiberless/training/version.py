"""Writes what was trained as a version of the model store."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from fiberless.contract import DEFAULT_CANDIDATES
from fiberless.contract.manifest import PROMISED_REDSHIFT, SAMPLER_STEPS, Manifest
from fiberless.datasets.mock.survey import MAIN_LIMIT
from fiberless.inference.latent import LatentFamily
from fiberless.inference.store import save_version
from fiberless.training.card import render_card
from fiberless.training.train import Trained

__all__ = ["write_version"]

SIMULATED: Final = "mock"


def write_version(folder: Path, trained: Trained, *, command: str) -> Manifest:
    """Write networks, basis, scalers, manifest and card; the folder's name is the version's.

    Weights are kept in half precision, which halves the files; they are loaded into float32. The store's
    `DEFAULT` is set to it where the store has none.
    """
    data = trained.record["data"]
    manifest = save_version(
        folder,
        _halved(trained.family),
        card="",
        name="fiberless-latent",
        redshift_range=PROMISED_REDSHIFT,
        r_magnitude_limit=MAIN_LIMIT,
        sampler_steps=SAMPLER_STEPS,
        n_candidates=DEFAULT_CANDIDATES,
        training={
            **trained.record,
            "command": command,
            "data_command": _data_command(data),
        },
        training_data=_training_data(data),
    )
    (folder / "card.md").write_text(render_card(manifest), encoding="utf-8")
    default = folder.parent / "DEFAULT"
    if not default.exists():
        default.write_text(folder.name + "\n")
    return manifest


def _training_data(data: dict[str, Any]) -> str:
    if data["kind"] == SIMULATED:
        return f"{data['n']} simulated galaxies (mock survey, seed {data['seed']}); no real spectrum"
    return f"{data['n']} observed galaxies ({data['description']})"


def _data_command(data: dict[str, Any]) -> str:
    if data["kind"] == SIMULATED:
        return f"fiberless data mock --n {data['n']} --seed {data['seed']} --out DATA"
    return f"fiberless data {data['kind']}"


def _halved(family: LatentFamily) -> LatentFamily:
    """The same family with float16 weights; the one given is left alone."""
    return replace(
        family,
        image_encoder=copy.deepcopy(family.image_encoder).half(),
        latent_encoder=copy.deepcopy(family.latent_encoder).half(),
        denoiser=copy.deepcopy(family.denoiser).half(),
    )
