"""Writes a trained cascade as a version of the model store."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Final

from fiberless.datasets.mock.survey import MAIN_LIMIT
from fiberless.inference.cascade import CascadeFamily
from fiberless.inference.store import save_cascade
from fiberless.manifest import Manifest
from fiberless.training.cascade.train import TrainedCascade

__all__ = ["write_cascade"]

PROMISED_REDSHIFT: Final = (0.05, 0.15)
N_CANDIDATES: Final = 25
_CARD: Final = """\
# Model card of {name}

The pipeline of Doorenbos et al. 2024 (arXiv 2406.18175), written anew: from a five-band image (ugriz,
64×64 px, 0.396 arcsec/px) it draws spectra of {low} pixels by diffusion, ranks them by contrast with the
image, draws spectra of 4500 pixels (4000–8499 Å, vacuum, observed frame) from them by a second diffusion, and
ranks again.

**Trained on {rows} of {n} galaxies ({description}).** What it returns for a real galaxy is what such galaxies
show. It is a prediction, not an observation.

| | |
|---|---|
| candidates | {candidates} of low resolution; {share:.0%} of them go on; {candidates} of full resolution |
| sampler | {scheduler}, {steps} evaluations a stage |
| promised | {z_low} < z < {z_high}, r < {r_limit} inside 7 arcsec |
| training | {seconds} s on {processes} process(es) of {device}; seed {seed} |

Numbers are medians and central intervals over the candidates of full resolution. A redshift is measured on
each of them; there are no stellar masses, ages or others that a spectrum does not show by itself.{narrow}

This family keeps the paper's pipeline as a yardstick; the latent family is the default, and faster.
"""
_NARROW: Final = """ Since
candidates are ranked between the stages, intervals are narrower than they should be."""


def write_cascade(folder: Path, trained: TrainedCascade, *, command: str) -> Manifest:
    """Write networks, scalers, sampling, manifest and card; the folder's name is the version's.

    Weights are kept in half precision and loaded into float32. The store's `DEFAULT` is left alone.
    """
    data, config = trained.record["data"], trained.config
    kind = "simulated" if data["kind"] == "mock" else "observed"
    return save_cascade(
        folder,
        _halved(trained.family),
        card=_card(folder.name, trained),
        name="fiberless-cascade",
        redshift_range=PROMISED_REDSHIFT,
        r_magnitude_limit=MAIN_LIMIT,
        sampler_steps=config.sampler_steps,
        n_candidates=N_CANDIDATES,
        training={**trained.record, "command": command},
        training_data=f"{trained.record['rows']} {kind} galaxies ({data['description']})",
    )


def _card(name: str, trained: TrainedCascade) -> str:
    record, config = trained.record, trained.config
    return _CARD.format(
        name=name,
        low=563,
        rows=record["rows"],
        n=record["data"]["n"],
        description=record["data"]["description"],
        candidates=N_CANDIDATES,
        share=config.kept_share,
        scheduler=config.scheduler,
        steps=config.sampler_steps,
        z_low=PROMISED_REDSHIFT[0],
        z_high=PROMISED_REDSHIFT[1],
        r_limit=MAIN_LIMIT,
        seconds=record["wall_seconds"],
        processes=record["processes"],
        device=record["device"],
        seed=config.seed,
        narrow=_NARROW if config.kept_share < 1 else "",
    )


def _halved(family: CascadeFamily) -> CascadeFamily:
    """The same family with float16 weights; the one given is left alone."""
    names = ("low", "high", "contrast_low", "contrast_high")
    return replace(family, **{name: copy.deepcopy(getattr(family, name)).half() for name in names})
